/**
 * Containers by bubblewrap: own root folder, own processes, the host's network. 8 to 12 ms each.
 */
import { dirname, join } from 'node:path';
import type { Container, Runner } from '../runner.ts';
import type { Cgroups } from './cgroups.ts';
import {
  containerEnvironment,
  startProcessContainer,
  type Invocation,
  type Scratch,
} from './process-container.ts';
import { dressCommand, memoryFolders } from './dress.ts';
import { sweepScratch } from './scratch.ts';
import { planRootFolder, type Placement } from './root-folder.ts';

export interface IsolatedOptions {
  dataFolder: string;
  keepScratch: boolean;
  cgroups?: Cgroups;
  /** The full path of bubblewrap. */
  program: string;
}

// What Docker leaves to root in a container, without the creation of devices: a task that is root
// could otherwise open the disk itself.
const KEPT_CAPABILITIES = [
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'SETGID',
  'SETUID',
  'NET_BIND_SERVICE',
  'SYS_CHROOT',
];
const IS_ROOT = process.getuid?.() === 0;

/** bubblewrap makes a missing folder above a mount for its owner alone; Docker makes it for everybody. */
const openParents = (placements: readonly Placement[]): string[] =>
  [...new Set(placements.flatMap(({ to }) => foldersAbove(to)))]
    .filter((folder) => !placements.some(({ to }) => folder === to || folder.startsWith(`${to}/`)))
    .toSorted((one, other) => one.length - other.length)
    .flatMap((folder) => ['--perms', '0755', '--dir', folder]);

const foldersAbove = (path: string): string[] => {
  const parent = dirname(path);
  return parent === path || parent === '/' ? [] : [parent, ...foldersAbove(parent)];
};

function argumentsOf(placement: Placement): string[] {
  if (placement.kind === 'symlink') return ['--symlink', placement.target, placement.to];
  return [placement.kind === 'writable' ? '--bind' : '--ro-bind', placement.from, placement.to];
}

const batchVariables = ({ environment }: Container): Record<string, string> =>
  Object.fromEntries(Object.entries(environment).filter(([name]) => name.startsWith('AWS_BATCH_')));

function invoke(program: string, container: Container, { root, volumes }: Scratch): Invocation {
  const capabilities = IS_ROOT
    ? ['--cap-drop', 'ALL', ...KEPT_CAPABILITIES.flatMap((name) => ['--cap-add', `CAP_${name}`])]
    : [];
  const placements = planRootFolder(container.mounts, volumes);
  const privateArguments = [
    '--unshare-pid',
    '--unshare-ipc',
    '--die-with-parent',
    '--clearenv',
    ...Object.entries(containerEnvironment(container)).flatMap(([name, value]) => [
      '--setenv',
      name,
      value,
    ]),
    ...capabilities,
    '--bind',
    root,
    '/',
    ...openParents(placements),
    ...placements.flatMap(argumentsOf),
    '--proc',
    '/proc',
    '--dev',
    '/dev',
    ...memoryFolders(container.extras ?? {}),
    ...(container.readonlyRoot ? ['--remount-ro', '/'] : []),
    '--chdir',
    '/',
  ];
  return {
    argv: [
      program,
      '--json-status-fd',
      '3',
      '--args',
      '4',
      '--',
      ...dressCommand(container.command, container.extras ?? {}),
    ],
    privateArguments,
    // The first process of the task's PID namespace shows whose it is, as in a container of Docker.
    environment: { PATH: '/usr/bin:/bin', ...batchVariables(container) },
    reportsInit: true,
    notFound:
      /^(?:bwrap: execvp|setpriv: failed to execute) [^\n]*: (?:No such file or directory|Permission denied)\n$/m,
  };
}

export function createIsolatedRunner({
  dataFolder,
  keepScratch,
  cgroups,
  program,
}: IsolatedOptions): Runner {
  const scratchFolder = join(dataFolder, 'scratch');
  const setting = {
    scratchFolder,
    keepScratch,
    ...(cgroups === undefined ? {} : { cgroups }),
    invoke: (container: Container, scratch: Scratch) => invoke(program, container, scratch),
  };
  return {
    name: 'isolated',
    keepsLogs: true,
    start: (container) => startProcessContainer(setting, container),
    sweep: () => sweepScratch(scratchFolder, keepScratch, cgroups),
  };
}
