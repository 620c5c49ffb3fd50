/** The proxy by itself: a mount, a real local S3, and an API that answers as it is told. */
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openObjectStore, type ObjectStore } from '../../aws/s3.ts';
import { startProxy, type RunningProxy, type ProxyOptions } from '../../cromwell/proxy/main.ts';
import { freePort } from '../../cli/services/ports.ts';
import { startLocalS3, type LocalS3 } from '../../packages/local-aws/s3/server.ts';
import { createMetrics } from '../../telemetry/metrics.ts';
import { run, startFakeApi, type Answer, type FakeApi } from '../unit/cli-world.ts';

let folder: string;
let root: string;
let s3: LocalS3;
let objects: ObjectStore;
let api: FakeApi;
let proxy: RunningProxy | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cromwell-proxy-'));
  root = join(folder, 'root');
  await mkdir(root);
  s3 = await startLocalS3({ dataFolder: join(folder, 's3'), createBuckets: ['lab'] });
  Object.assign(process.env, {
    AWS_ENDPOINT_URL_S3: s3.url,
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
    AWS_REGION: 'us-east-1',
  });
  objects = openObjectStore({ metrics: createMetrics(), pathStyle: true });
});
afterEach(async () => {
  await proxy?.close();
  proxy = undefined;
  await api?.close();
  objects.close();
  await s3.close();
  await rm(folder, { recursive: true, force: true });
});

const taskPath = '/ga4gh/tes/v1/tasks';

/** The proxy before an API with these answers; `tasks` are its tasks by id. */
async function open(
  answers: Record<string, Answer | Answer[]>,
  options: Partial<ProxyOptions> = {},
): Promise<void> {
  api = await startFakeApi({ [`POST ${taskPath}`]: { body: { id: 'task-1' } }, ...answers });
  proxy = await startProxy({
    map: new Map([[root, 's3://lab/runs']]),
    apiUrl: api.url,
    token: undefined,
    host: '127.0.0.1',
    port: 0,
    environment: process.env,
    s3PathStyle: true,
    logLevel: 'silent',
    ...options,
  });
}

