/**
 * The program in which the local Batch server runs tasks: bubblewrap, or proot where the kernel
 * refuses namespaces.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import {
  ensureProgram,
  findProgram,
  MissingProgram,
  thisMachine,
  type Machine,
} from './install.ts';
import { BUBBLEWRAP, PROOT, type WantedProgram } from './programs.ts';

export interface Sandbox {
  kind: 'bubblewrap' | 'proot';
  program: string;
}

interface Candidate {
  kind: Sandbox['kind'];
  wanted: WantedProgram;
  /** The arguments of the smallest run that shows that it works here. */
  trial: string[];
}

const CANDIDATES: Candidate[] = [
  {
    kind: 'bubblewrap',
    wanted: BUBBLEWRAP,
    trial: ['--ro-bind', '/', '/', '--unshare-pid', '/bin/sh', '-c', 'exit 0'],
  },
  { kind: 'proot', wanted: PROOT, trial: ['-r', '/', '/bin/sh', '-c', 'exit 0'] },
];

/**
 * Each program is tried, not only found: inside an ordinary Docker container, and for ordinary
 * users of Ubuntu 24.04, the kernel refuses an installed bubblewrap. An installed program is
 * preferred to one that must be installed. Rejects with MissingProgram, whose message has the
 * reason for each.
 */
export async function ensureBubblewrap(machine: Machine = thisMachine()): Promise<Sandbox> {
  const refusals: string[] = [];
  for (const candidate of CANDIDATES) {
    const program = findProgram(candidate.wanted.programs, machine);
    if (program === undefined) continue;
    const refusal = await tryOut(program, candidate.trial);
    if (refusal === undefined) return { kind: candidate.kind, program };
    refusals.push(refusal);
  }
  for (const candidate of CANDIDATES) {
    if (findProgram(candidate.wanted.programs, machine) !== undefined) continue;
    const installed = await ensureProgram(candidate.wanted, machine).catch(
      (cause: unknown) => cause,
    );
    const refusal =
      typeof installed === 'string'
        ? await tryOut(installed, candidate.trial)
        : String((installed as Error).message);
    if (typeof installed === 'string' && refusal === undefined)
      return { kind: candidate.kind, program: installed };
    refusals.push(String(refusal));
  }
  throw new MissingProgram(
    `The local Batch cannot run tasks on this machine. ${refusals.join(' ')}`,
  );
}

/** Why it does not work here; undefined when it works. */
async function tryOut(program: string, trial: string[]): Promise<string | undefined> {
  try {
    await promisify(execFile)(program, trial, { timeout: 10_000 });
    return undefined;
  } catch (cause) {
    return `${program} is installed but does not work: ${String((cause as Error).message).trim()}.`;
  }
}
