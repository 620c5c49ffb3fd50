import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { RowDataPacket } from 'mysql2/promise';
import {
  definitionContent,
  definitionDigest,
  shapeOf,
} from '../../core/container/job-definition.ts';
import type { ResultRecord } from '../../core/result/result.ts';
import { acceptAll } from '../accept.ts';
import {
  countOpenAttempts,
  endAttempts,
  lockOpenAttempts,
  readAttemptTasks,
  readOpenAttempts,
  readResults,
} from '../../db/attempts.ts';
import {
  boardFlights,
  addHits,
  findEntries,
  findListed,
  invalidateEntry,
  landFlights,
  lookupKey,
  readEntryOf,
  readEntryOutputs,
  readLostFlights,
  readFingerprints,
  readTaskFingerprint,
  saveFingerprints,
  saveEntries,
} from '../../db/call-cache.ts';
import { cancelTasks } from '../../db/cancel.ts';
import { inTransaction, migrateDatabase, openDatabase, type Database } from '../../db/client.ts';
import {
  claimRegistration,
  forgetRevision,
  readJobDefinition,
  readShape,
  releaseRegistration,
  saveJobDefinition,
  saveRevision,
  saveShape,
  type ShapeRow,
} from '../../db/job-definitions.ts';
import { packSubmission, readReady } from '../../db/packing.ts';
import {
  adoptJob,
  endSubmissions,
  markSeenRunning,
  markSubmitted,
  postponeSubmissions,
  readRunning,
  readSubmissions,
  startCall,
  takeBackCall,
} from '../../db/submissions.ts';
import { takeStillSubmissions } from '../../db/sweep.ts';
import { moveTasks, moveTasksEach, noteWaiting } from '../../db/tasks.ts';
import { manyTasks, newTask } from '../flow/harness.ts';
import { freshDatabase } from '../world.ts';

let database: Database;
let shape: ShapeRow;
beforeAll(async () => {
  const { url } = await freshDatabase();
  await migrateDatabase(url);
  database = openDatabase({ url, connections: 10 });
});
afterAll(() => database.close());
beforeEach(async () => {
  for (const table of [
    'owners',
    'tasks',
    'attempts',
    'submissions',
    'shapes',
    'job_definitions',
    'cache_entries',
    'cache_outputs',
    'cache_fingerprints',
    'cache_flights',
  ])
    await database.pool.query(`DELETE FROM ${table}`);
  shape = await makeShape('a');
});

const rows = async (sql: string, values: unknown[] = []): Promise<RowDataPacket[]> =>
  (await database.pool.query<RowDataPacket[]>(sql, values))[0];

async function makeShape(image: string): Promise<ShapeRow> {
  const content = definitionContent(
    image,
    { cpu_cores: 1, ram_gb: 1, disk_gb: 1, preemptible: false },
    { jobRole: '', hostFolder: '/h', sharedFolders: [], memoryGrowths: 0 },
  );
  const digest = definitionDigest(content);
  const jobDefinitionId = await saveJobDefinition(database.pool, { digest, content, nowMs: 1 });
  const scheduling = { queue: 'q', share: '', priority: 0 };
  const row = { shape: shapeOf(digest, scheduling), jobDefinitionId, ...scheduling };
  await saveShape(database.pool, { ...row, nowMs: 1 });
  return row;
}

/** Tasks that stand at submit, ready to be packed. */
async function readyTasks(count: number, owner = 'me'): Promise<number[]> {
  const { taskIds } = await acceptAll(database, {
    owner,
    scatter: { name: 's', tags: {} },
    tasks: manyTasks(count, (at) => newTask(`t${at}`)),
    nowMs: 1,
    dueMs: 2,
  });
  await moveTasks(database.pool, 'miss', taskIds, { nowMs: 2, dueMs: 3 });
  await moveTasksEach(
    database.pool,
    'staged',
    taskIds.map((id) => ({ id, set: { shape: shape.shape.toString('hex') } })),
    { nowMs: 100, dueMs: 4 },
  );
  return taskIds;
}

const pack = (most = 100): Promise<number | undefined> =>
  packSubmission(database, { shape, most, nowMs: 200, dueMs: 300 });
async function packed(count: number): Promise<{ id: number; taskIds: number[] }> {
  const taskIds = await readyTasks(count);
  const id = await pack();
  if (id === undefined) throw new Error('Nothing was packed.');
  return { id, taskIds };
}
const isWon = (won: boolean): boolean => won;

