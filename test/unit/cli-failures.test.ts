import { afterEach, expect, it } from 'vitest';
import { run, startFakeApi, type FakeApi } from './cli-world.ts';

const TASK = '/ga4gh/tes/v1/tasks/task-1-aaaaaa';

let api: FakeApi | undefined;
afterEach(async () => {
  await api?.close();
  api = undefined;
});

it.each([
  [['fly'], /unknown command 'fly'/],
  [['submit'], /missing required argument 'file'/],
  [['status', '--limit', 'many'], /Expected a whole number from 1 to 2047/],
  [
    ['worker', '--stages', 'submit,pull'],
    /--stages: pull is not a stage; expected one or more of cache-check, stage-script, submit, poll, finalize/,
  ],
  [['up', '--workers', '0'], /Expected a whole number from 1 to 64/],
  [['demo', '--tasks', '1'], /Expected a whole number from 2 to 10000/],
  [['status', '--url', 'ftp://here'], /--url ftp:\/\/here: expected a URL that begins with http/],
  [
    ['status', '--url', 'http://ann:secret@here'],
    /^The API cannot be called: url: expected one without credentials/,
  ],
  [['submit', '/no/such/file.json'], /\/no\/such\/file\.json cannot be read: ENOENT/],
  [['logs', 'scatter-1-bbbbbb'], /takes the id of a task, but scatter-1-bbbbbb is a scatter/],
])('wrong usage exits with 2 and says what is expected: %j', async (words, sentence) => {
  const ran = await run(words);
  expect(ran.err).toMatch(sentence);
  expect(ran).toMatchObject({ code: 2, out: '' });
});

it('an input that is not valid JSON is named with the parser’s error', async () => {
  const ran = await run(['submit', '-'], { stdin: '{"name": }' });
  expect(ran.code).toBe(2);
  expect(ran.err).toMatch(/^stdin is not valid JSON: Unexpected token '}'/);
});

it('--name is refused for a JSON scatter', async () => {
  const ran = await run(['scatter', '-', '--name', 'x'], { stdin: '{}' });
  expect(ran.err).toContain('Set "name" and "cache" in the JSON scatter instead');
  expect(ran.code).toBe(2);
});

it('an invalid setting in the environment is named', async () => {
  const ran = await run(['status'], { environment: { BATCHWELL_URL: 'here' } });
  expect(ran.err).toContain(
    'BATCHWELL_URL="here": expected a URL that begins with http:// or https://',
  );
  expect(ran.code).toBe(2);
});

it('every command has a summary and a help page', async () => {
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

it('a service that does not listen exits with 3', async () => {
  const gone = await startFakeApi({});
  await gone.close();
  const ran = await run(['status'], { api: gone });
  expect(ran.code).toBe(3);
  expect(ran.err).toMatch(
    new RegExp(`^Batchwell cannot be reached at ${gone.url}: .*ECONNREFUSED.*batchwell up`),
  );
});

it('a service that answers 5xx exits with 3', async () => {
  api = await startFakeApi({
    [`GET ${TASK}`]: { status: 503, body: { message: 'The database is away.' } },
  });
  const ran = await run(['status', 'task-1-aaaaaa'], { api });
  expect(ran).toMatchObject({
    code: 3,
    err: `Batchwell at ${api.url} answered 503: The database is away.\n`,
  });
});

it('a server that is not Batchwell exits with 3', async () => {
  api = await startFakeApi({ [`GET ${TASK}`]: { body: '<html>a proxy</html>' } });
  const ran = await run(['status', 'task-1-aaaaaa'], { api });
  expect(ran.code).toBe(3);
  expect(ran.err).toContain(
    'is not Batchwell: its reply is not valid JSON ("<html>a proxy</html>")',
  );
});

it('a refusal exits with 2 and prints each problem on its own line, with its row or line and field', async () => {
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
    'The service refused the request and accepted nothing: 3 problems.',
    '  row 4, inputs[0].url: expected s3://bucket/key, got "reads"',
    '  line 7, executors: expected at least one',
    '  rows: expected 1 to 10000 rows',
  ]);
});

it('a refusal also counts the problems that are not listed', async () => {
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
    'The service refused the request and accepted nothing: 52 problems.\n  row 4, x: expected a value\n  and 51 more\n',
  );
});

it('an unknown id exits with 2', async () => {
  api = await startFakeApi({});
  const ran = await run(['script', 'task-9-cccccc'], { api });
  expect(ran).toMatchObject({
    code: 2,
    err: 'There is no GET /v1/tasks/task-9-cccccc/script.\n',
  });
});

it('a missing token exits with 2 and names --token', async () => {
  api = await startFakeApi({
    [`GET ${TASK}`]: { status: 401, body: { message: 'A token is needed.' } },
  });
  const ran = await run(['status', 'task-1-aaaaaa'], { api });
  expect(ran).toMatchObject({
    code: 2,
    err: 'A token is needed. Set a token with --token or BATCHWELL_TOKEN.\n',
  });
});
