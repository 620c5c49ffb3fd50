/**
 * Containers by proot, where bubblewrap cannot create namespaces. The root folder looks the same,
 * but it is slower (every system call is traced), the host's processes are visible, root can write
 * to system folders, and grandchildren of a task outlive a SIGKILL of the server.
 */
import { join } from 'node:path';
import type { Container, Runner } from '../runner.ts';
import type { Cgroups } from './cgroups.ts';
import {
  containerEnvironment,
  startProcessContainer,
  type Invocation,
  type Scratch,
} from './process-container.ts';
import { dressCommand } from './dress.ts';
import { planRootFolder, type Placement } from './root-folder.ts';
import { sweepScratch } from './scratch.ts';

export interface ProotOptions {
  dataFolder: string;
  keepScratch: boolean;
  cgroups?: Cgroups;
  /** The full path of proot. */
  program: string;
  /** The full path of setpriv, which ends proot with the server and the command with proot. */
  setpriv: string;
}

function bindOf(placement: Placement): string[] {
  // proot follows the host's links itself, so a link is bound under its own name.
  if (placement.kind === 'symlink') return ['-b', `${placement.to}:${placement.to}`];
  return ['-b', `${placement.from}:${placement.to}`];
}

function invoke(
  { program, setpriv }: ProotOptions,
  container: Container,
  { root, volumes }: Scratch,
): Invocation {
  return {
    argv: [
      setpriv,
      '--pdeathsig',
      'KILL',
      '--',
      program,
      '-r',
      root,
      '-w',
      '/',
      ...planRootFolder(container.mounts, volumes).flatMap(bindOf),
      '-b',
      '/proc',
      '-b',
      '/dev',
      // Inside too: the command must not continue untraced when proot is killed.
      setpriv,
      '--pdeathsig',
      'KILL',
      '--',
      ...dressCommand(container.command, container.extras ?? {}),
    ],
    environment: containerEnvironment(container),
    reportsInit: false,
    notFound:
      /^setpriv: failed to execute [^\n]*: (?:No such file or directory|Permission denied)\n$/m,
    signalled: /^proot info: pid \d+: terminated with signal (\d+)\n$/m,
  };
}

export function createProotRunner(options: ProotOptions): Runner {
  const { dataFolder, keepScratch, cgroups } = options;
  const scratchFolder = join(dataFolder, 'scratch');
  const setting = {
    scratchFolder,
    keepScratch,
    ...(cgroups === undefined ? {} : { cgroups }),
    invoke: (container: Container, scratch: Scratch) => invoke(options, container, scratch),
  };
  return {
    name: 'proot',
    keepsLogs: true,
    start: (container) => startProcessContainer(setting, container),
    sweep: () => sweepScratch(scratchFolder, keepScratch, cgroups),
  };
}
