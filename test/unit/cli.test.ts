import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
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
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'batchwell-cli-'));
});

afterEach(async () => {
  await api?.close();
  api = undefined;
  await rm(folder, { recursive: true, force: true });
});

describe('wrong use ends with 2 and says what was expected', () => {
  it.each([
    [['fly'], /unknown command 'fly'/],
    [['submit'], /missing required argument 'file'/],
    [['status', '--limit', 'many'], /Expected a whole number from 1 to 2047/],
    [
      ['worker', '--stages', 'submit,pull'],
      /there is no stage pull; expected some of cache-check, stage-script, submit, poll, finalize/,
    ],
    [['up', '--workers', '0'], /Expected a whole number from 1 to 64/],
    [['demo', '--tasks', '1'], /Expected a whole number from 2 to 10000/],
    [['status', '--url', 'ftp://here'], /--url ftp:\/\/here: expected a URL that begins with http/],
    [
      ['status', '--url', 'http://ann:secret@here'],
      /^This cannot be connected to: url: expected one without credentials/,
    ],
    [['submit', '/no/such/file.json'], /\/no\/such\/file\.json cannot be read: ENOENT/],
    [['logs', 'scatter-1-bbbbbb'], /takes one task; scatter-1-bbbbbb is a scatter/],
  ])('%j', async (words, sentence) => {
    const ran = await run(words);
    expect(ran.err).toMatch(sentence);
    expect(ran).toMatchObject({ code: 2, out: '' });
  });

  it('a text that is no JSON is named, with what is wrong in it', async () => {
    const ran = await run(['submit', '-'], { stdin: '{"name": }' });
    expect(ran.code).toBe(2);
    expect(ran.err).toMatch(/^stdin is no JSON: Unexpected token '}'/);
  });

  it('--name does not go with a JSON scatter', async () => {
    const ran = await run(['scatter', '-', '--name', 'x'], { stdin: '{}' });
    expect(ran.err).toContain('a JSON scatter carries its own "name"');
    expect(ran.code).toBe(2);
  });

  it('a wrong setting in the environment is named', async () => {
    const ran = await run(['status'], { environment: { BATCHWELL_URL: 'here' } });
    expect(ran.err).toContain(
      'BATCHWELL_URL="here": expected a URL that begins with http:// or https://',
    );
    expect(ran.code).toBe(2);
  });
});

it('every command explains itself', async () => {
  const { out, code } = await run(['--help']);
  expect(code).toBe(0);
  const commands = [
    'demo',
    'up',
    'api',
    'worker',
    'migrate',
    'submit',
    'scatter',
    'status',
    'logs',
    'script',
    'timeline',
    'cancel',
    'cache',
  ];
  for (const command of commands) {
    expect(out).toMatch(new RegExp(`^  ${command}\\b.*  \\S`, 'm'));
    const help = await run([command, '--help']);
    expect(help.code).toBe(0);
    expect(help.out).toContain(`Usage: batchwell ${command}`);
  }
  expect(out).toContain('Exit codes:');
});

describe('a service that does not work ends with 3', () => {
  it('when nobody listens', async () => {
    const gone = await startFakeApi({});
    await gone.close();
    const ran = await run(['status'], { api: gone });
    expect(ran.code).toBe(3);
    expect(ran.err).toMatch(
      new RegExp(`^Batchwell cannot be reached at ${gone.url}: .*ECONNREFUSED.*batchwell up`),
    );
  });

  it('when it answers 5xx', async () => {
    api = await startFakeApi({
      [`GET ${TASK}`]: { status: 503, body: { message: 'The database is away.' } },
    });
    const ran = await run(['status', 'task-1-aaaaaa'], { api });
    expect(ran).toMatchObject({
      code: 3,
      err: `Batchwell at ${api.url} answered 503: The database is away.\n`,
    });
  });

  it('when something else answers there', async () => {
    api = await startFakeApi({ [`GET ${TASK}`]: { body: '<html>a proxy</html>' } });
    const ran = await run(['status', 'task-1-aaaaaa'], { api });
    expect(ran.code).toBe(3);
    expect(ran.err).toContain('is no Batchwell: its reply is no JSON ("<html>a proxy</html>")');
  });
});

