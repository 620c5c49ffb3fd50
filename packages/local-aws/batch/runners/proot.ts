/**
 * Containers by proot, where bubblewrap may not make namespaces. The same picture of the root
 * folder, but slower (every system call is traced), with the host's processes in sight, system
 * folders that root could write to, and grandchildren of a task that outlive a SIGKILL of the
 * server.
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
import { planRootFolder, type Placement } from './root-folder.ts';
import { sweepScratch } from './scratch.ts';

export interface ProotOptions {
  dataFolder: string;
  keepScratch: boolean;
  cgroups?: Cgroups;
  /** The full path of proot. */
  program: string;
  /** The full path of setpriv, by which proot dies with the server and the command with proot. */
  setpriv: string;
}

function bindOf(placement: Placement): string[] {
  // proot follows the host's links by itself: a link is bound by its own name.
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
      // Within too: the command must not go on, untraced, when proot is killed.
      setpriv,
      '--pdeathsig',
      'KILL',
      '--',
      ...container.command,
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
