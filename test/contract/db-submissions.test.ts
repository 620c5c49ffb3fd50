/**
 * Submissions from their call to their end, their attempts, and the job definitions that they name.
 */
import { describe, expect, test } from 'vitest';
import type { ResultRecord } from '../../core/result/result.ts';
import {
  endAttempts,
  type EndedAttempt,
  lockOpenAttempts,
  readOpenAttempts,
  readResults,
} from '../../db/attempts.ts';
import { cancelTasks } from '../../db/cancel.ts';
import { inTransaction } from '../../db/client.ts';
import {
  claimRegistration,
  forgetRevision,
  readJobDefinition,
  readShape,
  releaseRegistration,
  saveRevision,
} from '../../db/job-definitions.ts';
import {
  adoptJob,
  endSubmissions,
  markSubmitted,
  postponeSubmissions,
  readRunning,
  readSubmissions,
  startCall,
  takeBackCall,
} from '../../db/submissions.ts';
import { takeDueSubmissions } from '../../db/sweep.ts';
import { noteProgress, noteStarts, takeBackStarts } from '../../db/starts.ts';
import { database, rows, makeShape, packed, isWon } from './db-world.ts';

test('a call is started by one worker, and taken back by one', async () => {
  const { id } = await packed(1);
  const started = await Promise.all(
    Array.from({ length: 6 }, (_, at) =>
      startCall(database.pool, { id, nowMs: 1000 + at, dueMs: 2000 }),
    ),
  );
  expect(started.filter(isWon)).toHaveLength(1);
  const [row] = await readSubmissions(database.pool, [id]);
  expect(row).toMatchObject({
    state: 'calling',
    calls: 1,
    calledMs: 1000 + started.indexOf(true),
  });
  expect(await takeBackCall(database.pool, { id, calledMs: 999, dueMs: 3000 })).toBe(false);
  const back = await Promise.all(
    Array.from({ length: 6 }, () =>
      takeBackCall(database.pool, { id, calledMs: row?.calledMs ?? 0, dueMs: 3000 }),
    ),
  );
  expect(back.filter(isWon)).toHaveLength(1);
});

const end = (ended: readonly EndedAttempt[], nowMs: number): Promise<void> =>
  inTransaction(database, (session) => endAttempts(session, ended, nowMs));

test('a call that Batch accepted moves its tasks once, and only those that are still at submit', async () => {
  const { id, taskIds } = await packed(3);
  await startCall(database.pool, { id, nowMs: 1000, dueMs: 2000 });
  await cancelTasks(database, taskIds.slice(0, 1), 5);
  const moved = await Promise.all(
    ['j1', 'j2'].map((jobId) => markSubmitted(database, { id, jobId, nowMs: 1100, dueMs: 2000 })),
  );
  expect(moved.toSorted()).toEqual([0, 2]);
  expect(
    (await rows('SELECT place FROM tasks ORDER BY id')).map(({ place }) => place as string),
  ).toEqual(['cancelled', 'poll', 'poll']);
  expect(await takeBackCall(database.pool, { id, calledMs: 1000, dueMs: 1 })).toBe(false);
});

test('a call cannot leave a submission running without a job', async () => {
  const { id } = await packed(1);
  await expect(
    database.pool.query("UPDATE submissions SET state = 'running' WHERE id = ?", [id]),
  ).rejects.toThrow(/submissions_running_has_job/);
});