describe('packing within limits of owners', () => {
  const packLimited = (limits: Record<string, number>): Promise<number | undefined> =>
    packSubmission(database, {
      shape,
      most: 100,
      nowMs: 200,
      dueMs: 300,
      limitOf: (owner) => limits[owner] ?? Number.POSITIVE_INFINITY,
    });
  const packedOf = async (owner: string): Promise<number> =>
    Number(
      (
        await rows(
          'SELECT COUNT(*) AS count FROM tasks WHERE owner = ? AND submission_id IS NOT NULL',
          [owner],
        )
      )[0]?.['count'],
    );

  test('takes no more of an owner than there is room for, and all of the others', async () => {
    await readyTasks(30, 'ann');
    await readyTasks(20, 'bob');
    expect(await packLimited({ ann: 5 })).toBeDefined();
    expect([await packedOf('ann'), await packedOf('bob')]).toEqual([5, 20]);
    expect(await packLimited({ ann: 5 })).toBeUndefined();
  });

  test('goes on as attempts end', async () => {
    await readyTasks(8, 'ann');
    const first = await packLimited({ ann: 5 });
    await rows(
      "UPDATE attempts SET outcome = 'succeeded', ended_ms = 1 WHERE submission_id = ? ORDER BY array_index LIMIT 2",
      [first],
    );
    expect(await packLimited({ ann: 5 })).toBeDefined();
    expect(await packedOf('ann')).toBe(7);
  });

  test('by 8 packers at once stays within them', async () => {
    await readyTasks(200, 'ann');
    await Promise.all(Array.from({ length: 8 }, () => packLimited({ ann: 37 })));
    expect(await packedOf('ann')).toBe(37);
  });
});

describe('packing', () => {
  test('by 8 packers at once puts every task into exactly one submission', async () => {
    const taskIds = await readyTasks(1000);
    const made: number[] = [];
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        for (let id = await pack(90); id !== undefined; id = await pack(90)) made.push(id);
      }),
    );
    for (let id = await pack(90); id !== undefined; id = await pack(90)) made.push(id); // what all of them passed over
    const attempts = await rows(
      'SELECT task_id, number, submission_id, array_index FROM attempts ORDER BY task_id',
    );
    expect(attempts.map(({ task_id }) => task_id as number)).toEqual(taskIds);
    expect(new Set(attempts.map(({ submission_id }) => submission_id as number))).toEqual(
      new Set(made),
    );
    for (const { id, size } of await readSubmissions(database.pool, made)) {
      const mine = attempts.filter(({ submission_id }) => submission_id === id);
      expect(mine.map(({ array_index }) => Number(array_index)).toSorted((a, b) => a - b)).toEqual(
        Array.from({ length: size }, (_, at) => at),
      );
    }
    expect(await rows('SELECT DISTINCT attempt, due_ms FROM tasks')).toEqual([
      { attempt: 1, due_ms: null },
    ]);
  });

  test('sees how many are ready, up to what it can use, and since when', async () => {
    const hex = shape.shape.toString('hex');
    expect(await readReady(database.pool, hex, 10)).toEqual({ count: 0, oldestMs: 0, newestMs: 0 });
    const [late] = await readyTasks(5);
    await database.pool.query('UPDATE tasks SET moved_ms = 150 WHERE id = ?', [late]);
    expect(await readReady(database.pool, hex, 10)).toEqual({
      count: 5,
      oldestMs: 100,
      newestMs: 150,
    });
    expect((await readReady(database.pool, hex, 3)).count).toBe(3);
    await pack();
    expect((await readReady(database.pool, hex, 10)).count).toBe(0);
    expect(await pack()).toBeUndefined();
  });

  test('keeps the array’s order in its manifest', async () => {
    const { id, taskIds } = await packed(20);
    const tasks = await readAttemptTasks(database.pool, id);
    expect(tasks.map(({ taskId }) => taskId)).toEqual(taskIds);
    expect(tasks.map(({ values }) => values[1])).toEqual(
      Array.from({ length: 20 }, (_, at) => `t${at}`),
    );
  });
});

