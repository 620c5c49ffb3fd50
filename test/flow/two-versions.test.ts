/**
 * Two versions of a fleet side by side on one database, one Redis, and one bucket: rows and messages
 * of a recorded version are worked on by this one, and what a later version wrote waits for it
 * (docs/adr/0046-two-versions.md).
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { Worker } from 'bullmq';
import { afterAll, beforeAll, expect, test } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };
import { stages, type Stage } from '../../core/places.ts';
import { packRecord } from '../../core/result/result-bytes.ts';
import { encodeResultKey, headOfKey } from '../../core/result/result-key.ts';
import { inSubmission, SUBMISSION_VARIABLE } from '../../core/files/s3-layout.ts';
import { proofOf, SECRET_VARIABLE } from '../../core/submission/proof.ts';
import { readConfig } from '../../config.ts';
import { connectRedis } from '../../queues/connect.ts';
import { listWorkers } from '../../queues/fleet-workers.ts';
import { listLaidAside } from '../../queues/operate.ts';
import { setPaused } from '../../queues/pauses.ts';
import { dumpRows } from '../../scripts/dump-rows.ts';
import { MEASURED } from '../forms.ts';
import { manyTasks, newTask, startFleetWorld, type FleetWorld } from './harness.ts';

let world: FleetWorld;
beforeAll(async () => {
  world = await startFleetWorld();
});
afterAll(() => world.close());

const prefix = (): string => readConfig(world.environment).redisPrefix;
const logged = (event: string) => world.lines.filter(({ msg }) => msg === event);
const isStage = (name: string): name is Stage => stages.some((stage) => stage === name);

const FOLDER = new URL('../fixtures/versions/', import.meta.url);
const versions = readdirSync(FOLDER);
const TABLES = ['templates', 'scatters', 'tasks', 'task_tags', 'job_definitions', 'shapes'];

interface WaitingMessage {
  stage: string;
  data: unknown;
}

/** Tasks at each place before poll, and their messages, as this version leaves them. */
async function leaveInFlight(): Promise<void> {
  const workers = await world.startWorkers();
  for (const [stage, count] of [
    ['submit', 3],
    ['stage-script', 2],
    ['cache-check', 1],
  ] as const) {
    await setPaused(world.queues, stage, true);
    const tasks = manyTasks(count, (at) =>
      newTask(`${stage}-${at}`, {
        cache: 'readwrite',
        tags: { ünïcode: 'yes' },
        spec: { executors: [{ image: 'debian:12', command: ['work', stage, String(at)] }] },
      }),
    );
    const ids = await world.accept(tasks, stage);
    await world.until(`${count} at ${stage}`, async () =>
      (await world.tasks(ids)).every(({ place }) => place === stage),
    );
  }
  await workers.close();
}

/** `BATCHWELL_RECORD=yes npx vitest run test/flow/two-versions.test.ts -t 'is recorded'` */
const isRecording = process.env['BATCHWELL_RECORD'] === 'yes';

test.runIf(isRecording)('what this version leaves in flight is recorded', async () => {
  await leaveInFlight();
  const messages: WaitingMessage[] = [];
  for (const stage of stages)
    for (const job of await world.queues.byStage[stage].getJobs())
      messages.push({ stage, data: job.data as unknown });
  expect(new Set(messages.map(({ stage }) => stage)).size).toBe(3);
  const file = (name: string) => new URL(`${packageJson.version}/${name}`, FOLDER);
  const url = world.environment['DATABASE_URL'] ?? '';
  writeFileSync(file('rows.sql'), await dumpRows(url, [], TABLES));
  writeFileSync(file('messages.json'), `${JSON.stringify(messages, null, 2)}\n`);
  await world.queues.redis.flushdb();
});

test.runIf(!isRecording).for(versions)(
  'tasks that version %s left at each place go on by its own messages, and all end well',
  async (version) => {
    for (const table of TABLES) await world.rows(`DELETE FROM ${table}`);
    const sql = readFileSync(new URL(`${version}/rows.sql`, FOLDER), 'utf8');
    for (const statement of sql.split(/;\n/).filter(Boolean)) await world.rows(statement);
    await world.rows('UPDATE tasks SET due_ms = ?', [Date.now() + 60_000]);
    const messages = JSON.parse(
      readFileSync(new URL(`${version}/messages.json`, FOLDER), 'utf8'),
    ) as WaitingMessage[];
    const rows = await world.rows('SELECT id, place FROM tasks');
    expect(new Set(rows.map(({ place }) => place as string))).toEqual(
      new Set(['cache-check', 'stage-script', 'submit']),
    );
    for (const { stage, data } of messages)
      if (isStage(stage)) await world.queues.byStage[stage].add(stage, data);

    const workers = await world.startWorkers();
    const ended = await world.ended(rows.map(({ id }) => Number(id)));

    expect(ended.map(({ place }) => place)).toEqual(rows.map(() => 'done'));
    expect(world.effects.length).toBe(rows.length);
    expect(logged('message-failed')).toEqual([]);
    await workers.close();
    world.effects.length = 0;
  },
);

