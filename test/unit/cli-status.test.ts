import { afterEach, expect, it } from 'vitest';
import { run, startFakeApi, type Answer, type FakeApi } from './cli-world.ts';

const minutesAgo = (minutes: number): string =>
  new Date(Date.now() - minutes * 60_000).toISOString();

const task = (id: string, state: string, more: object = {}) => ({
  id,
  state,
  name: `of ${id}`,
  creation_time: minutesAgo(10),
  ...more,
});
const scatter = (places: Record<string, number>, ended: boolean) => ({
  id: 'scatter-1-bbbbbb',
  name: 'reads',
  size: 3,
  places: { failed: 0, ...places },
  states: {},
  tags: {},
  created: minutesAgo(20),
  cache_hits: 0,
  ended,
});
const failures = {
  body: {
    failed: 2,
    more: false,
    groups: [
      {
        key: 'k',
        code: 'image-unavailable',
        message: 'The image nowhere/x:1 cannot be pulled: it does not exist.',
        tasks: 2,
        first: minutesAgo(5),
        last: minutesAgo(4),
        examples: ['task-2-x', 'task-1-x'],
      },
    ],
  },
};

let api: FakeApi | undefined;
afterEach(async () => {
  await api?.close();
  api = undefined;
});

const start = async (answers: Record<string, Answer | Answer[]>): Promise<FakeApi> =>
  (api = await startFakeApi({ 'GET /v1/scatters': { body: { scatters: [] } }, ...answers }));

it('status lists the latest tasks with age and run time; a name cannot control the terminal', async () => {
  await start({
    'GET /ga4gh/tes/v1/tasks': {
      body: {
        tasks: [
          task('task-2-x', 'RUNNING', { name: 'red \u001b[31m' }),
          task('task-1-x', 'COMPLETE', {
            logs: [
              { logs: [], start_time: '2026-11-23T18:00:00Z', end_time: '2026-11-23T18:04:05Z' },
            ],
          }),
        ],
      },
    },
  });
  const ran = await run(['status', '--limit', '5'], { api: api! });
  expect(ran.code).toBe(0);
  expect(ran.out).toMatch(/^TASK +STATE +CREATED +AGE +RAN +NAME\n/);
  expect(ran.out).toMatch(/task-2-x +RUNNING +\S+ .*10 min +red \?\[31m\n/);
  expect(ran.out).toMatch(/task-1-x +COMPLETE .*10 min +4 min 05 s +of task-1-x\n/);
  expect(api!.asked.map(({ path }) => path)).toContain(
    '/ga4gh/tes/v1/tasks?view=BASIC&page_size=5',
  );
});

it('status lists scatters before tasks, and groups what failed by reason', async () => {
  await start({
    'GET /v1/scatters': { body: { scatters: [scatter({}, true)] } },
    'GET /v1/scatters/scatter-1-bbbbbb': { body: scatter({ done: 1, failed: 2 }, true) },
    'GET /ga4gh/tes/v1/tasks': { body: { tasks: [task('task-1-x', 'SYSTEM_ERROR')] } },
    'GET /v1/failures': failures,
  });
  const { out } = await run(['status'], { api: api! });
  expect(out).toMatch(/scatter-1-bbbbbb .*20 min +3\/3 ended: 1 done, 2 failed +reads\n/);
  expect(out).toContain(
    '2 failed: image-unavailable\n  The image nowhere/x:1 cannot be pulled: it does not exist.\n  Latest: task-2-x\n',
  );
});

it.each([
  [
    ['--state', 'failed'],
    ['state=EXECUTOR_ERROR', 'state=SYSTEM_ERROR'],
  ],
  [
    ['--state', 'RUNNING,queued'],
    ['state=RUNNING', 'state=QUEUED'],
  ],
  [['--tag', 'run=44', 'lab'], ['tag_key=run&tag_key=lab&tag_value=44&tag_value=']],
  [['--name', 'align'], ['name_prefix=align']],
])('status %j asks the service for that', async (words, expected) => {
  await start({ 'GET /ga4gh/tes/v1/tasks': { body: { tasks: [] } } });
  const ran = await run(['status', ...words], { api: api! });
  expect(ran).toMatchObject({ code: 0, err: 'Nothing matches these filters.\n' });
  const queries = api!.asked
    .filter(({ path }) => path.startsWith('/ga4gh'))
    .map(({ path }) => path);
  expect(queries).toHaveLength(expected.length);
  for (const [at, part] of expected.entries()) expect(queries[at]).toContain(part);
});

it('status --since leaves out what is older', async () => {
  await start({
    'GET /ga4gh/tes/v1/tasks': {
      body: {
        tasks: [
          task('task-2-x', 'COMPLETE'),
          task('task-1-x', 'COMPLETE', { creation_time: minutesAgo(31) }),
        ],
      },
    },
  });
  const ran = await run(['status', '--since', '30m', '--json'], { api: api! });
  expect(JSON.parse(ran.out).map(({ id }: { id: string }) => id)).toEqual(['task-2-x']);
});

it.each([
  [['status', '--since', 'yesterday'], '--since yesterday: expected a time ago'],
  [['status', '--state', 'broken'], '--state broken: expected one or more of'],
  [['status', 'task-1-x', '--state', 'failed'], '--state applies to lists'],
  [['status', '--scatters', '--tag', 'a=b'], '--state and --tag apply to tasks'],
])('%j is refused with a sentence', async (words, sentence) => {
  await start({});
  const ran = await run(words, { api: api! });
  expect(ran.code).toBe(2);
  expect(ran.err).toContain(sentence);
});

it('status --watch shows a scatter until it has ended, and exits as it ended', async () => {
  await start({
    'GET /v1/scatters/scatter-1-bbbbbb': [
      { body: scatter({ poll: 3 }, false) },
      { body: scatter({ done: 1, failed: 2 }, true) },
    ],
    'GET /v1/failures': failures,
  });
  const ran = await run(['status', 'scatter-1-bbbbbb', '--watch', '--json'], { api: api! });
  expect(ran.code).toBe(1);
  expect(
    ran.out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).ended),
  ).toEqual([false, true]);
});

