/** Paths in a task's container: one spelling for each path, and which of them overlap. */

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
 * By position, after which others it is laid: after every folder that it is in, so that what is declared closer to a
 * file wins, in whatever order the inputs are declared. Of two at one path, the later one is laid last.
 */
export function laidAfter(laid: readonly LaidPath[]): number[][] {
  const at = Map.groupBy(laid.keys(), (position) => laid[position]?.path ?? '');
  return laid.map(({ path }, position) => [
    ...foldersAbove(path).flatMap((folder) =>
      (at.get(folder) ?? []).filter((other) => laid[other]?.isFolder),
    ),
    ...(at.get(path) ?? []).filter((other) => other < position).slice(-1),
  ]);
}

/** `/a/b/c` lies in `/a/b`, `/a`, and `/`; `/` lies in none. */
function foldersAbove(path: string): string[] {
  const steps = path.split('/').slice(1, -1);
  const above = ['/', ...steps.map((_, count) => `/${steps.slice(0, count + 1).join('/')}`)];
  return above.filter((folder) => folder !== path);
}
