import { afterEach, expect, it } from 'vitest';
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
const taskPage = (id: string, next?: string) => ({
  body: {
    tasks: [{ id, state: 'RUNNING', name: `of ${id}` }],
    ...(next && { next_page_token: next }),
  },
});

let api: FakeApi | undefined;
afterEach(async () => {
  await api?.close();
  api = undefined;
});

it('status reads the scatter for the id of a scatter, and the task for the id of a task', async () => {
  api = await startFakeApi({
    [`GET ${SCATTER}`]: { body: scatterView({ poll: 3 }, false) },
    [`GET ${TASK}`]: {
      body: {
        id: 'task-1-aaaaaa',
        state: 'EXECUTOR_ERROR',
        logs: [{ system_logs: ['executor 0 ended with 7'] }],
      },
    },
  });
  expect(await run(['status', 'scatter-1-bbbbbb', '--json'], { api })).toMatchObject({ code: 0 });
  const task = await run(['status', 'task-1-aaaaaa'], { api });
  expect(task.code).toBe(1);
  expect(task.out).toContain('executor 0 ended with 7');
});

it('logs and script print the reply byte for byte', async () => {
  const log = 'no newline at the end: é\u0000';
  api = await startFakeApi({
    'GET /v1/tasks/task-1-aaaaaa/logs': { body: log },
    'GET /v1/tasks/task-1-aaaaaa/script': { body: '#!/bin/sh\n' },
  });
  expect((await run(['logs', 'task-1-aaaaaa', '--stderr', '--executor', '1'], { api })).out).toBe(
    log,
  );
  expect(api.asked[0]!.path).toBe('/v1/tasks/task-1-aaaaaa/logs?stream=stderr&executor=1');
  expect((await run(['script', 'task-1-aaaaaa'], { api })).out).toBe('#!/bin/sh\n');
});

it('timeline prints a table of spans; a span that has not ended says so', async () => {
  const spans = [
    {
      what: 'cache-check',
      from: '2026-01-01T00:00:00.000Z',
      to: '2026-01-01T00:00:01.500Z',
      ms: 1500,
    },
    { what: 'in-batch', attempt: 1, from: '2026-01-01T00:00:01.500Z', ms: 61_000 },
  ];
  api = await startFakeApi({ 'GET /v1/tasks/task-1-aaaaaa/timeline': { body: { spans } } });
  const { out, code } = await run(['timeline', 'task-1-aaaaaa'], { api });
  expect(code).toBe(0);
  const [head, first, second] = out.split('\n').map((line) => line.split(/  +/));
  expect(head).toEqual(['SPAN', 'ATTEMPT', 'FROM', 'TOOK']);
  expect(first).toEqual([
    'cache-check',
    expect.stringContaining('2026-01-01T00:00:00.000Z'),
    '1.5 s',
  ]);
  expect(second?.at(-1)).toMatch(/ so far$/);
  expect(JSON.parse((await run(['timeline', 'task-1-aaaaaa', '--json'], { api })).out)).toEqual({
    spans,
  });
});

it('cancel cancels the task or the scatter that the id names, and says what had already ended', async () => {
  api = await startFakeApi({
    [`POST ${TASK}:cancel`]: { body: {} },
    [`GET ${TASK}`]: [
      { body: { id: 'task-1-aaaaaa', state: 'CANCELED' } },
      { body: { id: 'task-1-aaaaaa', state: 'COMPLETE' } },
    ],
    'POST /v1/tasks:cancel': { body: { cancelled: 3, unknown_ids: [] } },
  });
  expect(await run(['cancel', 'task-1-aaaaaa'], { api })).toMatchObject({
    code: 0,
    out: 'task-1-aaaaaa is cancelled.\n',
  });
  expect(await run(['cancel', 'task-1-aaaaaa'], { api })).toMatchObject({
    code: 0,
    out: 'task-1-aaaaaa had already ended: COMPLETE.\n',
  });
  expect(await run(['cancel', 'scatter-1-bbbbbb'], { api })).toMatchObject({
    code: 0,
    out: '3 tasks of scatter-1-bbbbbb cancelled.\n',
  });
  expect(JSON.parse(api.asked.at(-1)!.body)).toEqual({ scatter: 'scatter-1-bbbbbb' });
});

it('status --tasks reads every page of a scatter', async () => {
  api = await startFakeApi({
    [`GET ${SCATTER}`]: { body: scatterView({ poll: 2 }, false) },
    [`GET ${SCATTER}/tasks`]: [taskPage('task-2-x', 'more'), taskPage('task-1-x')],
  });
  const ran = await run(['status', 'scatter-1-bbbbbb', '--tasks'], { api });
  expect(ran.out).toMatch(
    /task-2-x {2}RUNNING {21}of task-2-x\ntask-1-x {2}RUNNING {21}of task-1-x\n/,
  );
  expect(api.asked.at(-1)?.path).toContain('page_token=more');
});
