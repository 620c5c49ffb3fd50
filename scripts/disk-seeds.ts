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
  `${failed.length} parts failed · ${Math.round((Date.now() - startMs) / 1000)} s`;

async function playPart(seed: number): Promise<void> {
  const child = spawn(process.execPath, ['scripts/test.ts', 'packages/disk/test/seeds.test.ts'], {
    cwd: fileURLToPath(new URL('..', import.meta.url)),
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      ...process.env,
      BATCHWELL_DISK_SEEDS: String(STORIES_PER_PART),
      BATCHWELL_DISK_FROM: String(seed),
    },
  });
  running.add(child);
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'close')]);
  running.delete(child);
  if (stopping.signal.aborted) return;
  if (code === 0) held.push(seed);
  else {
    failed.push(seed);
    console.log(`--- The part of seed ${seed} failed:\n${output}`);
  }
  console.log(`${said()} · seed ${seed}`);
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
process.exitCode = failed.length > 0 || stopping.signal.aborted ? 1 : 0;
