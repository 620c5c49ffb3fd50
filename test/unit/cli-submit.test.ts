import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { run, startFakeApi, type FakeApi } from './cli-world.ts';

const TASK = '/ga4gh/tes/v1/tasks/task-1-aaaaaa';
const SCATTER = '/v1/scatters/scatter-1-bbbbbb';
const scatterView = (places: Record<string, number>, ended: boolean) => ({
  id: 'scatter-1-bbbbbb',
  name: 'reads',
  size: 3,
  places,
  states: {},
  cache_hits: 1,
  ended,
});

let api: FakeApi | undefined;
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'batchwell-cli-'));
});
afterEach(async () => {
  await api?.close();
  api = undefined;
  await rm(folder, { recursive: true, force: true });
});

const created = { 'POST /ga4gh/tes/v1/tasks': { body: { id: 'task-1-aaaaaa' } } };

it('submit sends the task unchanged and prints its id', async () => {
  api = await startFakeApi(created);
  const ran = await run(['submit', '-', '--token', 'secret'], {
    api,
    stdin: '{"name": "hello", "executors": []}',
  });
  expect(ran).toEqual({ code: 0, out: 'task-1-aaaaaa\n', err: '' });
  expect(JSON.parse(api.asked[0]!.body)).toEqual({ name: 'hello', executors: [] });
  expect(api.asked[0]!.headers.authorization).toBe('Bearer secret');
});

it('submit takes the token from the environment', async () => {
  api = await startFakeApi(created);
  await run(['submit', '-'], {
    api,
    stdin: '{}',
    environment: { BATCHWELL_TOKEN: 'from-there' },
  });
  expect(api.asked[0]!.headers.authorization).toBe('Bearer from-there');
});

it.each([
  ['COMPLETE', 0],
  ['EXECUTOR_ERROR', 1],
  ['SYSTEM_ERROR', 1],
  ['CANCELED', 1],
])('submit --wait for a task that ends as %s exits with %i', async (state, code) => {
  api = await startFakeApi({
    ...created,
    [`GET ${TASK}`]: [
      { body: { id: 'task-1-aaaaaa', state: 'QUEUED' } },
      {
        body: {
          id: 'task-1-aaaaaa',
          state,
          logs: [{ logs: [{ exit_code: code }] }],
          executors: [{ image: 'debian', command: ['false'] }],
        },
      },
    ],
  });
  const ran = await run(['submit', '-', '--wait'], { api, stdin: '{}' });
  expect(ran.code).toBe(code);
  expect(ran.out).toBe('');
  expect(ran.err).toContain(state);
});

it('scatter streams .ndjson unchanged, with the name in the query', async () => {
  api = await startFakeApi({
    'POST /v1/scatters': { body: { id: 'scatter-1-bbbbbb', tasks: ['task-1-aaaaaa'] } },
  });
  const file = join(folder, 'tasks.ndjson');
  await writeFile(file, '{"name":"a"}\n{"name":"b"}\n');
  const ran = await run(['scatter', file, '--name', 'two tasks', '--cache', 'read'], { api });
  expect(ran).toEqual({ code: 0, out: 'scatter-1-bbbbbb\n', err: '' });
  expect(api.asked[0]).toMatchObject({
    path: '/v1/scatters?name=two+tasks&cache=read',
    body: '{"name":"a"}\n{"name":"b"}\n',
  });
  expect(api.asked[0]!.headers['content-type']).toBe('application/x-ndjson');
});

it('scatter says on stderr how many rows do the same as an earlier one', async () => {
  api = await startFakeApi({
    'POST /v1/scatters': { body: { id: 'scatter-1-bbbbbb', tasks: 8, equal_rows: 7 } },
  });
  expect(await run(['scatter', '-'], { api, stdin: '{}' })).toEqual({
    code: 0,
    out: 'scatter-1-bbbbbb\n',
    err: '7 of 8 rows do the same as an earlier row. Each of them runs on its own.\n',
  });
});

it('scatter --wait prints the counts per place on stderr and exits with 1 when a task failed', async () => {
  api = await startFakeApi({
    'POST /v1/scatters': { body: { id: 'scatter-1-bbbbbb', tasks: [] } },
    [`GET ${SCATTER}`]: [
      { body: scatterView({ poll: 3 }, false) },
      { body: scatterView({ done: 2, failed: 1 }, true) },
    ],
  });
  const ran = await run(['scatter', '-', '--wait'], { api, stdin: '{}' });
  expect(ran.code).toBe(1);
  expect(ran.err).toContain('3/3 ended: 2 done, 1 failed · 1 cache hit');
  expect(ran.out).toMatch(/PLACE {3}TASKS\ndone {8}2\nfailed {6}1\n/);
});

it('scatter --wait on a terminal shows its progress as a bar that is replaced', async () => {
  api = await startFakeApi({
    'POST /v1/scatters': { body: { id: 'scatter-1-bbbbbb', tasks: [] } },
    [`GET ${SCATTER}`]: [
      { body: scatterView({ poll: 3 }, false) },
      { body: scatterView({ done: 3 }, true) },
    ],
  });
  const ran = await run(['scatter', '-', '--wait', '--json'], {
    api,
    stdin: '{}',
    errIsLive: true,
  });
  expect(ran.err).toContain(`${'─'.repeat(60)}   0 %\nscatter-1-bbbbbb · `);
  expect(ran.err).toMatch(/3\/3 ended: 3 done · 1 cache hit\n$/);
  expect(JSON.parse(ran.out)).toMatchObject({ places: { done: 3 } });
});

it('Ctrl-C during scatter --wait exits with 130 and does not cancel the scatter', async () => {
  const interruption = new AbortController();
  api = await startFakeApi({
    'POST /v1/scatters': { body: { id: 'scatter-1-bbbbbb', tasks: [] } },
    [`GET ${SCATTER}`]: { body: scatterView({ poll: 3 }, false) },
  });
  const running = run(['scatter', '-', '--wait'], {
    api,
    stdin: '{}',
    interrupted: interruption.signal,
  });
  await expect.poll(() => api!.asked.length).toBeGreaterThan(1);
  interruption.abort();
  expect(await running).toMatchObject({ code: 130, out: '' });
  expect(api.asked.filter(({ path }) => path.includes('cancel'))).toEqual([]);
});
