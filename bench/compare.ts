/** Prints two saved runs side by side as ratios: `npm run bench:compare A.json B.json`. */
import { readFile } from 'node:fs/promises';
import { printRows, type BenchRun, type Rows } from './report.ts';

async function readRun(path: string | undefined): Promise<BenchRun> {
  if (path === undefined) throw new Error('Name two files: npm run bench:compare A.json B.json.');
  return JSON.parse(await readFile(path, 'utf8')) as BenchRun;
}

const headOf = ({ bench, at, commit, machine }: BenchRun): string => {
  const load = `${machine.loadBefore.toFixed(1)}–${machine.loadAfter.toFixed(1)}`;
  return `${bench}  ${at}  ${commit}  load ${load}`;
};

const [a, b] = await Promise.all([readRun(process.argv[2]), readRun(process.argv[3])]);
for (const run of [a, b]) console.log(headOf(run));
const rows: Rows = {};
for (const [name, row] of Object.entries(b.rows)) {
  const before = a.rows[name];
  if (!before) continue;
  rows[name] = Object.fromEntries(
    Object.entries(row).flatMap(([what, value]) =>
      before[what] ? [[what, value / before[what]]] : [],
    ),
  );
}
console.log('B / A:');
printRows(rows);
