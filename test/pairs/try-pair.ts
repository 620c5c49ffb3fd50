/** Runs both calls of a pair for real, with the container's paths below a temporary folder, and compares. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { cromwellCall } from '../unit/profile-world.ts';
import { makePair, type Pair, type Side } from './make-pair.ts';

export type Fingerprint = (side: Side) => Promise<string>;

export const fingerprintOfSide: Fingerprint = ({ task, script, contents }) =>
  cromwellCall(task, '', contents, () => script);

export type Verdict = 'hit' | 'miss' | 'wrong hit' | 'lost hit';

export interface TriedPair {
  pair: Pair;
  verdict: Verdict;
  outputs: [string, string];
}

export async function tryPair(
  pair: Pair,
  fingerprint: Fingerprint = fingerprintOfSide,
): Promise<TriedPair> {
  const [one, other] = pair.sides;
  const outputs: [string, string] = [await outputsOf(one), await outputsOf(other)];
  const areEqual = (await fingerprint(one)) === (await fingerprint(other));
  if (outputs[0] === outputs[1]) return { pair, outputs, verdict: areEqual ? 'hit' : 'lost hit' };
  return { pair, outputs, verdict: areEqual ? 'wrong hit' : 'miss' };
}

/** Most of a pair's time is spent waiting for processes. */
const LANES = 4;

/** @param note is told of each pair as it was tried */
export async function tryPairs(
  { from, pairs }: { from: number; pairs: number },
  note?: (tried: TriedPair) => void,
): Promise<TriedPair[]> {
  const all: TriedPair[] = [];
  let next = from;
  const playLane = async (): Promise<void> => {
    for (let seed = next++; seed < from + pairs; seed = next++) {
      const tried = await tryPair(makePair(seed));
      note?.(tried);
      all.push(tried);
    }
  };
  await Promise.all(Array.from({ length: LANES }, playLane));
  return all;
}

/** Every declared output of the call, as its container would show it. */
async function outputsOf({ task, files, execution }: Side): Promise<string> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'batchwell-pair-')));
  try {
    const roots = /\/cromwell-(?:executions|elsewhere)(?=\/)/g;
    for (const [path, text] of Object.entries(files)) {
      await mkdir(dirname(folder + path), { recursive: true });
      await writeFile(
        folder + path,
        text.replace(roots, (root) => folder + root),
      );
    }
    await runScript(`${folder}${execution}/script`);
    const texts = await Promise.all(
      task.outputs.map(async ({ name, path }) => {
        const text = await readFile(folder + path, 'utf8').catch(() => '(missing)');
        // tar leaves the first slash out.
        return `${name}: ${text.replaceAll(folder, '').replaceAll(folder.slice(1), '')}`;
      }),
    );
    return texts.join('\n');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The folder of the one who runs the tests would be seen in $OLDPWD, so the call starts at the root. */
async function runScript(script: string): Promise<void> {
  const path = [dirname(process.execPath), '/usr/local/bin', '/usr/bin', '/bin'].join(delimiter);
  const child = spawn('/bin/bash', [script], {
    cwd: '/',
    stdio: 'ignore',
    env: { PATH: path, HOME: '/', LC_ALL: 'C' },
    timeout: 30_000,
  });
  await once(child, 'close');
}

/** For a person who must find the pair again. */
export const describePair = ({ pair, verdict, outputs }: TriedPair): string =>
  `${verdict} of seed ${pair.seed}: the command "${pair.way}"; another run${pair.changed.map((one) => `, another ${one}`).join('')}.\n` +
  `Here:\n${outputs[0]}\nThere:\n${outputs[1]}`;