test('a running submission is watched, adopts a twin, is postponed, and ends with its last attempt', async () => {
  const { id, taskIds } = await packed(2);
  await startCall(database.pool, { id, nowMs: 1000, dueMs: 2000 });
  await markSubmitted(database, { id, jobId: 'j1', nowMs: 1100, dueMs: 2000 });
  expect((await readRunning(database.pool, 'q')).map((one) => one.id)).toEqual([id]);
  expect(await readRunning(database.pool, 'other')).toEqual([]);
  await noteProgress(database, [{ id, unstarted: 2, hasRun: false }], 1150);
  await noteProgress(database, [{ id, unstarted: 1, hasRun: true }], 1200);
  await noteProgress(database, [{ id, unstarted: 0, hasRun: true }], 1300);
  await adoptJob(database.pool, { id, jobId: 'j3', was: 'j2' });
  await adoptJob(database.pool, { id, jobId: 'j2', was: 'j1' });
  await postponeSubmissions(database.pool, [id], 5000);
  expect(await readSubmissions(database.pool, [id])).toMatchObject([
    { state: 'running', jobId: 'j2', runningMs: 1200, unstarted: 0 },
  ]);
  const limits = { nowMs: 4999, dueMs: 9000, most: 10 };
  expect(await takeDueSubmissions(database, limits)).toEqual([]);
  const taken = await Promise.all(
    Array.from({ length: 4 }, () => takeDueSubmissions(database, { ...limits, nowMs: 5000 })),
  );
  expect(taken.flat()).toEqual([{ id, state: 'running', queue: 'q' }]);

  expect(await readSubmissions(database.pool, [id])).toMatchObject([{ open: 2 }]);
  await end(
    [
      {
        taskId: taskIds[0] ?? 0,
        number: 1,
        submissionId: id,
        outcome: 'lost',
        reason: 'x'.repeat(100_000),
      },
    ],
    1400,
  );
  await endSubmissions(database.pool, [id], 1500);
  expect(await readSubmissions(database.pool, [id])).toMatchObject([{ state: 'running', open: 1 }]);
  await end([{ taskId: taskIds[1] ?? 0, number: 1, submissionId: id, outcome: 'succeeded' }], 1600);
  await endSubmissions(database.pool, [id], 1700);
  expect(await readSubmissions(database.pool, [id])).toMatchObject([{ state: 'ended', open: 0 }]);
  expect(await rows('SELECT due_ms FROM submissions')).toEqual([{ due_ms: null }]);
});

test('an attempt starts once, by itself, and not after its end; a lost host takes the start back', async () => {
  const {
    id,
    taskIds: [a = 0, b = 0, c = 0],
  } = await packed(3);
  await startCall(database.pool, { id, nowMs: 1000, dueMs: 2000 });
  await markSubmitted(database, { id, jobId: 'j1', nowMs: 1100, dueMs: 2000 });
  await end([{ taskId: c, number: 1, submissionId: id, outcome: 'failed' }], 1150);
  const start = (arrayIndex: number, startedMs: number) => ({
    submissionId: id,
    arrayIndex,
    startedMs,
  });
  const told = async () => {
    const told = await rows('SELECT tasks FROM task_changes ORDER BY id');
    return told.map(({ tasks }) => JSON.parse(tasks as string) as number[]);
  };
  const before = (await told()).length;
  const started = () => rows('SELECT started_ms FROM attempts ORDER BY task_id');

  await noteStarts(database, [start(1, 1200), start(2, 1200)]);
  await noteStarts(database, [start(0, 1250), start(1, 1300), start(2, 1300)]);
  expect(await started()).toEqual([
    { started_ms: 1250 },
    { started_ms: 1200 },
    { started_ms: null },
  ]);
  expect((await told()).slice(before)).toEqual([[b], [a]]);

  await takeBackStarts(database, id, [1, 2]);
  expect(await started()).toEqual([
    { started_ms: 1250 },
    { started_ms: null },
    { started_ms: null },
  ]);
  expect((await told()).slice(before)).toEqual([[b], [a], [b]]);
});

