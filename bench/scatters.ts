/** Scatters as a caller posts them, and their times as the rows have them. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Place } from '../core/places.ts';
import { select, selectFirst } from '../db/rows.ts';
import { spreadOf, type Spread } from './meters.ts';
import { BUCKET, type World } from './world.ts';

export interface ScatterPlan {
  /**
   * Part of the names of outputs, inputs and the image, so that another label is another shape and
   * a miss.
   */
  label: string;
  /** The label of an earlier scatter, whose inputs and image are used: this makes both equal. */
  like?: string;
  tasks: number;
  /** How many different inputs the tasks have; one each when absent. */
  inputs?: number;
  cache: 'off' | 'readwrite';
}

/** The most rows that the API accepts in one scatter. */
const ROWS_PER_SCATTER = 10_000;

const inputUrl = (of: string, row: number): string =>
  `s3://${BUCKET}/in/${of}/${String(row).padStart(6, '0')}.txt`;

export async function putInputs(world: World, label: string, tasks: number): Promise<void> {
  await world.aws.ask('putInputs', {
    urls: Array.from({ length: tasks }, (_, row) => inputUrl(label, row)),
  });
}

function scatterBody(
  { label, like = label, cache, inputs = Number.POSITIVE_INFINITY }: ScatterPlan,
  name: string,
  rows: readonly number[],
): string {
  return JSON.stringify({
    name,
    cache,
    template: {
      name: '{{sample}}',
      inputs: [{ url: '{{input}}', path: '/work/in.txt' }],
      outputs: [{ url: '{{output}}', path: '/work/out.txt' }],
      executors: [
        {
          image: `registry.example/tools/${like}:1`,
          command: ['sh', '-c', 'wc -c /work/in.txt > /work/out.txt; echo {{sample}}'],
        },
      ],
      resources: { cpu_cores: 1, ram_gb: 2, disk_gb: 10 },
    },
    rows: rows.map((row) => ({
      sample: `sample-${row}`,
      input: inputUrl(like, row % inputs),
      output: `s3://${BUCKET}/out/${label}/${String(row).padStart(6, '0')}.txt`,
    })),
  });
}

/**
 * Posts a scatter of any width, in parts. Returns their names and the duration of each response,
 * ms.
 */
export async function postScatter(
  world: World,
  plan: ScatterPlan,
): Promise<{ names: string[]; postMs: number[]; sentMs: number }> {
  const bodies: { name: string; body: string }[] = [];
  for (let start = 0; start < plan.tasks; start += ROWS_PER_SCATTER) {
    const rows = Array.from(
      { length: Math.min(ROWS_PER_SCATTER, plan.tasks - start) },
      (_, row) => start + row,
    );
    const name = `${plan.label}-${start}`;
    bodies.push({ name, body: scatterBody(plan, name, rows) });
  }
  const sentMs = Date.now();
  const postMs: number[] = [];
  for (const { body } of bodies) {
    const startedMs = Date.now();
    const answer = await fetch(`${world.apiUrl}/v1/scatters`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`The API answered ${answer.status}: ${text.slice(0, 500)}`);
    postMs.push(Date.now() - startedMs);
  }
  return { names: bodies.map(({ name }) => name), postMs, sentMs };
}

const LOOK_MS = 250;

/** The tasks of scatters, by name. */
const OF_SCATTERS = 'scatter_id IN (SELECT id FROM scatters WHERE name IN (?))';

interface PlaceCount {
  place: string;
  count: number;
}

/** Waits until no task of the scatters is at one of `places`. It reads each task about once. */
async function untilNone(
  world: World,
  places: readonly Place[],
  { names, longestMs }: { names: readonly string[]; longestMs: number },
): Promise<void> {
  const deadlineMs = Date.now() + longestMs;
  const scatters = await select<{ id: number }>(
    world.pool,
    'SELECT id FROM scatters WHERE name IN (?) ORDER BY id',
    [names],
  );
  for (const { id } of scatters) {
    // Tasks before this one are through: they are not read again.
    for (let first = 0; ; await sleep(LOOK_MS)) {
      const left = await selectFirst<{ id: number }>(
        world.pool,
        `SELECT id FROM tasks WHERE scatter_id = ? AND id >= ? AND place IN (?) ORDER BY id LIMIT 1`,
        [id, first, places],
      );
      if (!left) break;
      first = left.id;
      if (Date.now() > deadlineMs)
        throw new Error(
          `After ${longestMs / 1000} s there are still tasks at ${JSON.stringify(await countPlaces(world, names))}.`,
        );
    }
  }
}

