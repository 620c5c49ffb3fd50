/** Paths in a task's container. */

/** POSIX patterns (IEEE Std 1003.1, 2.13), as TES allows them in an output's path. */
export const hasWildcard = (path: string): boolean => /[*?]|\[[^\]]+\]/.test(path);

export const CONTAINER_PATH = 'an absolute path in the container, without ".."';

/**
 * One spelling for a path: no doubled slashes, no `.`, no slash at the end. Undefined when it is
 * not absolute or holds `..`, which could leave the task's own folders.
 */
export function containerPath(path: string): string | undefined {
  if (!path.startsWith('/')) return undefined;
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  return parts.includes('..') ? undefined : `/${parts.join('/')}`;
}
