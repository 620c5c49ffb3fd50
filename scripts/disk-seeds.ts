/**
 * `npm run test:disk-seeds -- [--seeds 100000] [--from 1] [--lanes 2]`: the stories of
 * packages/disk/test/seeds.test.ts, many of them. A part of 1,000 has a seed of its own.
 */
import { spawn } from 'node:child_process';
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
const failed: string[] = [];
let next = 0;
let held = 0;

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
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'close')]);
  if (code === 0) held += STORIES_PER_PART;
  else failed.push(output);
  console.log(
    `${held} of ${parts * STORIES_PER_PART} stories held · ${failed.length} parts failed`,
  );
}

async function lane(): Promise<void> {
  while (next < parts) {
    next += 1;
    await playPart(from + next - 1);
  }
}

await Promise.all(Array.from({ length: Number(values.lanes) }, lane));
for (const output of failed) console.log(output);
process.exitCode = failed.length > 0 ? 1 : 0;
