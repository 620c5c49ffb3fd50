/** Plays seeded stories of one test file in parts, several parts side by side, and shows the progress. */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

export interface SeededRun {
  /** The test file, which appends a line of JSON to the report for each story that held. */
  file: string;
  seeds: number;
  from: number;
  lanes: number;
  storiesPerPart: number;
  /** Of the environment variables `…_SEEDS`, `…_FROM` and `…_REPORT`. */
  prefix: string;
  /** First word of the report's file name. */
  name: string;
}

export interface SeededReport<T> {
  stories: T[];
  /** Of the report, from the repository's root. */
  path: string;
}

export const defaultLanes = String(availableParallelism());

/** @throws where an option is not a whole number of at least 1 */
export function requireCounts(options: Readonly<Record<string, string>>): void {
  for (const [name, given] of Object.entries(options)) {
    if (!/^[1-9]\d{0,8}$/.test(given))
      throw new Error(`--${name} ${JSON.stringify(given)}: expected a whole number of at least 1.`);
  }
}

/** Prints what failed. The stories that held are returned. */
export async function playSeeds<T>(run: SeededRun): Promise<SeededReport<T>> {
  const root = fileURLToPath(new URL('..', import.meta.url));
  const folder = fileURLToPath(new URL('../.batchwell', import.meta.url));
  const report = `${folder}/${run.name}-${run.from}-${Date.now()}.jsonl`;
  mkdirSync(folder, { recursive: true });
  const reported = (): T[] =>
    existsSync(report)
      ? readFileSync(report, 'utf8')
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line) as T)
      : [];
  const running = new Set<ChildProcess>();
  const failed: { part: string; output: string }[] = [];
  const startMs = Date.now();
  const stopping = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      stopping.abort();
      for (const child of running) child.kill('SIGTERM');
    });
  }

  async function playPart(first: number, count: number): Promise<void> {
    const child = spawn(process.execPath, ['scripts/test.ts', run.file], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'inherit'],
      env: {
        ...process.env,
        [`${run.prefix}_SEEDS`]: String(count),
        [`${run.prefix}_FROM`]: String(first),
        [`${run.prefix}_REPORT`]: report,
      },
    });
    running.add(child);
    const ended = new Promise<number>((resolve) =>
      child.once('close', (code) => resolve(code ?? 1)),
    );
    const output = await text(child.stdout);
    const code = await ended;
    running.delete(child);
    if (code !== 0 && !stopping.signal.aborted)
      failed.push({ part: `seeds ${first} to ${first + count - 1}`, output });
    console.log(
      `${reported().length} of ${run.seeds} stories held · ${failed.length} parts with a failure · ` +
        `${Math.round((Date.now() - startMs) / 1000)} s`,
    );
  }

  let next = run.from;
  async function lane(): Promise<void> {
    while (next < run.from + run.seeds && !stopping.signal.aborted) {
      const first = next;
      next = Math.min(first + run.storiesPerPart, run.from + run.seeds);
      await playPart(first, next - first);
    }
  }
  await Promise.all(Array.from({ length: run.lanes }, lane));
  for (const { part, output } of failed) console.log(`\n--- ${part}\n${output}`);
  return { stories: reported(), path: report.slice(root.length) };
}
