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

it('logs --follow prints the output of the task, and marks on stderr, and exits by the state of the task', async () => {
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

it('logs -f --json prints each piece as a line of JSON', async () => {
  api = await startFakeApi({
    [`GET ${TASK}`]: { body: { id: 'task-1-aaaaaa', state: 'COMPLETE' } },
    [`GET ${LOGS}`]: { body: whole },
  });
  const ran = await run(['logs', 'task-1-aaaaaa', '-f', '--json'], { api });
  expect([ran.code, ran.out]).toEqual([0, whole.split('\n').slice(0, 4).join('\n').concat('\n')]);
});

it('logs --follow fails at once for an unknown task and for a service that cannot be reached', async () => {
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

it('Ctrl-C ends logs --follow and does not cancel the task', async () => {
  const interruption = new AbortController();
  // Each reply ends before the task does, so the client keeps asking from its last position.
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