it('states have colours where the terminal shows them', async () => {
  await start({
    'GET /ga4gh/tes/v1/tasks': { body: { tasks: [task('task-1-x', 'COMPLETE')] } },
  });
  expect((await run(['status'], { api: api!, colour: true })).out).toContain(
    '\u001b[32mCOMPLETE\u001b[39m',
  );
});

const created = { 'POST /ga4gh/tes/v1/tasks': { body: { id: 'task-1-aaaaaa' } } };
const LOGS = 'GET /v1/tasks/task-1-aaaaaa/logs';

it('submit --wait prints what the task printed, byte for byte, and the outputs on stderr', async () => {
  await start({
    ...created,
    'GET /ga4gh/tes/v1/tasks/task-1-aaaaaa': {
      body: {
        ...task('task-1-aaaaaa', 'COMPLETE'),
        executors: [{ image: 'a', command: ['b'] }],
        logs: [{ logs: [{ exit_code: 0 }], outputs: [{ url: 's3://data/out', path: '/o' }] }],
      },
    },
    [LOGS]: { body: 'no newline at the end' },
  });
  const ran = await run(['submit', '-', '--wait'], { api: api!, stdin: '{}' });
  expect(ran).toMatchObject({ code: 0, out: 'no newline at the end' });
  expect(ran.err).toContain('wrote s3://data/out\n');
});

