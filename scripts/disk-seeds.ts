/**
 * `npm run test:disk-seeds -- [--seeds 100000] [--from 1] [--lanes 2]`: the stories of
 * packages/disk/test/seeds.test.ts, many of them. A part of 1,000 has a seed of its own: the part that
 * failed is repeated by `--seeds 1000 --from ITS-SEED`. A run that is interrupted says how far it came.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { defaultLanes, requireCounts } from './play-seeds.ts';

const STORIES_PER_PART = 1000;
/** In what fast-check says of a story that failed. Without it, the part itself came to no end. */
const STORY_FAILED = 'Property failed after';
/** A part that came to no end is played once more. */
const TRIES = 2;

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '100000' },
    from: { type: 'string', default: '1' },
    lanes: { type: 'string', default: defaultLanes },
  },
});
requireCounts(values);
const parts = Math.ceil(Number(values.seeds) / STORIES_PER_PART);
const from = Number(values.from);
const startMs = Date.now();
const running = new Set<ChildProcess>();
const failed: number[] = [];
const unplayed: number[] = [];
const held: number[] = [];
let next = 0;
const stopping = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(signal, () => {
    stopping.abort();
    for (const child of running) child.kill('SIGTERM');
  });

const said = (): string =>
  `${held.length * STORIES_PER_PART} of ${parts * STORIES_PER_PART} stories held · ` +
  `${failed.length} parts failed, ${unplayed.length} came to no end · ${Math.round((Date.now() - startMs) / 1000)} s`;

async function playPart(seed: number): Promise<void> {
  for (let tried = 1; tried <= TRIES; tried += 1) {
    const { code, output } = await runPart(seed);
    if (stopping.signal.aborted) return;
    if (code === 0) held.push(seed);
    else {
      const isStory = output.includes(STORY_FAILED);
      console.log(
        `--- The part of seed ${seed} ${isStory ? 'failed' : `came to no end (try ${tried})`}:\n${output}`,
      );
      if (!isStory && tried < TRIES) continue;
      (isStory ? failed : unplayed).push(seed);
    }
    console.log(`${said()} · seed ${seed}`);
    return;
  }
}

async function runPart(seed: number): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, ['scripts/test.ts', 'packages/disk/test/seeds.test.ts'], {
    cwd: fileURLToPath(new URL('..', import.meta.url)),
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      BATCHWELL_DISK_SEEDS: String(STORIES_PER_PART),
      BATCHWELL_DISK_FROM: String(seed),
    },
  });
  running.add(child);
  const [output, errors, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number | null]>,
  ]);
  running.delete(child);
  return { code, output: output + errors };
}

async function lane(): Promise<void> {
  while (next < parts && !stopping.signal.aborted) {
    next += 1;
    await playPart(from + next - 1);
  }
}

await Promise.all(Array.from({ length: Number(values.lanes) }, lane));
console.log(stopping.signal.aborted ? `Interrupted: ${said()}.` : `${said()}.`);
if (failed.length > 0) console.log(`Seeds of the parts that failed: ${failed.join(', ')}.`);
if (unplayed.length > 0)
  console.log(`Seeds of the parts that came to no end: ${unplayed.join(', ')}.`);
process.exitCode = failed.length + unplayed.length > 0 || stopping.signal.aborted ? 1 : 0;