const countPlaces = (world: World, names: readonly string[]): Promise<PlaceCount[]> =>
  select<PlaceCount>(
    world.pool,
    `SELECT place, COUNT(*) AS count FROM tasks WHERE ${OF_SCATTERS} GROUP BY place`,
    [names],
  );

const BEFORE_BATCH = ['cache-check', 'stage-script', 'submit'] as const;

export const untilSubmitted = (
  world: World,
  names: readonly string[],
  longestMs = 300_000,
): Promise<void> => untilNone(world, BEFORE_BATCH, { names, longestMs });

export const untilEnded = (
  world: World,
  names: readonly string[],
  longestMs = 900_000,
): Promise<void> => untilNone(world, [...BEFORE_BATCH, 'poll', 'finalize'], { names, longestMs });

interface ScatterTimes {
  places: Record<string, number>;
  failures: Record<string, number>;
  /** From the time the API accepted the first task, before its insert, ms. */
  toSubmittedMs: number;
  toDoneMs: number;
  submissions: number;
}

export async function readTimes(world: World, names: readonly string[]): Promise<ScatterTimes> {
  const [times, places, failures] = await Promise.all([
    selectFirst<TimesRow>(world.pool, TIMES, [names]),
    countPlaces(world, names),
    select<{ failure: string; count: number }>(
      world.pool,
      `SELECT failure, COUNT(*) AS count FROM tasks WHERE failure IS NOT NULL AND ${OF_SCATTERS}
       GROUP BY failure LIMIT 5`,
      [names],
    ),
  ]);
  const { acceptedMs, submittedMs, endedMs, submissions = 0 } = times ?? {};
  const since = (ms: number | null | undefined): number =>
    typeof ms === 'number' && typeof acceptedMs === 'number' ? ms - acceptedMs : 0;
  return {
    places: Object.fromEntries(places.map(({ place, count }) => [place, count])),
    failures: Object.fromEntries(failures.map(({ failure, count }) => [failure, count])),
    toSubmittedMs: since(submittedMs),
    toDoneMs: since(endedMs),
    submissions,
  };
}

interface TimesRow {
  acceptedMs: number | null;
  submittedMs: number | null;
  endedMs: number | null;
  submissions: number;
}

const TIMES = `SELECT MIN(tasks.created_ms) AS acceptedMs,
    MAX(submissions.submitted_ms) AS submittedMs, MAX(tasks.ended_ms) AS endedMs,
    COUNT(DISTINCT submissions.id) AS submissions
  FROM tasks LEFT JOIN submissions ON submissions.id = tasks.submission_id WHERE ${OF_SCATTERS}`;

interface Delays {
  /** From the result record in S3 to the row of the attempt, ms. */
  seen: Spread;
  /** From the result record in S3 to the end of the task, ms. */
  ended: Spread;
}

interface EndRow {
  submissionKey: string;
  arrayIndex: number;
  seenMs: number;
  endedMs: number | null;
}

export async function readDelays(world: World, names: readonly string[]): Promise<Delays> {
  const ends = await world.ends();
  const rows = await select<EndRow>(
    world.pool,
    `SELECT submissions.submission_key AS submissionKey, attempts.array_index AS arrayIndex,
       attempts.ended_ms AS seenMs, tasks.ended_ms AS endedMs
     FROM tasks JOIN attempts ON attempts.task_id = tasks.id
       JOIN submissions ON submissions.id = attempts.submission_id
     WHERE ${OF_SCATTERS} AND attempts.ended_ms IS NOT NULL`,
    [names],
  );
  const [seen, ended]: [number[], number[]] = [[], []];
  for (const { submissionKey, arrayIndex, seenMs, endedMs } of rows) {
    const writtenMs = ends.get(submissionKey)?.[arrayIndex];
    if (writtenMs === undefined) continue;
    seen.push(seenMs - writtenMs);
    if (endedMs !== null) ended.push(endedMs - writtenMs);
  }
  return { seen: spreadOf(seen), ended: spreadOf(ended) };
}