it('submit --wait of a task that fails prints the reason and the end of stderr of the executor that failed', async () => {
  const stderr = Array.from({ length: 30 }, (_, at) => `line ${at}`).join('\n');
  await start({
    ...created,
    'GET /ga4gh/tes/v1/tasks/task-1-aaaaaa': {
      body: {
        ...task('task-1-aaaaaa', 'EXECUTOR_ERROR'),
        executors: [
          { image: 'a', command: ['b'] },
          { image: 'a', command: ['c'] },
        ],
        logs: [
          {
            logs: [{ exit_code: 0 }, { exit_code: 7 }],
            system_logs: ['The command exited with code 7.'],
          },
        ],
      },
    },
    [LOGS]: [{ body: 'printed\n' }, { status: 404, body: { message: 'none' } }, { body: stderr }],
  });
  const ran = await run(['submit', '-', '--wait'], { api: api!, stdin: '{}' });
  expect(ran).toMatchObject({ code: 1, out: 'printed\n' });
  expect(ran.err).toContain('The command exited with code 7.\nThe end of its stderr:\n  line 10\n');
  expect(ran.err).toContain(
    '  line 29\nAll of it: batchwell logs task-1-aaaaaa --stderr --executor 1\n',
  );
  expect(api!.asked.at(-1)!.path).toContain('stream=stderr&executor=1');
});

it('--url and --token may stand before the command', async () => {
  await start({ ...created });
  const ran = await run(['--url', api!.url, '--token', 'secret', 'submit', '-'], { stdin: '{}' });
  expect(ran).toMatchObject({ code: 0, out: 'task-1-aaaaaa\n' });
  expect(api!.asked[0]!.headers.authorization).toBe('Bearer secret');
});

it('version prints its own version and the service’s', async () => {
  await start({ 'GET /ga4gh/tes/v1/service-info': { body: { version: '9.9.9' } } });
  const ran = await run(['version', '--json'], { api: api! });
  expect(JSON.parse(ran.out)).toMatchObject({ service: '9.9.9', url: api!.url });
  const none = await run(['version'], { environment: { BATCHWELL_URL: 'http://127.0.0.1:9' } });
  expect(none).toMatchObject({ code: 0 });
  expect(none.out).toContain('none at http://127.0.0.1:9');
});

it.each(['migrate', 'restore', 'job-definitions prune'])(
  '`%s` without a database says in one sentence what it needs',
  async (command) => {
    const ran = await run(command.split(' '), {
      environment: { DATABASE_URL: 'mysql://user:secret@127.0.0.1:9/batchwell' },
    });
    expect(ran.code).toBe(3);
    expect(ran.err).toContain(`\`batchwell ${command}\` works on the database itself`);
    expect(ran.err).toContain('127.0.0.1:9/batchwell: connect ECONNREFUSED');
    expect(ran.err).not.toContain('secret');
    expect(ran.err.trim().split('\n')).toHaveLength(1);
  },
);

it('what others say of a task cannot control the terminal', async () => {
  const said = 'The output /out/\u001b[2J\u202efdp.txt is missing.\nIt is a warning.';
  const logs = [
    { logs: [], outputs: [{ url: 's3://b/\u001b]0;x\u0007', path: '/o' }], system_logs: [said] },
  ];
  await start({
    'GET /ga4gh/tes/v1/tasks/task-1-x': {
      body: task('task-1-x', 'SYSTEM_ERROR', { logs, tags: { ['\u001b']: '\u009b31m' } }),
    },
    'GET /v1/tasks/task-2-x/script': {
      status: 400,
      body: { message: 'There is no \u001b[31m.', problems: [] },
    },
  });
  const ran = await run(['status', 'task-1-x'], { api: api! });
  // oxlint-disable-next-line no-control-regex -- what a terminal would obey
  const controls = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/;
  expect(ran.out + ran.err).not.toMatch(controls);
  expect(ran.out).toContain('The output /out/?[2J?fdp.txt is missing.\nIt is a warning.\n');
  const refused = await run(['script', 'task-2-x'], { api: api! });
  expect(refused.err).toContain('There is no ?[31m.');
});