async function ask(
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<{ status: number; body: { id?: string; state?: string; message?: string } }> {
  const answer = await fetch(`${proxy?.url}${path}`, {
    method,
    headers,
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  return { status: answer.status, body: (await answer.json()) as { state?: string } };
}
const post = (task: unknown, headers?: Record<string, string>) =>
  ask('POST', taskPath, task, headers);
const look = (view = 'MINIMAL') => ask('GET', `${taskPath}/task-1?view=${view}`);
const sentOn = (): unknown[] =>
  api.asked
    .filter(({ method }) => method === 'POST')
    .map(({ body }) => JSON.parse(body) as unknown);

async function write(path: string, text: string): Promise<string> {
  const whole = join(root, path);
  await mkdir(dirname(whole), { recursive: true });
  await writeFile(whole, text);
  return whole;
}
const read = (path: string): Promise<string | undefined> =>
  readFile(join(root, path), 'utf8').catch(() => undefined);
const inS3 = async (path: string): Promise<string | undefined> =>
  (await objects.get(`s3://lab/runs/${path}`))?.toString();
const input = (url: string, type?: string) => ({
  url,
  path: '/in',
  ...(type !== undefined && { type }),
});
const puts = (): number => s3.ledger.summary().requests['s3.PutObject']?.count ?? 0;

describe('a task that is sent', () => {
  test('goes on with s3:// urls once its inputs lie there; all else in it is as it was', async () => {
    await open({});
    const file = await write('a/reads', 'ACGT');
    const sent = {
      name: 'n',
      unknown: [null],
      inputs: [
        { ...input(`file://${root}//a/./reads`), name: 'x' },
        input('s3://other/ref'),
        input('https://host/x'),
        { path: '/c', content: 'text', url: '/not/read' },
      ],
      outputs: [
        { url: `${root}/b/out`, path: '/out' },
        { url: `${root}/b/dir/`, path: '/dir' },
      ],
    };
    expect(await post(sent, { 'idempotency-key': 'k', authorization: 'Bearer mine' })).toEqual({
      status: 200,
      body: { id: 'task-1' },
    });
    expect(sentOn()).toEqual([
      {
        ...sent,
        inputs: [{ ...sent.inputs[0], url: 's3://lab/runs/a/reads' }, ...sent.inputs.slice(1)],
        outputs: [
          { url: 's3://lab/runs/b/out', path: '/out' },
          { url: 's3://lab/runs/b/dir/', path: '/dir' },
        ],
      },
    ]);
    expect(api.asked[0]?.headers).toMatchObject({
      'idempotency-key': 'k',
      authorization: 'Bearer mine',
    });
    expect(await inS3('a/reads')).toBe('ACGT');
    expect(file).toBe(join(root, 'a/reads'));
  });

  test('brings a file up once, and again when it holds something else of the same size', async () => {
    await open({});
    const url = await write('reads', 'ACGT');
    await Promise.all(Array.from({ length: 20 }, () => post({ inputs: [input(url)] })));
    await post({ inputs: [input(url)] });
    expect(puts()).toBe(1);
    await write('reads', 'TTTT');
    await post({ inputs: [input(url)] });
    expect(await inS3('reads')).toBe('TTTT');
    expect(puts()).toBe(2);
  });

  test('brings folders up whole, an empty one too', async () => {
    await open({});
    await write('dir/a', 'A');
    await write('dir/b/c', 'C');
    await write('dir/half.batchwell-part', 'not whole');
    await symlink(join(root, 'dir'), join(root, 'dir/b/up'));
    await mkdir(join(root, 'empty'));
    expect(
      (
        await post({
          inputs: [input(join(root, 'dir'), 'DIRECTORY'), input(join(root, 'empty'), 'DIRECTORY')],
        })
      ).status,
    ).toBe(200);
    const keys: string[] = [];
    for await (const page of objects.list('s3://lab/runs/'))
      keys.push(...page.map(({ url }) => url.slice('s3://lab/runs/'.length)));
    expect(keys).toEqual(['dir/a', 'dir/b/c', 'empty/']);
  });

  test('is refused with the field and the reason, and nothing is sent on or read', async () => {
    await writeFile(join(folder, 'secret'), 'secret');
    await symlink(join(folder, 'secret'), join(root, 'link'));
    await mkdir(join(root, 'dir'));
    await symlink(folder, join(root, 'dir/out'));
    await write('file', 'x');
    await objects.put('s3://lab/runs/old/left', 'x');
    await mkdir(join(root, 'old'));
    await open({});
    const refused = async (url: string, type?: string): Promise<string> => {
      const { status, body } = await post({ inputs: [input('s3://fine/x'), input(url, type)] });
      expect(status, url).toBe(400);
      return body.message ?? '';
    };
    expect(await refused('/etc/passwd')).toBe(
      `inputs[1].url: expected an s3:// URL, or a path below ${root} without "..", got "/etc/passwd"`,
    );
    expect(await refused(`${root}/../secret`)).toContain('without ".."');
    expect(await refused(`${root}evil/x`)).toContain('below');
    expect(await refused(`${root}/link`)).toContain(`the link ${root}/link leads out of them`);
    expect(await refused(`${root}/dir/out/secret`)).toContain('leads out of them');
    expect(await refused(`${root}/dir`, 'DIRECTORY')).toContain(
      `the link ${root}/dir/out leads out of them`,
    );
    expect(await refused(`${root}/nothing`)).toContain(`nothing exists at ${root}/nothing`);
    expect(await refused(`${root}/dir`, 'FILE')).toContain('is a folder');
    expect(await refused(`${root}/file`, 'DIRECTORY')).toContain('is not a folder');
    expect(await refused(`${root}/old`, 'DIRECTORY')).toContain('s3://lab/runs/old/left');
    const output = await post({ outputs: [{ url: '/etc/cron.d/x', path: '/x' }] });
    expect(output).toMatchObject({
      status: 400,
      body: { message: expect.stringContaining('outputs[0].url') },
    });
    expect(api.asked).toEqual([]);
    expect(puts()).toBe(1);
  });

  test('that is no JSON, or no task, is refused by the API in its own words', async () => {
    await open({
      [`POST ${taskPath}`]: { status: 400, body: { message: 'the body: expected an object' } },
    });
    for (const body of ['{', '[]', '{"inputs":3}'])
      expect(await post(body)).toEqual({
        status: 400,
        body: { message: 'the body: expected an object' },
      });
    expect(api.asked.map(({ body }) => body)).toEqual(['{', '[]', '{"inputs":3}']);
  });

  test('is refused when S3 refuses its input for good, with S3’s words', async () => {
    await open({});
    const url = await write('reads', 'ACGT');
    s3.faults.add({
      service: 's3',
      operation: 'PutObject',
      kind: 'error',
      status: 403,
      code: 'AccessDenied',
      message: 'no',
    });
    const { status, body } = await post({ inputs: [input(url)] });
    expect(status).toBe(400);
    expect(body.message).toContain('s3://lab/runs/reads; AccessDenied: no');
  });

  test('waits for an API that is away or busy, since any answer that tells of it would fail the call', async () => {
    await open({
      [`POST ${taskPath}`]: [
        { status: 503, body: {} },
        { status: 429, body: {} },
        { body: { id: 'task-1' } },
      ],
    });
    expect(await post({ name: 'n' })).toEqual({ status: 200, body: { id: 'task-1' } });
    expect(api.asked).toHaveLength(3);
  });

  test('of a caller who has hung up is not sent on, and the file that was on its way need not go again', async () => {
    await open({});
    const url = await write('reads', 'ACGT');
    s3.faults.add({ service: 's3', operation: 'PutObject', kind: 'delay', delayMs: 300 });
    const { held } = hold({ inputs: [input(url)] });
    await expect.poll(() => s3.ledger.summary().requests['s3.HeadObject']?.count).toBe(1);
    held.destroy();
    expect((await post({ name: 'again', inputs: [input(url)] })).status).toBe(200);
    expect(sentOn()).toMatchObject([{ name: 'again' }]);
    expect(puts()).toBe(1);
  });

  test('and not yet answered is cut when the proxy closes: Cromwell sends again what got no answer', async () => {
    await open({ [`POST ${taskPath}`]: { status: 503, body: {} } });
    const { cut } = hold({});
    await expect.poll(() => api.asked.length).toBe(1);
    await proxy?.close();
    proxy = undefined;
    expect(await cut).toMatchObject({ code: 'ECONNRESET' });
  });

  function hold(task: unknown) {
    const held = request(`${proxy?.url}${taskPath}`, { method: 'POST' });
    const cut = once(held, 'error').then(([error]) => error as unknown);
    held.end(JSON.stringify(task));
    return { held, cut };
  }
});

describe('a task that is looked at', () => {
  const full = (state: string, outputs: string[], more: Record<string, unknown> = {}) => ({
    id: 'task-1',
    state,
    outputs: [
      { name: 'rc', url: 's3://lab/runs/x/rc', type: 'FILE' },
      { name: 'stderr', url: 's3://lab/runs/x/stderr', type: 'FILE' },
    ],
    logs: [
      { logs: [{ exit_code: 0 }], outputs: outputs.map((url) => ({ url, path: '/any' })), ...more },
    ],
  });
  const shows = (task: unknown): Record<string, Answer> => ({
    [`GET ${taskPath}/task-1`]: { body: task },
  });

  test('is shown as ended once its files are on the mount; those outside of the roots stay where they are', async () => {
    for (const name of ['x/rc', 'x/out', 'x/dir/deep/a'])
      await objects.put(`s3://lab/runs/${name}`, `${name}\n`);
    await open(
      shows(
        full('COMPLETE', [
          's3://lab/runs/x/rc',
          's3://lab/runs/x/out',
          's3://lab/runs/x/dir/deep/a',
          's3://elsewhere/y',
          's3://lab/runs/../../../etc/z',
          's3://lab/runs/x/gone',
        ]),
      ),
    );
    expect((await look()).body.state).toBe('COMPLETE');
    for (const name of ['x/rc', 'x/out', 'x/dir/deep/a'])
      expect(await read(name)).toBe(`${name}\n`);
    const gets = (): number => s3.ledger.summary().requests['s3.GetObject']?.count ?? 0;
    const before = gets();
    expect((await look('FULL')).body).toEqual(
      full('COMPLETE', [
        's3://lab/runs/x/rc',
        's3://lab/runs/x/out',
        's3://lab/runs/x/dir/deep/a',
        's3://elsewhere/y',
        's3://lab/runs/../../../etc/z',
        's3://lab/runs/x/gone',
      ]),
    );
    expect(gets(), 'nothing is fetched twice').toBe(before);
  });

  test('writes through no link that leads out of the roots', async () => {
    await mkdir(join(folder, 'outside'));
    await symlink(join(folder, 'outside'), join(root, 'x'));
    await objects.put('s3://lab/runs/x/out', 'text');
    await open(shows(full('COMPLETE', ['s3://lab/runs/x/out'])));
    expect((await look()).body.state).toBe('RUNNING');
    expect(await readFile(join(folder, 'outside/out'), 'utf8').catch(() => 'nothing')).toBe(
      'nothing',
    );
  });

  test('keeps an rc that Cromwell wrote itself, and replaces what else is another', async () => {
    await write('x/rc', '143\n');
    await write('x/out', 'of before');
    await objects.put('s3://lab/runs/x/rc', '0\n');
    await objects.put('s3://lab/runs/x/out', 'of now');
    await open(shows(full('COMPLETE', ['s3://lab/runs/x/rc', 's3://lab/runs/x/out'])));
    expect((await look()).body.state).toBe('COMPLETE');
    expect(await read('x/rc')).toBe('143\n');
    expect(await read('x/out')).toBe('of now');
  });

  test('that failed has what it printed in its folder; a cancelled one has nothing', async () => {
    await open({
      [`GET ${taskPath}/task-1`]: [
        { body: full('CANCELED', []) },
        {
          body: full('EXECUTOR_ERROR', [], { logs: [{ exit_code: 1, stderr: 'no such program' }] }),
        },
      ],
    });
    expect((await look()).body.state).toBe('CANCELED');
    expect(await read('x/stderr')).toBeUndefined();
    expect((await look()).body.state).toBe('EXECUTOR_ERROR');
    expect(await read('x/stderr')).toBe('no such program');
    expect(await read('x/rc')).toBeUndefined();
  });

  test('of which the API only recalls that it has ended is not taken for one without outputs', async () => {
    await objects.put('s3://lab/runs/x/rc', '0\n');
    const recalled = {
      headers: { 'x-batchwell-last-known': 'now' },
      body: { id: 'task-1', state: 'COMPLETE' },
    };
    await open({
      [`GET ${taskPath}/task-1`]: [
        recalled,
        recalled,
        { body: full('COMPLETE', ['s3://lab/runs/x/rc']) },
      ],
    });
    expect((await look()).body.state).toBe('RUNNING');
    expect(await read('x/rc')).toBeUndefined();
    expect((await look()).body.state).toBe('COMPLETE');
    expect(await read('x/rc')).toBe('0\n');
  });

  test('while the API is away is as it was last seen, else UNKNOWN', async () => {
    await open({
      [`GET ${taskPath}/task-1`]: [
        { status: 503, body: {} },
        { body: { id: 'task-1', state: 'QUEUED' } },
        { status: 500, body: 'no JSON' },
      ],
    });
    expect(await look('FULL')).toEqual({
      status: 200,
      body: { id: 'task-1', state: 'UNKNOWN', executors: [], logs: [] },
    });
    expect((await look()).body.state).toBe('QUEUED');
    expect(await look()).toEqual({ status: 200, body: { id: 'task-1', state: 'QUEUED' } });
    await api.close();
    expect(await look()).toEqual({ status: 200, body: { id: 'task-1', state: 'QUEUED' } });
  });

  test('that the API does not know, or may not show, is answered as the API does', async () => {
    await open({
      [`GET ${taskPath}/task-1`]: [
        { status: 404, body: { message: 'none' } },
        { status: 401, body: { message: 'a token' } },
      ],
    });
    expect(await look()).toEqual({ status: 404, body: { message: 'none' } });
    expect(await look()).toEqual({ status: 401, body: { message: 'a token' } });
  });
});

describe('everything else', () => {
  test('is passed on: list, service-info and cancel, with the token where the caller has none', async () => {
    await open(
      {
        [`GET ${taskPath}`]: { body: { tasks: [] } },
        'GET /ga4gh/tes/v1/service-info': { body: { id: 'x' } },
        [`POST ${taskPath}/task-1:cancel`]: { body: {} },
      },
      { token: 'ours' },
    );
    expect((await ask('GET', `${taskPath}?view=BASIC&page_size=3`)).body).toEqual({ tasks: [] });
    expect((await ask('GET', '/ga4gh/tes/v1/service-info')).body).toEqual({ id: 'x' });
    expect(await ask('POST', `${taskPath}/task-1:cancel`, '')).toEqual({ status: 200, body: {} });
    expect(api.asked.map(({ path, headers }) => [path, headers.authorization])).toEqual([
      [`${taskPath}?view=BASIC&page_size=3`, 'Bearer ours'],
      ['/ga4gh/tes/v1/service-info', 'Bearer ours'],
      [`${taskPath}/task-1:cancel`, 'Bearer ours'],
    ]);
  });

  test('of the API’s is out of reach: the token opens tasks only', async () => {
    await open({}, { token: 'ours' });
    for (const path of [
      '/v1/tokens',
      '/ga4gh/tes/v1/..%2f..%2f..%2fv1/tokens',
      `${taskPath}/..%2f..%2fv1%2ftokens:cancel`,
    ])
      await ask('GET', path);
    expect(
      api.asked.map(({ path }) => path).filter((path) => !path.startsWith(`${taskPath}/..%2F`)),
    ).toEqual([]);
  });

  test('the token is not lent to those who reach another address than loopback', async () => {
    await open(
      { [`GET ${taskPath}`]: { body: { tasks: [] } } },
      { token: 'ours', host: '0.0.0.0' },
    );
    proxy = { ...proxy!, url: proxy!.url.replace('0.0.0.0', '127.0.0.1') };
    await ask('GET', taskPath);
    expect(api.asked[0]?.headers.authorization).toBeUndefined();
  });
});

test.each([
  [['--map', 'nowhere'], 'expected /path=s3://bucket/prefix'],
  [[], '--map is missing'],
  [['--map', '/no/such/root=s3://lab/x'], 'The root /no/such/root cannot be read'],
  [['--map', '/tmp=s3://lab/x', '--map', '/usr=s3://lab/x/y'], 'in S3 overlap'],
  [['--map', '/tmp=s3://no-such-bucket/x'], 'NoSuchBucket'],
  [['--map', '/tmp=s3://lab/x', '--url', 'ftp://x'], '--url ftp://x: expected a URL'],
])('cromwell-proxy %j says what is wrong and starts nothing', async (words, said) => {
  const ran = await run(['cromwell-proxy', '--port', String(await freePort()), ...words], {
    environment: { BATCHWELL_LOG_LEVEL: 'silent', BATCHWELL_S3_PATH_STYLE: 'yes' },
  });
  expect(ran).toMatchObject({ code: 2, out: '' });
  expect(ran.err).toContain(said);
});
