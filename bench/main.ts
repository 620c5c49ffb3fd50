/**
 * The benchmarks, one command each:
 *
 *   npm run bench -- scatter|singles|hits|watch|submit|scale|memory|events [--tasks 1000,10000] [--workers 1] [--out FILE]
 *
 * Prints a table and writes JSON to bench/results. Further options stand in options.ts.
 */
import { loadavg } from 'node:os';
import { events } from './events.ts';
import { hits } from './hits.ts';
import { memory } from './memory.ts';
import { parseOptions, type BenchOptions } from './options.ts';
import { printRows, saveRun, type Rows } from './report.ts';
import { scale } from './scale.ts';
import { scatter } from './scatter.ts';
import { singles } from './singles.ts';
import { submit } from './submit.ts';
import { watch } from './watch.ts';

interface Bench {
  run(options: BenchOptions): Promise<Rows>;
  tasks: number[];
}

const benches: Record<string, Bench> = {
  scatter: { run: scatter, tasks: [1000, 10_000] },
  singles: { run: singles, tasks: [0] },
  hits: { run: hits, tasks: [10_000] },
  watch: { run: watch, tasks: [10_000] },
  /** Shapes, not tasks. */
  submit: { run: submit, tasks: [500] },
  scale: { run: scale, tasks: [10_000] },
  memory: { run: memory, tasks: [100_000] },
  events: { run: events, tasks: [1000] },
};

const { name, options } = parseOptions(process.argv.slice(2));
const bench = benches[name];
if (!bench) {
  console.error(`Which benchmark? One of ${Object.keys(benches).join(', ')}.`);
  process.exit(2);
}
if (options.tasks.length === 0) options.tasks = bench.tasks;
const loadBefore = loadavg()[0] ?? 0;
const rows = await bench.run(options);
printRows(rows);
const { world, out, ...shown } = options;
console.log(
  await saveRun({
    bench: name,
    options: { ...shown, ...world },
    rows,
    loadBefore,
    ...(out === undefined ? {} : { into: out }),
  }),
);
process.exit(0);
