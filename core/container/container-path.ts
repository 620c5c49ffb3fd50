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

export interface LaidPath {
  /** As `containerPath` gives it. */
  path: string;
  isFolder: boolean;
}

/**
 * Positions of what is laid at the path of another one, or inside of a folder that another one lays: for
 * these the order decides what is found there in the end.
 */
export function overlappingPaths(laid: readonly LaidPath[]): Set<number> {
  const at = Map.groupBy(laid.keys(), (position) => laid[position]?.path ?? '');
  const overlapping = new Set<number>();
  for (const [position, { path }] of laid.entries()) {
    const folders = foldersAbove(path).flatMap((folder) =>
      (at.get(folder) ?? []).filter((other) => laid[other]?.isFolder),
    );
    const others = [...folders, ...(at.get(path) ?? [])].filter((other) => other !== position);
    if (others.length > 0) for (const one of [position, ...others]) overlapping.add(one);
  }
  return overlapping;
}

/** `/a/b/c` lies in `/a/b`, `/a`, and `/`. */
function foldersAbove(path: string): string[] {
  const steps = path.split('/').slice(1, -1);
  return ['/', ...steps.map((_, count) => `/${steps.slice(0, count + 1).join('/')}`)];
}