describe('a call', () => {
  test('is started by one, and taken back by one', async () => {
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

  test('that was heard moves its tasks once, and only those that still want it', async () => {
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

  test('cannot leave a submission running without a job', async () => {
    const { id } = await packed(1);
    await expect(
      database.pool.query("UPDATE submissions SET state = 'running' WHERE id = ?", [id]),
    ).rejects.toThrow(/submissions_running_has_job/);
  });
});

describe('a submission that runs', () => {
  test('is watched, adopts a twin, is postponed, and ends with its last attempt', async () => {
    const { id, taskIds } = await packed(2);
    await startCall(database.pool, { id, nowMs: 1000, dueMs: 2000 });
    await markSubmitted(database, { id, jobId: 'j1', nowMs: 1100, dueMs: 2000 });
    expect((await readRunning(database.pool, 'q')).map((one) => one.id)).toEqual([id]);
    expect(await readRunning(database.pool, 'other')).toEqual([]);
    await markSeenRunning(database, [id], 1200);
    await markSeenRunning(database, [id], 1300);
    await adoptJob(database.pool, { id, jobId: 'j3', was: 'j2' });
    await adoptJob(database.pool, { id, jobId: 'j2', was: 'j1' });
    await postponeSubmissions(database.pool, [id], 5000);
    expect(await readSubmissions(database.pool, [id])).toMatchObject([
      { state: 'running', jobId: 'j2', runningMs: 1200 },
    ]);
    const limits = { nowMs: 4999, dueMs: 9000, most: 10 };
    expect(await takeStillSubmissions(database, limits)).toEqual([]);
    const taken = await Promise.all(
      Array.from({ length: 4 }, () => takeStillSubmissions(database, { ...limits, nowMs: 5000 })),
    );
    expect(taken.flat()).toEqual([{ id, state: 'running', queue: 'q' }]);

    expect((await countOpenAttempts(database.pool, [id])).get(id)).toEqual({
      submissionId: id,
      open: 2,
      firstOpen: 0,
    });
    await endAttempts(
      database.pool,
      [{ taskId: taskIds[0] ?? 0, number: 1, outcome: 'lost', reason: 'x'.repeat(100_000) }],
      1400,
    );
    await endSubmissions(database.pool, [id], 1500);
    expect((await countOpenAttempts(database.pool, [id])).get(id)).toEqual({
      submissionId: id,
      open: 1,
      firstOpen: 1,
    });
    expect(await readSubmissions(database.pool, [id])).toMatchObject([{ state: 'running' }]);
    await endAttempts(
      database.pool,
      [{ taskId: taskIds[1] ?? 0, number: 1, outcome: 'succeeded' }],
      1600,
    );
    await endSubmissions(database.pool, [id], 1700);
    expect(await readSubmissions(database.pool, [id])).toMatchObject([{ state: 'ended' }]);
    expect(await countOpenAttempts(database.pool, [id])).toEqual(new Map());
    expect(await rows('SELECT due_ms FROM submissions')).toEqual([{ due_ms: null }]);
  });
});

describe('attempts', () => {
  const result: ResultRecord = {
    startedMs: 1,
    endedMs: 2,
    executors: [{ exitCode: 0, startedMs: 1, endedMs: 2 }],
    outputs: [{ output: 0, path: 'ü "x"\n', sizeBytes: 5, crc64nvme: 'AAAAAAAAAAA=', etag: '' }],
    missingOutputs: [],
  };

  test('end once: what is written stays', async () => {
    const {
      id,
      taskIds: [a = 0, b = 0],
    } = await packed(2);
    await endAttempts(
      database.pool,
      [{ taskId: a, number: 1, outcome: 'succeeded', exitCode: 0, result, batchAttempt: 2 }],
      10,
    );
    await endAttempts(
      database.pool,
      [
        { taskId: a, number: 1, outcome: 'failed', reason: 'late' },
        { taskId: b, number: 2, outcome: 'failed' },
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

  test('with more in their results than a server takes in one statement are written all the same', async () => {
    const { taskIds } = await packed(45);
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
    await endAttempts(
      database.pool,
      taskIds.map((taskId) => ({ taskId, number: 1, outcome: 'succeeded' as const, result: long })),
      10,
    );
    expect(
      await rows('SELECT COUNT(*) AS count FROM attempts WHERE LENGTH(result) > 300000'),
    ).toEqual([{ count: 45 }]);
  });
});

describe('a job definition', () => {
  test('has one row per content, is registered by one, and once', async () => {
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
    await saveRevision(database.pool, id, 'name:1');
    await saveRevision(database.pool, id, 'name:2');
    expect(await readJobDefinition(database.pool, id)).toMatchObject({
      revision: 'name:1',
      content: { containerProperties: { image: 'same' } },
    });
    expect(await claimRegistration(database.pool, { id, nowMs: 900, untilMs: 1000 })).toBe(false);
    await forgetRevision(database.pool, id, 'name:2');
    expect((await readJobDefinition(database.pool, id))?.revision).toBe('name:1');
    await forgetRevision(database.pool, id, 'name:1');
    expect(await claimRegistration(database.pool, { id, nowMs: 901, untilMs: 1000 })).toBe(true);
  });
});

describe('the call cache', () => {
  const fingerprint = Buffer.alloc(32, 7);
  const other = Buffer.alloc(32, 8);
  const entry = (taskId: number, print = fingerprint) => ({
    domain: 'me',
    fingerprint: print,
    listedFingerprint: Buffer.alloc(32, 9),
    taskId,
    warnings: [],
    outputs: [
      {
        output: 0,
        path: '',
        url: 's3://b/ü',
        sizeBytes: 5,
        crc64nvme: 'x',
        etag: 'e',
        versionId: null,
      },
      {
        output: 1,
        path: 'a/b',
        url: 's3://b/c',
        sizeBytes: 6,
        crc64nvme: 'y',
        etag: '',
        versionId: 'v',
      },
    ],
  });
  const lookup = { domain: 'me', fingerprint };

  test('finds the newest valid entry of its domain, whole', async () => {
    await saveEntries(database, [entry(1), entry(2), entry(3, other)], 100);
    await saveEntries(database, [entry(2)], 200);
    const [first, second] = await rows('SELECT id FROM cache_entries ORDER BY id');
    const [firstId, secondId] = [Number(first?.['id']), Number(second?.['id'])];
    expect(await findEntries(database.pool, [lookup])).toEqual(
      new Map([[lookupKey(lookup), secondId]]),
    );
    expect(
      (await findEntries(database.pool, [{ ...lookup, domain: 'you' }])).has(
        lookupKey({ ...lookup, domain: 'you' }),
      ),
    ).toBe(false);
    await invalidateEntry(database, secondId, 'gone');
    await invalidateEntry(database, secondId, 'another reason');
    expect((await findEntries(database.pool, [lookup])).get(lookupKey(lookup))).toBe(firstId);
    expect(await readEntryOf(database, lookup)).toMatchObject({
      id: secondId,
      invalidReason: 'gone',
    });
    await saveFingerprints(
      database.pool,
      [
        {
          fingerprint,
          base: other,
          listedFingerprint: other,
          inputs: [['inputs[/a]', 'FILE x', 1, 2, 0]],
        },
      ],
      100,
    );
    expect(
      (await readFingerprints(database.pool, [fingerprint])).get(fingerprint.toString('hex'))
        ?.inputs,
    ).toEqual([['inputs[/a]', 'FILE x', 1, 2, 0]]);
    expect(await readTaskFingerprint(database.pool, 0)).toBeUndefined();
    expect((await readEntryOutputs(database, [firstId])).get(firstId)).toMatchObject(
      entry(1).outputs,
    );
    const listed = { domain: 'me', fingerprint: Buffer.alloc(32, 9) };
    expect(await findListed(database.pool, [listed])).toEqual(new Set([lookupKey(listed)]));
    await addHits(database.pool, [firstId, firstId, secondId], 300);
    expect(await rows('SELECT hits, last_hit_ms FROM cache_entries ORDER BY id')).toEqual([
      { hits: 2, last_hit_ms: 300 },
      { hits: 1, last_hit_ms: 300 },
      { hits: 0, last_hit_ms: null },
    ]);
  });

  test('has one leader per fingerprint and domain, whoever asks at once, and none that does not write', async () => {
    const asked = await Promise.all(
      Array.from({ length: 8 }, (_, at) =>
        boardFlights(
          database.pool,
          [
            { ...lookup, taskId: at + 1, writes: at !== 0 },
            { fingerprint: other, domain: 'me', taskId: at + 1, writes: false },
          ],
          1,
        ),
      ),
    );
    const leaders = new Set(asked.slice(1).map((one) => one.get(lookupKey(lookup))));
    expect(leaders.size).toBe(1);
    expect(leaders.has(1)).toBe(false);
    expect(asked.some((one) => one.has(lookupKey({ fingerprint: other, domain: 'me' })))).toBe(
      false,
    );
    expect(
      (
        await boardFlights(
          database.pool,
          [{ fingerprint, domain: 'you', taskId: 99, writes: true }],
          1,
        )
      ).get(lookupKey({ fingerprint, domain: 'you' })),
    ).toBe(99);
  });

  test('lands a flight once, and tells who waited', async () => {
    const {
      taskIds: [a = 0, b = 0, c = 0],
    } = await acceptAll(database, {
      owner: 'me',
      tasks: manyTasks(3, (at) => newTask(`t${at}`)),
      nowMs: 1,
      dueMs: 2,
    });
    await boardFlights(database.pool, [{ ...lookup, taskId: a, writes: true }], 1);
    await noteWaiting(
      database.pool,
      [b, c].map((id) => ({ id, leaderId: a })),
    );
    await moveTasks(database.pool, 'miss', [a], { nowMs: 3, dueMs: null });
    expect(await readLostFlights(database.pool, 10)).toEqual([]);
    await inTransaction(database, (open) =>
      moveTasks(open, 'cancel', [a], { nowMs: 4, dueMs: null }),
    );
    expect(await readLostFlights(database.pool, 10)).toEqual([a]);
    expect((await landFlights(database.pool, [a])).toSorted()).toEqual([b, c]);
    expect(await landFlights(database.pool, [a])).toEqual([]);
  });
});