test('a message of a later form waits without using its tries, holds up no other, and a later worker takes it', async () => {
  const workers = await world.startWorkers();
  const [id = 0] = await world.accept([newTask('now')]);
  await world.ended([id]);
  const [row] = await world.rows('SELECT HEX(shape) AS shape FROM tasks WHERE id = ?', [id]);
  const shape = String(row?.['shape']).toLowerCase();
  const later = { form: 2, shape, first: 'largest' };
  const { submit } = world.queues.byStage;
  const job = await submit.add('submit', later, {
    deduplication: { id: `pack-${shape}`, keepLastIfActive: true },
  });
  await world.until('the message to wait', async () => (await job.getState()) === 'delayed');
  const [line] = logged('message-of-newer-version');
  expect(line).toMatchObject({ stage: 'submit', messageId: job.id, form: 2, shape });

  // Of the same shape, while the other message waits.
  const ids = await world.accept([newTask('then')]);
  expect((await world.ended(ids)).map(({ place }) => place)).toEqual(['done']);
  await workers.close();

  const waiting = await submit.getJob(job.id ?? '');
  expect(waiting).toMatchObject({ data: later, attemptsMade: 0 });
  const taken = Promise.withResolvers<unknown>();
  const connection = connectRedis(world.redis.url, prefix());
  const laterWorker = new Worker('submit', async ({ data }) => taken.resolve(data), {
    connection,
    prefix: prefix(),
  });
  try {
    await waiting?.promote();
    expect(await taken.promise).toEqual(later);
  } finally {
    await laterWorker.close();
    connection.disconnect();
  }
});

test('a message that nobody can read is laid aside for operators: at once, or an hour after it came from a later version', async () => {
  const workers = await world.startWorkers();
  const { poll, finalize } = world.queues.byStage;
  await finalize.add('finalize', { tasks: 'all' }, { attempts: 5 });
  const HOUR_MS = 3_600_000;
  await poll.add('poll', { form: 9, queues: ['a'] }, { timestamp: Date.now() - HOUR_MS - 1000 });
  await world.until('both to be laid aside', async () => {
    return (await listLaidAside(world.queues, 10)).length === 2;
  });
  const laid = await listLaidAside(world.queues, 10);
  expect(new Map(laid.map(({ stage, error, tries }) => [stage, `${tries}: ${error}`]))).toEqual(
    new Map([
      ['finalize', '1: The message is not one for finalize: {"tasks":"all"}'],
      [
        'poll',
        '1: The message is of a newer version, and no worker of that version took it within an hour.',
      ],
    ]),
  );
  expect(logged('message-failed').map(({ stage }) => stage)).toEqual(
    expect.arrayContaining(['finalize', 'poll']),
  );
  await workers.close();
});

test('an attempt whose record a later stager wrote waits for a worker that can read it, whatever Batch says', async () => {
  const wrote = Promise.withResolvers<{ url: string; recorded: Parameters<typeof headOfKey>[0] }>();
  world.behave(({ container: { environment, arrayIndex = 0, attempt } }) => {
    const secret = Buffer.from(environment[SECRET_VARIABLE] ?? '', 'base64url');
    const recorded = { secret, index: arrayIndex, attempt };
    const url = (environment[SUBMISSION_VARIABLE] ?? '') + inSubmission.results;
    const endedMs = Date.now();
    const bytes = Buffer.concat([Buffer.from([3]), packRecord(MEASURED).subarray(1)]);
    const proof = proofOf(secret, 'result-key', [endedMs, arrayIndex, attempt], bytes);
    const tail = Buffer.concat([bytes, proof]).toString('base64url');
    const written = world.objects.put(url + headOfKey(recorded, endedMs) + tail, 'later');
    void written.then(() => wrote.resolve({ url, recorded }));
    return { until: written, noRecord: { exitCode: 1 } };
  });
  const workers = await world.startWorkers();
  const ids = await world.accept([newTask('later', { spec: { outputs: [] } })]);
  await world.until('two looks at the record', () => logged('record-of-newer-version').length > 1);
  expect((await world.tasks(ids)).map(({ place }) => place)).toEqual(['poll']);

  // As it is for a worker that can read it.
  const { url, recorded } = await wrote.promise;
  const endedMs = Date.now() + 1000;
  await world.objects.put(url + encodeResultKey(recorded, { ...MEASURED, endedMs }), 'now');
  expect((await world.ended(ids)).map(({ place }) => place)).toEqual(['done']);
  await workers.close();
});

test('a worker of a later version is listed with what is understood of it', async () => {
  const { redis } = world.queues;
  const seconds = Math.floor(Date.now() / 1000);
  const later = {
    host: 'h',
    pid: '7',
    version: '9.0.0',
    state: 'thinking',
    stages: [{ stage: 'dream' }, 5, { stage: 'poll', active: 2, concurrency: 4 }],
  };
  await redis.hset(`${prefix()}:workers`, {
    later: `${seconds} ${JSON.stringify(later)}`,
    odd: `${seconds} [`,
  });
  const listed = new Map(
    (await listWorkers(redis, prefix())).map(({ id, ...standing }) => [id, standing]),
  );
  expect(listed.get('later')).toEqual({
    host: 'h',
    pid: 0,
    version: '9.0.0',
    startedMs: 0,
    state: 'working',
    stages: [{ stage: 'poll', active: 2, concurrency: 4 }],
    silentMs: expect.any(Number),
  });
  expect(listed.get('odd')).toMatchObject({ version: '?', stages: [] });
});
