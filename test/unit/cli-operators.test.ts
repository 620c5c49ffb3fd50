/** `retry`, `advise`, and what operators do with a fleet. */
import stringWidth from 'string-width';
import { afterEach, expect, it } from 'vitest';
import { run, startFakeApi, type Answer, type FakeApi } from './cli-world.ts';

let api: FakeApi | undefined;
afterEach(async () => {
  await api?.close();
  api = undefined;
});
const start = async (answers: Record<string, Answer | Answer[]>): Promise<FakeApi> =>
  (api = await startFakeApi(answers));
const asked = (): string[] =>
  (api?.asked ?? []).map(({ method, path, body }) => `${method} ${path} ${body}`.trim());
const widest = (text: string): number =>
  text.split('\n').reduce((most, line) => Math.max(most, stringWidth(line)), 0);

const SCATTER = 'scatter-1-bbbbbb';
const group = (key: string, code: string) => ({
  key,
  code,
  message: 'It failed.',
  tasks: 2,
  first: '2026-11-29T10:00:00Z',
  last: '2026-11-29T10:00:00Z',
  examples: [],
});
const failures = {
  body: {
    failed: 6,
    more: false,
    groups: [group('a', 'executor-failed'), group('b', 'timed-out'), group('c', 'executor-failed')],
  },
};

it('retry of a scatter prints the id of the new scatter alone, and says how many tasks it has', async () => {
  await start({
    [`POST /v1/scatters/${SCATTER}:retry`]: { body: { id: 'scatter-2-cccccc', tasks: 1204 } },
  });
  expect(await run(['retry', SCATTER], { api: api! })).toEqual({
    code: 0,
    out: 'scatter-2-cccccc\n',
    err: '1,204 failed tasks of scatter-1-bbbbbb are retried as scatter-2-cccccc.\n',
  });
  expect(asked()).toEqual([`POST /v1/scatters/${SCATTER}:retry {}`]);
  expect(api?.asked[0]?.headers['idempotency-key']).toMatch(/.{8}/);
});

it('retry with reasons retries the groups of those reasons, and names those that there are', async () => {
  await start({
    'GET /v1/failures': failures,
    [`POST /v1/scatters/${SCATTER}:retry`]: { body: { id: 'scatter-2-cccccc', tasks: 1 } },
  });
  const words = ['retry', SCATTER, '--reason', 'executor-failed', '--json'];
  const ran = await run(words, { api: api! });
  expect(JSON.parse(ran.out)).toEqual({ id: 'scatter-2-cccccc', tasks: 1 });
  expect(asked()).toEqual([
    `GET /v1/failures?scatter=${SCATTER}`,
    `POST /v1/scatters/${SCATTER}:retry {"groups":["a","c"]}`,
  ]);
  expect(await run(['retry', SCATTER, '--reason', 'typo', 'timed-out'], { api: api! })).toEqual({
    code: 2,
    out: '',
    err: `--reason: no task of ${SCATTER} failed with typo. There are: executor-failed, timed-out.\n`,
  });
});

it('retry of a task prints the id of the new task; a task that did not fail is refused with the reason', async () => {
  await start({
    'POST /v1/tasks/task-1-aaaaaa:retry': [
      { body: { id: 'task-2-bbbbbb' } },
      { status: 409, body: { status_code: 409, message: 'The task has not failed.' } },
    ],
  });
  expect(await run(['retry', 'task-1-aaaaaa'], { api: api! })).toMatchObject({
    code: 0,
    out: 'task-2-bbbbbb\n',
  });
  const refused = await run(['retry', 'task-1-aaaaaa'], { api: api! });
  expect(refused).toMatchObject({ code: 2, out: '' });
  expect(refused.err).toContain('The task has not failed.');
  expect(await run(['retry', 'task-1-aaaaaa', '--reason', 'x'], { api: api! })).toMatchObject({
    code: 2,
    err: '--reason: expected the id of a scatter, not of a task.\n',
  });
});

