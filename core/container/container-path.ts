/** Paths in a task's container: patterns, and one spelling for each path. */

/** POSIX patterns (IEEE Std 1003.1, 2.13), as TES allows them in an output's path. */
export const hasWildcard = (path: string): boolean => /[*?]|\[[^\]]+\]/.test(path);

export const CONTAINER_PATH = 'an absolute path in the container, without ".."';

/**
 * One spelling for each path: no double slashes, no `.`, no slash at the end. Undefined when the
 * path is not absolute, or contains `..`, which could lead out of the task's own folders.
 */
export function containerPath(path: string): string | undefined {
  if (!path.startsWith('/')) return undefined;
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  return parts.includes('..') ? undefined : `/${parts.join('/')}`;
}
