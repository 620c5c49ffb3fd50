/** What a process container gets of a definition's user, limits and memory folders. */
import type { ContainerExtras } from '../jobs.ts';

const MIB = 1024 * 1024;

/** Arguments of bubblewrap that come after its mounts. */
export const memoryFolders = ({ sharedMemoryMiB, tmpfs = [] }: ContainerExtras): string[] =>
  [
    ...(sharedMemoryMiB === undefined ? [] : [{ path: '/dev/shm', sizeMiB: sharedMemoryMiB }]),
    ...tmpfs,
  ].flatMap(({ path, sizeMiB }) => [
    '--perms',
    '1777',
    '--size',
    String(sizeMiB * MIB),
    '--tmpfs',
    path,
  ]);

// A machine that may not raise a limit says so in the log, and the job goes on.
const LIMIT_AND_RUN =
  'while [ "$1" != -- ]; do prlimit --pid $$ "$1" 2>/dev/null || ' +
  'echo "local Batch: the limit $1 cannot be set on this machine." >&2; shift; done; ' +
  'shift; exec "$@"';

// Without a group, Docker takes the user's own, and 0 for an ID that no user has.
const SWITCH_AND_RUN =
  'id=$1; group=${2:-$(id -g -- "$1" 2>/dev/null || echo 0)}; shift 2; ' +
  'exec setpriv --reuid "$id" --regid "$group" --clear-groups -- "$@"';

const inWords = (limit: number): string => (limit === -1 ? 'unlimited' : String(limit));

const isRoot = (user: string): boolean => /^(?:0+|root)(?::(?:0+|root))?$/.test(user);

/** The command as the container's user runs it, under its limits. */
export function dressCommand(
  command: readonly string[],
  { user = '0', ulimits = [] }: ContainerExtras,
): string[] {
  const [id = '0', group = ''] = user.split(':');
  const switched = isRoot(user)
    ? command
    : ['sh', '-c', SWITCH_AND_RUN, 'sh', id, group, ...command];
  if (ulimits.length === 0) return [...switched];
  const limits = ulimits.map(
    ({ name, soft, hard }) => `--${name}=${inWords(soft)}:${inWords(hard)}`,
  );
  return ['sh', '-c', LIMIT_AND_RUN, 'sh', ...limits, '--', ...switched];
}
