/**
 * The root folder that a task sees: a private, writable folder on disk, with the host's system
 * folders in it, read-only, and the job's volumes at their mount points. The task can create
 * everything else (/data, /home, /inputs …).
 */
import { existsSync, lstatSync, mkdirSync, readdirSync, readlinkSync, realpathSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import type { Mount } from '../jobs.ts';

export type Placement =
  | { kind: 'read-only' | 'writable'; from: string; to: string }
  | { kind: 'symlink'; target: string; to: string };

const SYSTEM_FOLDERS = [
  '/usr',
  '/bin',
  '/sbin',
  '/lib',
  '/lib32',
  '/lib64',
  '/libx32',
  '/opt',
  '/etc',
  '/nix',
];

function placeSystemPath(path: string, missing: readonly string[]): Placement[] {
  const stats = lstatSync(path);
  if (stats.isSymbolicLink()) return [{ kind: 'symlink', target: readlinkSync(path), to: path }];
  // A missing mount point cannot be created in a read-only folder, so the folder's entries are
  // placed one by one.
  const isOpened =
    stats.isDirectory() && missing.some((mountPoint) => mountPoint.startsWith(`${path}/`));
  if (!isOpened) return [{ kind: 'read-only', from: path, to: path }];
  return readdirSync(path).flatMap((name) => placeSystemPath(join(path, name), missing));
}

/** On many systems /etc/resolv.conf links to /run. Without it, no name resolves. */
function placeResolver(): Placement[] {
  if (!existsSync('/etc/resolv.conf')) return [];
  const real = realpathSync('/etc/resolv.conf');
  return SYSTEM_FOLDERS.some((folder) => real.startsWith(`${folder}/`))
    ? []
    : [{ kind: 'read-only', from: real, to: real }];
}

function placeMount(
  { hostPath, volume, containerPath, readOnly }: Mount,
  volumeFolder: string,
): Placement {
  const from = hostPath ?? join(volumeFolder, encodeURIComponent(volume));
  // Docker creates a missing host path, and so does ECS.
  if (!existsSync(from)) mkdirSync(from, { recursive: true });
  return { kind: readOnly ? 'read-only' : 'writable', from, to: normalize(containerPath) };
}

/**
 * What is placed where in the task's root, in the order of placement.
 * @param volumeFolder holds the volumes that have no host path
 * @throws when a host path cannot be created.
 */
export function planRootFolder(mounts: readonly Mount[], volumeFolder: string): Placement[] {
  const missing = mounts
    .map(({ containerPath }) => normalize(containerPath))
    .filter((path) => !existsSync(path));
  const system = SYSTEM_FOLDERS.filter((path) => existsSync(path)).flatMap((path) =>
    placeSystemPath(path, missing),
  );
  const placed = mounts.map((mount) => placeMount(mount, volumeFolder));
  // A mount below another must come after it.
  return [
    ...system,
    ...placeResolver(),
    ...placed.toSorted((one, other) => depth(one.to) - depth(other.to)),
  ];
}

const depth = (path: string) => (dirname(path) === path ? 0 : path.split('/').length);