const stage = (name: string, more: object = {}) => ({
  stage: name,
  tasks: 0,
  oldest_seconds: 0,
  messages: 0,
  message_seconds: 0,
  laid_aside: 0,
  paused: false,
  workers: 2,
  active: 1,
  concurrency: 8,
  ...more,
});

it('stages shows which are paused or have no worker, within 80 columns', async () => {
  await start({
    'GET /v1/overview': {
      body: {
        stages: [
          stage('cache-check', { tasks: 12_345, oldest_seconds: 7300, messages: 99 }),
          stage('submit', { paused: true, laid_aside: 3 }),
          stage('poll', { workers: 0, active: 0, concurrency: 0 }),
        ],
      },
    },
  });
  const { code, out } = await run(['stages'], { api: api! });
  expect(code).toBe(0);
  expect(out).toMatch(/^cache-check +working +12,345 +2 h +99 +0 +2 +1\/8$/m);
  expect(out).toMatch(/^submit +paused +0 +0 +3 /m);
  expect(out).toMatch(/^poll +no worker /m);
  expect(widest(out)).toBeLessThanOrEqual(80);
  const { out: json } = await run(['stages', '--json'], { api: api! });
  expect(JSON.parse(json)).toHaveLength(3);
});

it('pause and resume take a stage, and resume takes a worker, too', async () => {
  await start({
    'POST /v1/stages/submit:pause': { body: {} },
    'POST /v1/stages/submit:resume': { body: {} },
    'POST /v1/workers/host-1-ab:resume': { body: {} },
    'POST /v1/workers/host-1-ab:drain': { body: {} },
  });
  const paused = await run(['pause', 'submit'], { api: api! });
  expect(paused).toMatchObject({ code: 0, out: '' });
  expect(paused.err).toContain('batchwell resume submit');
  expect((await run(['resume', 'submit'], { api: api! })).err).toBe(
    'The stage submit is resumed.\n',
  );
  expect((await run(['drain', 'host-1-ab'], { api: api! })).err).toContain('takes no new messages');
  const resumed = await run(['resume', 'host-1-ab', '--json'], { api: api! });
  expect(JSON.parse(resumed.out)).toEqual({ resumed: 'host-1-ab' });
  expect(asked()).toEqual([
    'POST /v1/stages/submit:pause {}',
    'POST /v1/stages/submit:resume {}',
    'POST /v1/workers/host-1-ab:drain {}',
    'POST /v1/workers/host-1-ab:resume {}',
  ]);
  for (const words of [
    ['pause', 'nowhere'],
    ['messages', 'retry', 'nowhere'],
  ])
    expect(await run(words, { api: api! })).toMatchObject({
      code: 2,
      err: 'nowhere is not a stage; expected one of cache-check, stage-script, submit, poll, finalize.\n',
    });
});

const worker = (id: string, more: object = {}) => ({
  id,
  host: 'h',
  pid: 1,
  version: '0.1.0',
  started: new Date(Date.now() - 7_300_000).toISOString(),
  state: 'working',
  silent_seconds: 1,
  stages: [
    { stage: 'poll', active: 2, concurrency: 4 },
    { stage: 'submit', active: 3, concurrency: 16 },
  ],
  ...more,
});

it('workers shows their state, stages, and load within 80 columns, and says so when there is none', async () => {
  await start({
    'GET /v1/workers': [
      {
        body: {
          workers: [
            worker('ip-10-20-30-40-12345-abcdef'),
            worker('b', { state: 'silent', silent_seconds: 95, version: '0.2.0' }),
          ],
        },
      },
      { body: { workers: [] } },
    ],
  });
  const { out } = await run(['workers'], { api: api! });
  expect(out).toMatch(/^b +silent +2 h +poll submit +5\/20 +0\.2\.0$/m);
  expect(widest(out)).toBeLessThanOrEqual(80);
  expect(await run(['workers'], { api: api! })).toMatchObject({
    code: 0,
    out: '',
    err: 'No worker has been heard of within the last hour.\n',
  });
});

