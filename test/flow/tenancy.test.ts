/** One owner attacks another, with write access to the work bucket: nothing changes, and it shows. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ownerDigest, submissionPrefix, type SubmissionPlace } from '../../core/files/s3-layout.ts';
import { sealResultBody } from '../../core/result/result-body.ts';
import { encodeResultKey } from '../../core/result/result-key.ts';
import type { ResultRecord } from '../../core/result/result.ts';
import { writeOwner } from '../../core/submission/owner-object.ts';
import { taskNudges } from '../../queues/messages.ts';
import type { NewTask } from '../../core/task/task.ts';
import { acceptAll } from '../accept.ts';
import { claimOwner } from '../../workers/stages/submit/owner.ts';
import type { Workers } from '../../workers/main.ts';
import { newTask, startFleetWorld, type FleetWorld } from './harness.ts';

const BUCKET = 's3://work-bucket/';
const OTHER_SECRET = Buffer.alloc(32, 9);

let world: FleetWorld;
let workers: Workers;
beforeEach(async () => {
  world = await startFleetWorld();
  workers = await world.startWorkers();
});
afterEach(() => world.close());

async function acceptAs(owner: string, tasks: readonly NewTask[]): Promise<number[]> {
  const nowMs = Date.now();
  const request = { owner, tasks, nowMs, dueMs: nowMs + 20_000 };
  const { taskIds } = await acceptAll(world.database, request);
  await world.queues.nudge(taskNudges('cache-check', taskIds, 250));
  return taskIds;
}

const good: ResultRecord = {
  startedMs: 1,
  endedMs: 2,
  executors: [{ exitCode: 0, startedMs: 1, endedMs: 2 }],
  outputs: [],
  missingOutputs: [],
};
const long: ResultRecord = { ...good, warnings: Array.from({ length: 90 }, () => 'x'.repeat(90)) };

interface Victim {
  ids: number[];
  url: string;
  place: SubmissionPlace;
  letEnd(): void;
}

/** A task of ann that will fail with exit code 7, and where its submission is. */
async function startVictim(): Promise<Victim> {
  const { promise: mayEnd, resolve: letEnd } = Promise.withResolvers<void>();
  world.behave(() => ({ until: mayEnd, exitCode: 7 }));
  const ids = await acceptAs('ann', [newTask('victim', { cache: 'readwrite' })]);
  const running = (): Promise<unknown[]> =>
    world.rows(
      `SELECT installation, submissions.owner, submission_key AS submissionKey FROM submissions
       JOIN tasks ON tasks.submission_id = submissions.id
       WHERE state = 'running' AND tasks.id IN (?)`,
      [ids],
    );
  await world.until('it to run', async () => (await running()).length === 1);
  await world.until('its container', () => world.batch.ledger.summary().running === 1);
  const [row] = await running();
  const place = row as SubmissionPlace;
  return { ids, place, url: BUCKET + submissionPrefix(place), letEnd };
}

const unproven = async (kind: string): Promise<number> =>
  (await workers.runtime.metrics.unprovenObjects.get()).values.find(
    ({ labels }) => labels.kind === kind,
  )?.value ?? 0;