describe('what the service refuses ends with 2', () => {
  it('each problem on its own line, with its row or line and field', async () => {
    const problems = [
      { row: 4, field: 'inputs[0].url', expected: 's3://bucket/key', got: '"reads"' },
      { line: 7, field: 'executors', expected: 'at least one' },
      { field: 'rows', expected: '1 to 10000 rows' },
    ];
    api = await startFakeApi({
      'POST /v1/scatters': {
        status: 400,
        body: { message: 'row 4: inputs[0].url: … (and 2 more)', problems },
      },
    });
    const ran = await run(['scatter', '-'], { api, stdin: '{}' });
    expect(ran.code).toBe(2);
    expect(ran.err.trimEnd().split('\n')).toEqual([
      'Refused, nothing was accepted: 3 problems.',
      '  row 4, inputs[0].url: expected s3://bucket/key, got "reads"',
      '  line 7, executors: expected at least one',
      '  rows: expected 1 to 10000 rows',
    ]);
  });

  it('the count of problems that are not listed', async () => {
    api = await startFakeApi({
      'POST /v1/scatters': {
        status: 400,
        body: {
          message: '…',
          problems: [{ row: 4, field: 'x', expected: 'a value' }],
          more_problems: 51,
        },
      },
    });
    const ran = await run(['scatter', '-'], { api, stdin: '{}' });
    expect(ran.err).toBe(
      'Refused, nothing was accepted: 52 problems.\n  row 4, x: expected a value\n  and 51 more\n',
    );
  });

  it('an unknown id', async () => {
    api = await startFakeApi({});
    const ran = await run(['script', 'task-9-cccccc'], { api });
    expect(ran).toMatchObject({
      code: 2,
      err: 'There is no GET /v1/tasks/task-9-cccccc/script.\n',
    });
  });

  it('a missing token is said to be given with --token', async () => {
    api = await startFakeApi({
      [`GET ${TASK}`]: { status: 401, body: { message: 'A token is needed.' } },
    });
    const ran = await run(['status', 'task-1-aaaaaa'], { api });
    expect(ran).toMatchObject({
      code: 2,
      err: 'A token is needed. Give a token with --token or BATCHWELL_TOKEN.\n',
    });
  });
});

describe('submit', () => {
  const created = { 'POST /ga4gh/tes/v1/tasks': { body: { id: 'task-1-aaaaaa' } } };

  it('sends the task as it stands and prints its id', async () => {
    api = await startFakeApi(created);
    const ran = await run(['submit', '-', '--token', 'secret'], {
      api,
      stdin: '{"name": "hello", "executors": []}',
    });
    expect(ran).toEqual({ code: 0, out: 'task-1-aaaaaa\n', err: '' });
    expect(JSON.parse(api.asked[0]!.body)).toEqual({ name: 'hello', executors: [] });
    expect(api.asked[0]!.headers.authorization).toBe('Bearer secret');
  });

  it('takes the token from the environment', async () => {
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
  ])('--wait until %s ends with %i', async (state, code) => {
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
    expect(ran.out).toContain(state);
    expect(ran.out).toMatch(
      new RegExp(`EXECUTOR  EXIT  IMAGE   COMMAND\\n +0 +${code}  debian  false`),
    );
    expect(ran.err).toContain(state);
  });
});

