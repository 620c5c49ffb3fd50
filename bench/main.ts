/**
 * Runs one benchmark, prints a table and writes JSON to bench/results:
 *
 *   npm run bench -- scatter|singles|sequential|hits|flights|cache|watch|submit|scale|memory|events|indexes|saturate|soak [--tasks 1000,10000]
 *
 * options.ts has the other options.
 */
import { loadavg } from 'node:os';
import { benches, isBenchName, type Bench } from './benches.ts';
import { parseOptions, type BenchOptions } from './options.ts';
import { printRows, saveRun } from './report.ts';

const WRONG_COMMAND = 2;
/** A database error may carry 180 kB of SQL. */
const LONGEST_MESSAGE = 500;

try {
  await main(process.argv.slice(2));
  process.exit(0);
} catch (error) {
  const message = error instanceof Error ? error.message : String(error);
  // What fails in a process of the benchmark comes with its stack.
  const [sentence = ''] = message.split(/\n\s+at /);
  console.error(`The benchmark failed: ${sentence.slice(0, LONGEST_MESSAGE)}`);
  process.exit(1);
}

async function main(args: readonly string[]): Promise<void> {
  const { name, options } = readCommand(args);
  if (!isBenchName(name)) return refuse(`Name a benchmark: ${Object.keys(benches).join(', ')}.`);
  const bench: Bench = benches[name];
  await runBench(name, bench, {
    ...options,
    tasks: options.tasks.length === 0 ? bench.tasks : options.tasks,
  });
}

function readCommand(args: readonly string[]): ReturnType<typeof parseOptions> {
  try {
    return parseOptions(args);
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error));
  }
}

function refuse(sentence: string): never {
  console.error(sentence);
  process.exit(WRONG_COMMAND);
}

async function runBench(name: string, bench: Bench, options: BenchOptions): Promise<void> {
  const loadBefore = loadavg()[0] ?? 0;
  const rows = await bench.run(options);
  printRows(rows);
  const { world, out, openWorld: _, ...settings } = options;
  const file = await saveRun({
    bench: name,
    options: { ...settings, ...world },
    rows,
    loadBefore,
    ...(out === undefined ? {} : { into: out }),
  });
  console.log(file);
}