describe('a forged result', () => {
  const proven = { secret: OTHER_SECRET, index: 0, attempt: 1 };
  const forgeries: [string, (url: string) => [string, string][]][] = [
    [
      'in a key',
      (url) => [[`${url}results/${encodeResultKey(proven, good)}`, sealResultBody(proven, good)]],
    ],
    [
      'of a later attempt',
      (url) => [
        [
          `${url}results/${encodeResultKey({ ...proven, attempt: 9 }, good)}`,
          sealResultBody({ ...proven, attempt: 9 }, good),
        ],
      ],
    ],
    [
      'in a body',
      (url) => [[`${url}results/${encodeResultKey(proven, long)}`, sealResultBody(proven, long)]],
    ],
    ['without any proof', (url) => [[`${url}results/00000.1.long`, JSON.stringify(good)]]],
    [
      'that is no record at all',
      (url) => [
        [`${url}results/junk`, 'junk'],
        [`${url}results/00000`, ''],
      ],
    ],
  ];
  test.each(forgeries)('a forged result %s changes nothing and is counted', async (_, forge) => {
    const { ids, url, letEnd } = await startVictim();
    for (const [target, body] of forge(url)) await world.objects.put(target, body);
    expect((await world.tasks(ids))[0]?.place).toBe('poll');
    letEnd();
    expect(await world.ended(ids)).toMatchObject([
      { place: 'failed', failureCode: 'executor-failed' },
    ]);
    expect(await world.rows('SELECT id FROM cache_entries')).toEqual([]);
    expect(await unproven('result')).toBeGreaterThan(0);
    expect(world.lines.some(({ msg }) => msg === 'unproven-object')).toBe(true);
  });

  test('a result of one task does not pass for one of another submission of its owner', async () => {
    const first = await acceptAs('ann', [newTask('first')]);
    await world.ended(first);
    const page = (await world.objects.list(`${BUCKET}submissions/`).next()).value ?? [];
    const copied = page.find((one: { url: string }) => one.url.includes('/results/'));
    const name = (copied?.url ?? '').split('/results/')[1] ?? '';
    expect(name).toMatch(/^\d{13}\.00000\.1\./);
    const { ids, url, letEnd } = await startVictim();
    await world.objects.put(
      `${url}results/${name}`,
      (await world.objects.get(copied?.url ?? '')) ?? '',
    );
    letEnd();
    expect(await world.ended(ids)).toMatchObject([{ place: 'failed' }]);
    expect(await unproven('result')).toBeGreaterThan(0);
  });
});

describe('a forged owner object', () => {
  test.each([
    ['without a proof', 'another-job'],
    ['with the proof of another submission', writeOwner(OTHER_SECRET, 'another-job')],
  ])('a forged owner object %s is replaced, and the job runs', async (_, content) => {
    const { promise: planted, resolve: plant } = Promise.withResolvers<void>();
    world.behave(() => ({ beforeFence: planted }));
    const ids = await acceptAs('ann', [newTask('victim')]);
    await world.until('it to run', () => world.batch.ledger.summary().running === 1);
    const [row] = await world.rows(
      'SELECT installation, owner, submission_key AS submissionKey FROM submissions',
    );
    await world.objects.put(`${BUCKET}${submissionPrefix(row as SubmissionPlace)}owner`, content);
    plant();
    expect(await world.ended(ids)).toMatchObject([{ place: 'done', attempt: 1 }]);
    expect(world.effects).toHaveLength(1);
  });

  test('the fleet replaces a forged owner object, and counts it', async () => {
    const submission = {
      installation: workers.runtime.installation,
      owner: 'ann',
      submissionKey: 'ab'.repeat(16),
      secret: Buffer.alloc(32, 1),
    };
    const url = `${BUCKET}${submissionPrefix(submission)}owner`;
    await world.objects.put(url, writeOwner(OTHER_SECRET, 'forged'));
    expect(await claimOwner(workers.runtime, submission, 'mine')).toBe('mine');
    expect(await claimOwner(workers.runtime, submission, 'late')).toBe('mine');
    expect(await unproven('owner')).toBe(1);
  });
});

test('a record that nobody can read runs its own attempt again, and delays no mate', async () => {
  const { promise: planted, resolve: plant } = Promise.withResolvers<void>();
  let runsOfLong = 0;
  world.behave(({ spec, container }) => {
    if (!spec.executors[0]?.command.includes('long'))
      return { until: container.attempt === 1 ? planted : Promise.resolve() };
    runsOfLong += 1;
    // How often the first record is looked at depends on when Batch says that the job has ended.
    if (runsOfLong === 2) world.s3.faults.remove('archived');
    return { work: async () => long };
  });
  world.s3.faults.add({
    id: 'archived',
    service: 's3',
    operation: 'GetObject',
    match: '.long',
    kind: 'error',
    status: 403,
    code: 'InvalidObjectState',
  });
  const ids = await acceptAs('ann', [newTask('long'), newTask('mate')]);
  plant();
  expect(await world.ended(ids)).toMatchObject([{ place: 'done', attempt: 2 }, { place: 'done' }]);
  expect(world.lines.some(({ msg }) => msg === 'object-unreadable')).toBe(true);
});

