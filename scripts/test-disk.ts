/**
 * `npm run test:disk -- [--seeds 8] [--from 0] [--only "no fault,5xx"] [--lanes 2]`: the disk daemon on a
 * real kernel, in QEMU, with LVM, XFS, and NVMe disks that come and go. Needs root and Debian's packages.
 * Writes a table. Lanes are machines side by side: most of a case is waiting.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Lane, type Row } from '../packages/disk/test/machine/lane.ts';
import { buildMachine, whyNot } from '../packages/disk/test/machine/build.ts';
import { faultClasses } from '../packages/disk/test/machine/cases.ts';
import { requireCounts } from './play-seeds.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '8' },
    from: { type: 'string', default: '0' },
    only: { type: 'string' },
    lanes: { type: 'string', default: '2' },
  },
});
requireCounts({ seeds: values.seeds, lanes: values.lanes });
const reason = whyNot();
if (reason !== undefined) {
  console.error(reason);
  process.exit(1);
}
const names = values.only?.split(',');
const queue = faultClasses.filter(({ name }) => names?.includes(name) ?? true);
if (queue.length === 0) {
  console.error(`No such class. There are: ${faultClasses.map(({ name }) => name).join(', ')}.`);
  process.exit(1);
}
const seeds = Array.from({ length: Number(values.seeds) }, (_, at) => Number(values.from) + at);
const folder = fileURLToPath(new URL('../.batchwell/disk', import.meta.url));
mkdirSync(folder, { recursive: true });
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.once(signal, () => process.exit(1));
const startMs = Date.now();
const seconds = (): number => Math.round((Date.now() - startMs) / 1000);
const say = (line: string): void => console.log(`${seconds()} s: ${line}`);
const files = await buildMachine(folder);
say('The machine is built.');

const order = new Map(queue.map(({ name }, at) => [name, at]));
// Those that wait longest begin: a lane that does nothing else comes to its end in time.
const waiting = queue.toSorted((a, b) => (b.minutes ?? 1) - (a.minutes ?? 1));
const rows: Row[] = [];
const lanes = Array.from({ length: Math.min(Number(values.lanes), queue.length) }, (_, at) => {
  const own = join(folder, `lane-${at}`);
  rmSync(own, { recursive: true, force: true });
  mkdirSync(own);
  return new Lane(files, own, say);
});
const inSeconds = (ms: number): string => (ms > 0 ? `${(ms / 1000).toFixed(1)} s` : '');
const shown = (ms: number, cpuMs = 0): string =>
  inSeconds(ms) + (cpuMs > 0 ? ` (${inSeconds(cpuMs)})` : '');

/** Of the classes that have ended: a run that is interrupted leaves them behind. */
function writeTable(): string {
  const boots = lanes.reduce((sum, lane) => sum + lane.boots, 0);
  const lines = rows
    .toSorted((a, b) => (order.get(a.name) ?? 0) - (order.get(b.name) ?? 0))
    .map(
      ({ name, passed, notes, ...times }) =>
        `| ${name} | ${passed} of ${seeds.length} | ${shown(times.seenToGrownMs, times.seenToGrownCpuMs)} | ${shown(times.resumedMs, times.resumedCpuMs)} | ${shown(times.heldMs)} | ${notes} |`,
    );
  const table = `| class | passed | seen to grown | resumed | tasks held | |
|---|---|---|---|---|---|
${lines.join('\n')}

${Math.ceil(seconds() / 60)} minutes, ${boots} boots, ${lanes.length} machines side by side. Times are the longest of a class; in
parentheses, the CPU of the machine in such a time.
`;
  writeFileSync(join(folder, 'table.md'), table);
  return table;
}

async function work(lane: Lane): Promise<void> {
  try {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      rows.push(await lane.play(next, seeds));
      writeTable();
    }
  } finally {
    await lane.stop();
  }
}
await Promise.all(lanes.map(work));
console.log(writeTable());
process.exitCode = rows.some(({ passed }) => passed < seeds.length) ? 1 : 0;