describe('scatter', () => {
  it('streams .ndjson as it stands, with its name in the query', async () => {
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

  it('--wait tells the counts per place on stderr and ends with 1 when a task failed', async () => {
    api = await startFakeApi({
      'POST /v1/scatters': { body: { id: 'scatter-1-bbbbbb', tasks: [] } },
      [`GET ${SCATTER}`]: [
        { body: scatterView({ poll: 3 }, false) },
        { body: scatterView({ done: 2, failed: 1 }, true) },
      ],
    });
    const ran = await run(['scatter', '-', '--wait'], { api, stdin: '{}' });
    expect(ran.code).toBe(1);
    expect(ran.err).toContain('3/3 ended: done 2, failed 1 · 1 cache hits');
    expect(ran.out).toMatch(/PLACE {3}TASKS\ndone {8}2\nfailed {6}1\n/);
  });

  it('on a terminal the progress is one line, written again and again', async () => {
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
    expect(ran.err.split('\n')).toHaveLength(2);
    expect(ran.err.split('\r')).toHaveLength(3);
    expect(JSON.parse(ran.out)).toMatchObject({ places: { done: 3 } });
  });

  it('Ctrl-C while waiting ends with 130 and leaves the scatter alone', async () => {
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
});

describe('looking', () => {
  it('status without an id lists the latest tasks; a name cannot steer the terminal', async () => {
    api = await startFakeApi({
      'GET /ga4gh/tes/v1/tasks': {
        body: {
          tasks: [
            {
              id: 'task-1-aaaaaa',
              state: 'RUNNING',
              name: 'red \u001b[31m',
              creation_time: '2026-11-23T18:00:00Z',
            },
          ],
        },
      },
    });
    const ran = await run(['status', '--limit', '5'], { api });
    expect(ran).toMatchObject({
      code: 0,
      out: 'TASK           STATE    CREATED               NAME\ntask-1-aaaaaa  RUNNING  2026-11-23T18:00:00Z  red ?[31m\n',
    });
    expect(api.asked[0]!.path).toBe('/ga4gh/tes/v1/tasks?view=BASIC&page_size=5');
  });

  it('status of a scatter asks for the scatter, of a task for the task', async () => {
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

  it('logs and script come out byte for byte', async () => {
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

  it('timeline is a table of spans; one that lasts says so', async () => {
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

  it('cancel goes to the kind of thing that the id names, and tells what had ended already', async () => {
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
      out: 'task-1-aaaaaa had ended already: COMPLETE.\n',
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
      /task-2-x {2}RUNNING {11}of task-2-x\ntask-1-x {2}RUNNING {11}of task-1-x\n/,
    );
    expect(api.asked.at(-1)?.path).toContain('page_token=more');
  });

  const explanation = 'GET /v1/tasks/task-1-aaaaaa/cache-explanation';

  it('cache explain shows the verdict and every part', async () => {
    api = await startFakeApi({
      [explanation]: {
        body: {
          fingerprint: 'f00',
          components: { image: 'd1', command: 'd2' },
          unreadable_inputs: [],
          verdict: 'A hit.',
          entry: { task: 'task-3-cccccc', valid: true },
        },
      },
    });
    const ran = await run(['cache', 'explain', 'task-1-aaaaaa'], { api });
    expect(ran.out).toBe(
      'task         task-1-aaaaaa\nverdict      A hit.\nfingerprint  f00\nentry of     task-3-cccccc\n\nPART     DIGEST\nimage    d1\ncommand  d2\n',
    );
  });

  it('cache explain with another task shows in what the two differ', async () => {
    api = await startFakeApi({
      [explanation]: {
        body: {
          fingerprint: 'f00',
          components: { image: 'd1' },
          unreadable_inputs: [],
          verdict: 'A miss.',
          differences: [
            { part: 'image', here: 'd1', there: 'd9' },
            { part: 'env', there: 'd3' },
          ],
        },
      },
    });
    const ran = await run(['cache', 'explain', 'task-1-aaaaaa', 'task-2-dddddd'], { api });
    expect(ran.out).toMatch(
      /DIFFERS IN {2}THIS TASK {2}THE OTHER\nimage {7}d1 {9}d9\nenv {9}- {10}d3\n/,
    );
    expect(api.asked[0]!.path).toContain('?other=task-2-dddddd');
  });

  it('cache explain names the inputs of which nothing is known', async () => {
    api = await startFakeApi({
      [explanation]: {
        body: { unreadable_inputs: ['s3://b/gone'], verdict: 'It cannot be cached.' },
      },
    });
    expect((await run(['cache', 'explain', 'task-1-aaaaaa'], { api })).out).toBe(
      'task        task-1-aaaaaa\nverdict     It cannot be cached.\nunreadable  s3://b/gone\n',
    );
  });
});