describe('attempts', () => {
  const result: ResultRecord = {
    startedMs: 1,
    endedMs: 2,
    executors: [{ exitCode: 0, startedMs: 1, endedMs: 2 }],
    outputs: [{ output: 0, path: 'ü "x"\n', sizeBytes: 5, crc64nvme: 'AAAAAAAAAAA=', etag: '' }],
    missingOutputs: [],
  };

  test('an attempt ends once: what was written stays', async () => {
    const {
      id,
      taskIds: [a = 0, b = 0],
    } = await packed(2);
    await end(
      [
        {
          taskId: a,
          number: 1,
          submissionId: id,
          outcome: 'succeeded',
          exitCode: 0,
          result,
          batchAttempt: 2,
        },
      ],
      10,
    );
    await end(
      [
        { taskId: a, number: 1, submissionId: id, outcome: 'failed', reason: 'late' },
        { taskId: b, number: 2, submissionId: id, outcome: 'failed' },
      ],
      11,
    );
    expect(
      await rows(
        'SELECT outcome, exit_code, reason, ended_ms, batch_attempt FROM attempts ORDER BY task_id',
      ),
    ).toEqual([
      { outcome: 'succeeded', exit_code: 0, reason: null, ended_ms: 10, batch_attempt: 2 },
      { outcome: null, exit_code: null, reason: null, ended_ms: null, batch_attempt: null },
    ]);
    expect(
      await readResults(database.pool, [
        { taskId: a, number: 1 },
        { taskId: b, number: 1 },
      ]),
    ).toEqual(new Map([[a, result]]));
    expect(await readSubmissions(database.pool, [id])).toMatchObject([{ open: 1 }]);
    expect(await readOpenAttempts(database.pool, [id])).toMatchObject([
      { taskId: b, number: 1, arrayIndex: 1, place: 'submit' },
    ]);
    expect(await inTransaction(database, (session) => lockOpenAttempts(session, [a, b]))).toEqual(
      new Set([`${b}.1`]),
    );
    await expect(
      database.pool.query('UPDATE attempts SET ended_ms = 1 WHERE outcome IS NULL'),
    ).rejects.toThrow(/attempts_end_has_outcome/);
  });

  test('attempts with more in their results than a server takes in one statement are all written', async () => {
    const { id, taskIds } = await packed(45);
    const long = {
      ...result,
      outputs: Array.from({ length: 5000 }, (_, at) => ({
        output: 0,
        path: `some/file/of/many/${at}`,
        sizeBytes: at,
        crc64nvme: 'AAAAAAAAAAA=',
        etag: 'ab'.repeat(16),
      })),
    };
    await end(
      taskIds.map((taskId) => ({
        taskId,
        number: 1,
        submissionId: id,
        outcome: 'succeeded' as const,
        result: long,
      })),
      10,
    );
    expect(
      await rows('SELECT COUNT(*) AS count FROM attempts WHERE LENGTH(result) > 300000'),
    ).toEqual([{ count: 45 }]);
  });
});

test('a job definition has one row per content, and is registered once, by one worker', async () => {
  const same = await Promise.all(Array.from({ length: 6 }, () => makeShape('same')));
  const id = same[0]?.jobDefinitionId ?? 0;
  expect(new Set(same.map(({ jobDefinitionId }) => jobDefinitionId))).toEqual(new Set([id]));
  expect(await readShape(database.pool, same[0]?.shape.toString('hex') ?? '')).toMatchObject({
    jobDefinitionId: id,
    queue: 'q',
    priority: 0,
  });
  const claims = await Promise.all(
    Array.from({ length: 6 }, () =>
      claimRegistration(database.pool, { id, nowMs: 100, untilMs: 200 }),
    ),
  );
  expect(claims.filter(isWon)).toHaveLength(1);
  expect(await claimRegistration(database.pool, { id, nowMs: 200, untilMs: 300 })).toBe(true); // the first one died
  await releaseRegistration(database.pool, { id, untilMs: 200 }); // too late: it is another’s by now
  expect(await claimRegistration(database.pool, { id, nowMs: 250, untilMs: 400 })).toBe(false);
  await releaseRegistration(database.pool, { id, untilMs: 300 });
  expect(await claimRegistration(database.pool, { id, nowMs: 250, untilMs: 400 })).toBe(true);
  await saveRevision(database.pool, { id, revision: 'name:1', nowMs: 260 });
  await saveRevision(database.pool, { id, revision: 'name:2', nowMs: 270 });
  expect(await readJobDefinition(database.pool, id)).toMatchObject({
    revision: 'name:1',
    registeredMs: 260,
    registrations: 1,
    content: { containerProperties: { image: 'same' } },
  });
  expect(await claimRegistration(database.pool, { id, nowMs: 900, untilMs: 1000 })).toBe(false);
  await forgetRevision(database.pool, id, 'name:2');
  expect((await readJobDefinition(database.pool, id))?.revision).toBe('name:1');
  await forgetRevision(database.pool, id, 'name:1');
  expect(await claimRegistration(database.pool, { id, nowMs: 901, untilMs: 1000 })).toBe(true);
});