test('a script that was overwritten is written again, and the task runs', async () => {
  let spoiled = '';
  world.behave(({ container }) =>
    spoiled === ''
      ? { work: () => spoil(container.environment['BATCHWELL_SUBMISSION'] ?? '') }
      : {},
  );
  async function spoil(submission: string): Promise<ResultRecord> {
    for await (const page of world.objects.list(`${BUCKET}scripts/`))
      for (const { url } of page) {
        spoiled = url;
        await world.objects.put(url, 'echo spoiled');
      }
    const subject = `${submission}manifest`;
    const error = { kind: 'forged', subject, message: 'Its script is another.' } as const;
    return { ...good, executors: [], error: { ...error, transient: true } };
  }
  const ids = await acceptAs('ann', [newTask('victim')]);
  expect(await world.ended(ids)).toMatchObject([{ place: 'done', attempt: 2 }]);
  expect((await world.objects.get(spoiled))?.toString()).toContain('# A Batchwell task');
  expect(await unproven('manifest')).toBe(1);
});

test('tasks of two owners never share a submission, and each has its own place and secret', async () => {
  const ids = [
    ...(await acceptAs('ann', [newTask('a1'), newTask('a2')])),
    ...(await acceptAs('bob', [newTask('b1'), newTask('b2')])),
  ];
  await world.ended(ids);
  const rows = await world.rows(
    `SELECT submissions.owner, COUNT(DISTINCT tasks.owner) AS owners, HEX(secret) AS secret
     FROM submissions JOIN attempts ON attempts.submission_id = submissions.id
     JOIN tasks ON tasks.id = attempts.task_id GROUP BY submissions.id`,
  );
  expect(rows.map(({ owners }) => owners as number)).toEqual(rows.map(() => 1));
  expect(new Set(rows.map(({ secret }) => secret as string)).size).toBe(rows.length);
  const keys: string[] = [];
  for await (const page of world.objects.list(BUCKET)) keys.push(...page.map(({ url }) => url));
  for (const owner of ['ann', 'bob'])
    for (const kind of ['submissions', 'scripts'])
      expect(
        keys.some((url) =>
          url.startsWith(`${BUCKET}${kind}/${workers.runtime.installation}/${ownerDigest(owner)}/`),
        ),
      ).toBe(true);
});

test('the value of a secret variable is in no object of the work bucket, whatever its length', async () => {
  const secrets = ['short-and-secret', `long-and-secret${'x'.repeat(3000)}`];
  const env = { MY_TOKEN: secrets[0] ?? '', MY_PASSWORD: secrets[1] ?? '' };
  const ids = await acceptAs(
    'ann',
    ['one', 'two'].map((name) =>
      newTask(name, { spec: { executors: [{ image: 'debian:12', command: ['x', name], env }] } }),
    ),
  );
  const nowMs = Date.now();
  const scatter = await acceptAll(world.database, {
    owner: 'ann',
    scatter: { name: 's', tags: {} },
    tasks: ['three', 'four'].map((name) =>
      newTask(name, { spec: { executors: [{ image: 'debian:12', command: ['x', name], env }] } }),
    ),
    nowMs,
    dueMs: nowMs + 20_000,
  });
  await world.queues.nudge(taskNudges('cache-check', scatter.taskIds, 250));
  await world.ended([...ids, ...scatter.taskIds]);
  let seen = 0;
  for await (const page of world.objects.list(BUCKET))
    for (const { url } of page) {
      const body = (await world.objects.get(url))?.toString('latin1') ?? '';
      seen += 1;
      for (const secret of ['short-and-secret', 'long-and-secret'])
        expect(body).not.toContain(secret);
    }
  expect(seen).toBeGreaterThan(6);
});
