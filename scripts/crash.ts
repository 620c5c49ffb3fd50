/**
 * `npm run test:crash -- [--seeds 1000] [--from 1] [--lanes 2]`: the long crash run. Plays stories
 * in parts, several parts side by side, shows its progress, and sums them up in a report. Continue
 * an interrupted run with `--from`.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

interface StoryReport {
  seed: number;
  kills: number;
  bites: number;
  spotLosses: number;
  submitJobs: number;
  tasks: number;
  emptied: boolean;
  cut: boolean;
  restarts: number;
}

/** Starting vitest and its MariaDB takes about 2 s, a story about 4. */
const STORIES_PER_PART = 20;

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    from: { type: 'string', default: '1' },
    lanes: { type: 'string', default: String(availableParallelism()) },
  },
});
for (const [name, given] of Object.entries(values)) {
  if (!/^[1-9]\d{0,8}$/.test(given))
    throw new Error(`--${name} ${JSON.stringify(given)}: expected a whole number of at least 1.`);
}
const [seeds, from, lanes] = [Number(values.seeds), Number(values.from), Number(values.lanes)];

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = fileURLToPath(new URL('../.batchwell', import.meta.url));
const report = `${folder}/crash-${from}-${Date.now()}.jsonl`;
mkdirSync(folder, { recursive: true });

const reported = (): StoryReport[] =>
  existsSync(report)
    ? readFileSync(report, 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as StoryReport)
    : [];
const running = new Set<ChildProcess>();
const failed: { part: string; output: string }[] = [];
const startMs = Date.now();
let next = from;
const stopping = new AbortController();

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    stopping.abort();
    for (const child of running) child.kill('SIGTERM');
  });
}

async function playPart(first: number, count: number): Promise<void> {
  const child = spawn(process.execPath, ['scripts/test.ts', 'test/crash/seeds.test.ts'], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      ...process.env,
      BATCHWELL_CRASH_SEEDS: String(count),
      BATCHWELL_CRASH_FROM: String(first),
      BATCHWELL_CRASH_REPORT: report,
    },
  });
  running.add(child);
  const ended = new Promise<number>((resolve) => child.once('close', (code) => resolve(code ?? 1)));
  const output = await text(child.stdout);
  const code = await ended;
  running.delete(child);
  if (code !== 0 && !stopping.signal.aborted)
    failed.push({ part: `seeds ${first} to ${first + count - 1}`, output });
  console.log(
    `${reported().length} of ${seeds} stories held · ${failed.length} parts with a failure · ` +
      `${Math.round((Date.now() - startMs) / 1000)} s`,
  );
}

async function lane(): Promise<void> {
  while (next < from + seeds && !stopping.signal.aborted) {
    const first = next;
    next = Math.min(first + STORIES_PER_PART, from + seeds);
    await playPart(first, next - first);
  }
}

await Promise.all(Array.from({ length: lanes }, lane));
for (const { part, output } of failed) console.log(`\n--- ${part}\n${output}`);

const all = reported();
const sum = (of: (one: StoryReport) => number): number =>
  all.reduce((total, one) => total + of(one), 0);
console.log(`
stories that held     ${all.length} of ${seeds}
tasks                 ${sum(({ tasks }) => tasks)}
workers killed        ${sum(({ kills }) => kills)}
faults that bit       ${sum(({ bites }) => bites)}
hosts lost            ${sum(({ spotLosses }) => spotLosses)}
Redis emptied         ${sum(({ emptied }) => Number(emptied))} times
connections cut       ${sum(({ cut }) => Number(cut))} times
Redis or MariaDB      killed and restarted ${sum(({ restarts }) => restarts)} times
SubmitJob requests    ${sum(({ submitJobs }) => submitJobs)}
report                ${report.slice(root.length)}`);
process.exitCode = all.length === seeds ? 0 : 1;
