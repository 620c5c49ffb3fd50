/** Scatters as a caller makes them, and what the rows say of them afterwards. */
import type { RowDataPacket } from 'mysql2/promise';
import { setTimeout as sleep } from 'node:timers/promises';
import { spreadOf, type Spread } from './meters.ts';
import { BUCKET, type World } from './world.ts';

export interface ScatterPlan {
  /** Names outputs, inputs and the image, so that another label is another shape and no hit. */
  label: string;
  /**
   * Where inputs lie and which image runs, when not the label's own: what makes a scatter equal to
   * an earlier one.
   */
  like?: string;
  tasks: number;
  cache: 'off' | 'readwrite';
}

/** The API takes so many rows in one scatter. */
const ROWS_PER_SCATTER = 10_000;
const INPUT_BYTES = 200;

const inputUrl = (of: string, row: number): string =>
  `s3://${BUCKET}/in/${of}/${String(row).padStart(6, '0')}.txt`;

export async function putInputs(world: World, label: string, tasks: number): Promise<void> {
  await world.aws.ask('putInputs', {
    urls: Array.from({ length: tasks }, (_, row) => inputUrl(label, row)),
    bodyBytes: INPUT_BYTES,
  });
}

function scatterBody(
  { label, like = label, cache }: ScatterPlan,
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
      input: inputUrl(like, row),
      output: `s3://${BUCKET}/out/${label}/${String(row).padStart(6, '0')}.txt`,
    })),
  });
}

/** Posts a scatter of any width. Returns its scatters' names and how long each answer took, ms. */
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

async function untilNone(
  world: World,
  where: string,
  names: readonly string[],
  longestMs: number,
): Promise<void> {
  const deadlineMs = Date.now() + longestMs;
  for (;;) {
    // Through the index on (scatter_id, place): some 2 ms for 10,000 rows that are left.
    const [rows] = await world.pool.query<RowDataPacket[]>(
      `SELECT place, COUNT(*) AS count FROM tasks WHERE scatter_id IN (SELECT id FROM scatters
        WHERE name IN (?)) AND ${where} GROUP BY place`,
      [names],
    );
    if (rows.length === 0) return;
    if (Date.now() > deadlineMs)
      throw new Error(
        `After ${longestMs / 1000} s tasks still stand at ${rows.map((row) => `${row['place']} (${row['count']})`).join(', ')}.`,
      );
    await sleep(LOOK_MS);
  }
}

export const untilSubmitted = (
  world: World,
  names: readonly string[],
  longestMs = 300_000,
): Promise<void> =>
  untilNone(world, `place IN ('cache-check', 'stage-script', 'submit')`, names, longestMs);

export const untilEnded = (
  world: World,
  names: readonly string[],
  longestMs = 900_000,
): Promise<void> =>
  untilNone(
    world,
    `place IN ('cache-check', 'stage-script', 'submit', 'poll', 'finalize')`,
    names,
    longestMs,
  );

export interface ScatterTimes {
  tasks: number;
  places: Record<string, number>;
  failures: Record<string, number>;
  /** From the moment the API took the first task in, before its insert, ms. */
  toSubmittedMs: number;
  toDoneMs: number;
  submissions: number;
}

export async function readTimes(world: World, names: readonly string[]): Promise<ScatterTimes> {
  const [[first], [ends], [places], [failures]] = await Promise.all([
    world.pool.query<RowDataPacket[]>(
      `SELECT MIN(tasks.created_ms) AS acceptedMs, MAX(submissions.submitted_ms) AS submittedMs,
        COUNT(DISTINCT submissions.id) AS submissions
       FROM tasks LEFT JOIN submissions ON submissions.id = tasks.submission_id
       WHERE scatter_id IN (SELECT id FROM scatters WHERE name IN (?))`,
      [names],
    ),
    world.pool.query<RowDataPacket[]>(
      `SELECT MAX(ended_ms) AS endedMs FROM tasks WHERE scatter_id IN (SELECT id FROM scatters
        WHERE name IN (?))`,
      [names],
    ),
    world.pool.query<RowDataPacket[]>(
      `SELECT place, COUNT(*) AS count FROM tasks WHERE scatter_id IN (SELECT id FROM scatters
        WHERE name IN (?)) GROUP BY place`,
      [names],
    ),
    world.pool.query<RowDataPacket[]>(
      `SELECT failure, COUNT(*) AS count FROM tasks
        WHERE failure IS NOT NULL AND scatter_id IN (SELECT id FROM scatters WHERE name IN (?))
        GROUP BY failure LIMIT 5`,
      [names],
    ),
  ]);
  const acceptedMs = Number(first[0]?.['acceptedMs']);
  const byPlace = Object.fromEntries(
    places.map((row) => [String(row['place']), Number(row['count'])]),
  );
  return {
    tasks: Object.values(byPlace).reduce((sum, count) => sum + count, 0),
    places: byPlace,
    failures: Object.fromEntries(
      failures.map((row) => [String(row['failure']), Number(row['count'])]),
    ),
    toSubmittedMs: Number(first[0]?.['submittedMs'] ?? acceptedMs) - acceptedMs,
    toDoneMs: Number(ends[0]?.['endedMs'] ?? acceptedMs) - acceptedMs,
    submissions: Number(first[0]?.['submissions']),
  };
}

export interface Delays {
  /** From the result record in S3 to the attempt's row, ms. */
  seen: Spread;
  /** From the result record in S3 to the task's end, ms. */
  ended: Spread;
}

export async function readDelays(world: World, names: readonly string[]): Promise<Delays> {
  const ends = await world.ends();
  const [rows] = await world.pool.query<RowDataPacket[]>(
    `SELECT submissions.submission_key AS submissionKey, attempts.array_index AS arrayIndex,
      attempts.ended_ms AS seenMs, tasks.ended_ms AS endedMs
     FROM tasks JOIN attempts ON attempts.task_id = tasks.id
     JOIN submissions ON submissions.id = attempts.submission_id
     WHERE tasks.scatter_id IN (SELECT id FROM scatters
     WHERE name IN (?)) AND attempts.ended_ms IS NOT NULL`,
    [names],
  );
  const [seen, ended]: [number[], number[]] = [[], []];
  for (const row of rows) {
    const writtenMs = ends.get(String(row['submissionKey']))?.[Number(row['arrayIndex'])];
    if (writtenMs === undefined) continue;
    seen.push(Number(row['seenMs']) - writtenMs);
    if (row['endedMs'] !== null) ended.push(Number(row['endedMs']) - writtenMs);
  }
  return { seen: spreadOf(seen), ended: spreadOf(ended) };
}
