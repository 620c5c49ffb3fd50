/**
 * `npm run test:disk -- [--seeds 8] [--only "no fault"]`: the disk daemon on a real kernel, in QEMU, with
 * LVM, XFS, and NVMe disks that come and go. Needs root and Debian's packages. Writes a table.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Bench } from '../packages/disk/test/machine/bench.ts';
import { buildMachine, whyNot } from '../packages/disk/test/machine/build.ts';
import { faultClasses } from '../packages/disk/test/machine/cases.ts';
import { startQemu } from '../packages/disk/test/machine/qemu.ts';
import { requireCounts } from './play-seeds.ts';

const { values } = parseArgs({
  options: { seeds: { type: 'string', default: '8' }, only: { type: 'string' } },
});
requireCounts({ seeds: values.seeds });
const reason = whyNot();
if (reason !== undefined) {
  console.error(reason);
  process.exit(1);
}
const folder = fileURLToPath(new URL('../.batchwell/disk', import.meta.url));
mkdirSync(folder, { recursive: true });
const startMs = Date.now();
const seconds = (): number => Math.round((Date.now() - startMs) / 1000);
let qemu = await startQemu(await buildMachine(folder), folder);
let boots = 1;
console.log(`The machine is up after ${seconds()} s.`);

const rows: string[] = [];
let failed = 0;
const classes = faultClasses.filter(
  ({ name }) => values.only === undefined || name === values.only,
);
try {
  for (const { name, play } of classes) {
    const grown: number[] = [];
    const notes: string[] = [];
    let passed = 0;
    for (let seed = 0; seed < Number(values.seeds); seed += 1) {
      const bench = new Bench(qemu, join(folder, 'log'));
      try {
        const { seenToGrownMs, note } = await play(bench, seed);
        passed += 1;
        if (seenToGrownMs) grown.push(seenToGrownMs);
        if (note) notes.push(note);
        console.log(`${seconds()} s: ${name}, seed ${seed}: passed`);
      } catch (error) {
        failed += 1;
        console.log(
          `${seconds()} s: ${name}, seed ${seed}: FAILED\n${String(error)}\n${await bench.log()}`,
        );
        await bench.stop();
        await qemu.stop();
        qemu = await startQemu(await buildMachine(folder), folder);
        boots += 1;
      }
    }
    const worst =
      grown.length > 0
        ? `${(grown.reduce((most, one) => Math.max(most, one)) / 1000).toFixed(1)} s`
        : '';
    rows.push(`| ${name} | ${passed} of ${values.seeds} | ${worst} | ${notes.join(', ')} |`);
  }
} finally {
  await qemu.stop();
}
const table = `| class | passed | seen to grown, at most | |
|---|---|---|---|
${rows.join('\n')}

${seconds()} s, ${boots - 1 + qemu.boots} boots.
`;
writeFileSync(join(folder, 'table.md'), table);
console.log(table);
process.exitCode = failed > 0 ? 1 : 0;