it('messages lists what was laid aside within 80 columns, and retries some or all of a stage', async () => {
  await start({
    'GET /v1/messages': {
      body: {
        messages: [
          {
            stage: 'finalize',
            id: '17',
            tries: 5,
            error: 'Lock wait timeout exceeded; try restarting transaction, at 10.0.0.1:3306',
            failed: new Date(Date.now() - 130_000).toISOString(),
            tasks: 40,
            task_ids: ['task-1-aaaaaa', 'task-2-bbbbbb'],
          },
          {
            stage: 'poll',
            id: '18',
            tries: 1,
            error: 'The message is not one for poll: {}',
            failed: new Date().toISOString(),
            tasks: 0,
            task_ids: [],
            subject: '{"queue":"\u001b[31m"}',
          },
        ],
      },
    },
    'POST /v1/messages:retry': [{ body: { retried: 1 } }, { body: { retried: 12 } }],
  });
  const { out } = await run(['messages'], { api: api! });
  expect(out).toContain('task-1-aaaaaa');
  expect(out).toContain('39 more');
  expect(out).not.toContain('\u001b');
  expect(widest(out)).toBeLessThanOrEqual(80);
  const { out: json } = await run(['messages', '--json'], { api: api! });
  expect(JSON.parse(json)).toHaveLength(2);
  expect((await run(['messages', 'retry', 'finalize', '17', '9'], { api: api! })).err).toBe(
    '1 message of finalize is taken again. 1 of the ids is not laid aside.\n',
  );
  expect((await run(['messages', 'retry', 'poll'], { api: api! })).err).toBe(
    '12 messages of poll are taken again.\n',
  );
  expect(asked().slice(2)).toEqual([
    'POST /v1/messages:retry {"stage":"finalize","ids":["17","9"]}',
    'POST /v1/messages:retry {"stage":"poll"}',
  ]);
});

const ended = (id: string, state: string, metadata: Record<string, string>) => ({
  id,
  state,
  executors: [{ image: 'quay.io/biocontainers/bwa-mem2:2.2.1--he513fc3_0', command: ['x'] }],
  resources: { cpu_cores: 8, ram_gb: 16 },
  logs: [{ logs: [], metadata }],
});
const used = { wall_seconds: '3600', cpu_seconds: '5400', peak_memory_bytes: '4294967296' };

it('advise compares asked with used within 80 columns, and leaves out what failed or was not measured', async () => {
  await start({
    [`GET /v1/scatters/${SCATTER}/tasks`]: {
      body: {
        tasks: [
          ended('task-1-a', 'COMPLETE', used),
          ended('task-2-b', 'EXECUTOR_ERROR', { ...used, peak_memory_bytes: '17179869184' }),
          ended('task-3-c', 'COMPLETE', {}),
        ],
      },
    },
    'GET /ga4gh/tes/v1/tasks/task-3-c': { body: ended('task-3-c', 'COMPLETE', { cache: 'hit' }) },
  });
  const { code, out, err } = await run(['advise', SCATTER], { api: api! });
  expect(code).toBe(0);
  expect(out).toMatch(/ 1 +8 +1\.5 +2 +16 +4 +5$/m);
  expect(out).toContain('This run held 6 vCPU-hours and 11 GiB-hours that it did not use.');
  expect(err).toContain('2 of 3 tasks are left out');
  expect(widest(out)).toBeLessThanOrEqual(80);
  const { out: json } = await run(['advise', SCATTER, '--json'], { api: api! });
  expect(JSON.parse(json)).toMatchObject({ tasks: 3, measured: 1, advice: [{ tasks: 1 }] });
  expect(await run(['advise', 'task-3-c'], { api: api! })).toMatchObject({
    code: 0,
    out: '',
    err: expect.stringContaining('nothing to compare yet'),
  });
});
