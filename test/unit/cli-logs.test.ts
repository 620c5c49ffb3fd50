import { afterEach, expect, it } from 'vitest';
import { run, startFakeApi, type FakeApi } from './cli-world.ts';

const TASK = '/ga4gh/tes/v1/tasks/task-1-aaaaaa';
const LOGS = '/v1/tasks/task-1-aaaaaa/logs';
const lines = (...all: object[]): string => all.map((one) => `${JSON.stringify(one)}\n`).join('');

let api: FakeApi | undefined;
afterEach(async () => {
  await api?.close();
  api = undefined;
});

const whole = lines(
  { attempt: 1, position: '1.1.0.4', text: 'one\n' },
  { attempt: 1, position: '1.1.0.9', skipped_bytes: 5 },
  { attempt: 2, position: '2.0.0.0', began: 'attempt' },
  { attempt: 2, position: '2.1.0.3', text: 'two' },
  { attempt: 2, position: '2.1.0.3', ended: true },
);

it('logs --follow prints what the task prints, tells on stderr what is not its own, and ends as the task did', async () => {
  api = await startFakeApi({
    [`GET ${TASK}`]: { body: { id: 'task-1-aaaaaa', state: 'EXECUTOR_ERROR' } },
    [`GET ${LOGS}`]: { body: whole },
  });
  expect(
    await run(['logs', 'task-1-aaaaaa', '--follow', '--stderr', '--executor', '1'], { api }),
  ).toEqual({
    code: 1,
    out: 'one\ntwo',
    err: '== 5 bytes left out ==\n== attempt 2 ==\ntask-1-aaaaaa · EXECUTOR_ERROR\n',
  });
  expect(api.asked.find(({ path }) => path.startsWith(LOGS))?.path).toBe(
    `${LOGS}?stream=stderr&executor=1&follow=true`,
  );
});

it('logs -f --json prints a line of JSON for each piece', async () => {
  api = await startFakeApi({
    [`GET ${TASK}`]: { body: { id: 'task-1-aaaaaa', state: 'COMPLETE' } },
    [`GET ${LOGS}`]: { body: whole },
  });
  const ran = await run(['logs', 'task-1-aaaaaa', '-f', '--json'], { api });
  expect([ran.code, ran.out]).toEqual([0, whole.split('\n').slice(0, 4).join('\n').concat('\n')]);
});

it('a task that is not there, and a service that is not, are told at once', async () => {
  api = await startFakeApi({
    [`GET ${TASK}`]: {
      status: 404,
      body: { status_code: 404, message: 'There is no task "task-1-aaaaaa".' },
    },
  });
  expect(await run(['logs', 'task-1-aaaaaa', '-f'], { api })).toEqual({
    code: 2,
    out: '',
    err: 'There is no task "task-1-aaaaaa".\n',
  });
  await api.close();
  expect((await run(['logs', 'task-1-aaaaaa', '-f'], { api })).code).toBe(3);
  api = undefined;
});

it('Ctrl-C ends it, and the task goes on', async () => {
  const interruption = new AbortController();
  // Each reply ends before the task has: the client goes on from its position for ever.
  api = await startFakeApi({
    [`GET ${TASK}`]: { body: { id: 'task-1-aaaaaa', state: 'RUNNING' } },
    [`GET ${LOGS}`]: [
      { body: lines({ attempt: 1, position: '1.1.0.4', text: 'one\n' }) },
      { body: '\n' },
    ],
  });
  const running = run(['logs', 'task-1-aaaaaa', '-f'], { api, interrupted: interruption.signal });
  await expect
    .poll(() => api?.asked.at(-1)?.path, { timeout: 15_000 })
    .toBe(`${LOGS}?stream=stdout&executor=0&follow=true&from=1.1.0.4`);
  interruption.abort();
  expect(await running).toEqual({ code: 130, out: 'one\n', err: 'Interrupted.\n' });
  expect(api.asked.every(({ method }) => method === 'GET')).toBe(true);
});
