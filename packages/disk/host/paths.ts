/** Where things are on a host. */

/** On the root volume: it must outlive the disk of the tasks. */
const STATE = '/var/lib/batchwell/disk';

export const paths = {
  journal: `${STATE}/journal.json`,
  ballast: `${STATE}/ballast`,
  /** Of the tasks' data. */
  mount: '/var/lib/batchwell/data',
  binds: ['/var/lib/docker', '/var/lib/containerd'],
  run: '/run/batchwell',
  lock: '/run/batchwell/disk.lock',
  reason: '/run/batchwell/reason',
  ready: '/run/batchwell/storage',
  tasks: '/sys/fs/cgroup/ecstasks.slice/cgroup.freeze',
  /** Sends a line to the log group of the hosts. */
  awsGet: '/usr/local/lib/batchwell/aws-get',
} as const;

export const BALLAST_BYTES = 2 * 1_073_741_824;
