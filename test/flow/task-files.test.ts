/** Inputs and outputs as their callers meet them: the field cases 01, 02, 04, 04b, 09 and 11, and their kin. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startStack, type Stack } from '../../cli/stack.ts';

let stack: Stack;
let client: { url(key: string): string };
beforeAll(async () => {
  stack = await startStack({
    environment: {
      PATH: process.env['PATH'],
      TMPDIR: process.env['TMPDIR'],
      BATCHWELL_RUN: process.env['BATCHWELL_RUN'],
    },
    settings: {
      BATCHWELL_CACHE: 'readwrite',
      BATCHWELL_POLL_MS: '200',
      BATCHWELL_PACK_IDLE_MS: '50',
    },
  });
  client = { url: (key) => `s3://${stack.bucket}/fr/${key}` };
});
afterAll(() => stack.stop());

interface TaskView {
  state: string;
  outputs: { path: string }[];
  logs: {
    outputs: { url: string; path: string; size_bytes: string }[];
    system_logs?: string[];
    metadata: Record<string, string>;
  }[];
}

const shell = (script: string) => [{ image: 'debian:stable-slim', command: ['sh', '-c', script] }];
const FAIL = { backend_parameters: { missing_outputs: 'fail' } };

async function post(task: object): Promise<{ status: number; body: Record<string, unknown> }> {
  const reply = await fetch(`${stack.apiUrl}/ga4gh/tes/v1/tasks`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(task),
  });
  return { status: reply.status, body: (await reply.json()) as Record<string, unknown> };
}

async function run(task: object): Promise<TaskView> {
  const { status, body } = await post(task);
  expect([status, body]).toEqual([200, { id: expect.any(String) as string }]);
  for (;;) {
    const url = `${stack.apiUrl}/ga4gh/tes/v1/tasks/${String(body['id'])}?view=FULL&wait=20s`;
    const view = (await (await fetch(url)).json()) as TaskView;
    if (/COMPLETE|ERROR|CANCELED/.test(view.state)) return view;
  }
}

const logOf = (view: TaskView) => view.logs.at(-1);
const writtenBy = (view: TaskView) =>
  logOf(view)?.outputs.map(({ url, path, size_bytes: size }) => [url, path, size]);
const systemLogs = (view: TaskView): string => (logOf(view)?.system_logs ?? []).join('\n');
const get = async (key: string): Promise<string | undefined> =>
  (await stack.objects.get(client.url(key)))?.toString();

test('the same input twice at one path is taken once (01)', async () => {
  await stack.objects.put(client.url('a'), 'once');
  const input = { url: client.url('a'), path: '/in/a' };
  const view = await run({
    inputs: [input, input],
    outputs: [{ url: client.url('a.copy'), path: '/out/a' }],
    executors: shell('cat /in/a >/out/a'),
  });
  expect([view.state, await get('a.copy')]).toEqual(['COMPLETE', 'once']);
});

test('a file is laid over the folder that it is in, and the order of the inputs makes no other call of it', async () => {
  await stack.objects.put(client.url('ref/x.fa'), 'from the folder');
  await stack.objects.put(client.url('ref/y.fa'), ', and its neighbour');
  await stack.objects.put(client.url('own.fa'), 'declared');
  const inputs = [
    { url: client.url('ref'), path: '/in/ref', type: 'DIRECTORY' },
    { url: client.url('own.fa'), path: '/in/ref/x.fa' },
  ];
  const read = async (order: object[], out: string) => {
    const view = await run({
      inputs: order,
      outputs: [{ url: client.url(out), path: '/out/o' }],
      executors: shell('cat /in/ref/x.fa /in/ref/y.fa >/out/o'),
    });
    return [view.state, await get(out), logOf(view)?.metadata['cache']];
  };
  expect(await read(inputs, 'laid/1')).toEqual([
    'COMPLETE',
    'declared, and its neighbour',
    undefined,
  ]);
  expect(await read(inputs.toReversed(), 'laid/2')).toEqual([
    'COMPLETE',
    'declared, and its neighbour',
    'hit',
  ]);
  await stack.objects.put(client.url('own.fa'), 'changed');
  expect(await read(inputs, 'laid/3')).toEqual([
    'COMPLETE',
    'changed, and its neighbour',
    undefined,
  ]);
});

describe('links in an output folder (02)', () => {
  const linked = (out: string, more: string, resources: object) => ({
    inputs: [{ content: '>1\nAAAA\n', path: '/in/ref.fa' }],
    outputs: [{ url: client.url(out), path: '/out/d', type: 'DIRECTORY' }],
    executors: shell(
      `mkdir -p /out/d /tmp/scratch /made/by; echo own >/out/d/own.txt; echo s >/tmp/scratch/s.txt; echo m >/made/by/me;
       ln -s /in/ref.fa /out/d/ref.fa; ln -s /tmp/scratch/s.txt /out/d/s.txt; ln -s /made/by /out/d/made${more}`,
    ),
    resources,
  });

  test('to inputs and scratch are followed', async () => {
    const view = await run(linked('links', '', FAIL));
    expect([view.state, systemLogs(view)]).toEqual(['COMPLETE', '']);
    expect(writtenBy(view)).toEqual([
      [client.url('links/made/me'), '/out/d/made/me', '2'],
      [client.url('links/own.txt'), '/out/d/own.txt', '4'],
      [client.url('links/ref.fa'), '/out/d/ref.fa', '8'],
      [client.url('links/s.txt'), '/out/d/s.txt', '2'],
    ]);
  });

  test('to files of the image are a warning, or with missing_outputs=fail a failure', async () => {
    const more = '; ln -s /etc/passwd /out/d/passwd; mkfifo /out/d/pipe';
    const names = ['"/out/d/passwd" (a link to /etc/passwd,', '"/out/d/pipe" (a named pipe)'];
    const warned = await run(linked('links-warned', more, {}));
    expect(warned.state).toBe('COMPLETE');
    for (const name of names) expect(systemLogs(warned)).toContain(name);
    const hit = await run(linked('links-hit', more, {}));
    expect(logOf(hit)?.metadata['cache']).toBe('hit');
    for (const name of names) expect(systemLogs(hit)).toContain(name);
    const failed = await run(linked('links-failed', more, FAIL));
    expect(failed.state).toBe('EXECUTOR_ERROR');
    for (const name of names) expect(systemLogs(failed)).toContain(name);
  });
});

test('empty output folders are objects, are copied on hits, and are folders again as inputs (04, 04b)', async () => {
  const emptied = (out: string) => ({
    outputs: [
      { url: client.url(`${out}/empty`), path: '/out/empty', type: 'DIRECTORY' },
      { url: client.url(`${out}/tree`), path: '/out/e', type: 'DIRECTORY' },
    ],
    executors: shell('mkdir -p /out/e/logs /out/empty; echo 1 >/out/e/x'),
    resources: FAIL,
  });
  const written = (out: string) => [
    [client.url(`${out}/empty/`), '/out/empty/', '0'],
    [client.url(`${out}/tree/logs/`), '/out/e/logs/', '0'],
    [client.url(`${out}/tree/x`), '/out/e/x', '2'],
  ];
  const first = await run(emptied('one'));
  expect([first.state, writtenBy(first)]).toEqual(['COMPLETE', written('one')]);
  const second = await run(emptied('two'));
  expect([second.state, logOf(second)?.metadata['cache'], writtenBy(second)]).toEqual([
    'COMPLETE',
    'hit',
    written('two'),
  ]);
  expect([await get('two/empty/'), await get('two/tree/logs/')]).toEqual(['', '']);

  const listed = (from: string, out: string) => ({
    inputs: [
      { url: client.url(`${from}/empty`), path: '/in/e', type: 'DIRECTORY' },
      { url: client.url(`${from}/tree`), path: '/in/t', type: 'DIRECTORY' },
    ],
    outputs: [{ url: client.url(out), path: '/out/list' }],
    executors: shell('cd /in && find . | sort >/out/list'),
  });
  const third = await run(listed('two', 'list.2'));
  expect([third.state, await get('list.2')]).toEqual([
    'COMPLETE',
    '.\n./e\n./t\n./t/logs\n./t/x\n',
  ]);
  const same = await run(listed('one', 'list.1'));
  expect(logOf(same)?.metadata['cache']).toBe('hit');

  // Without its marker the folder is no longer what the entry says.
  await stack.objects.put(client.url('one/tree/logs/'), 'bytes');
  const bytes = await run({ ...listed('one', 'list.3'), resources: { cpu_cores: 1 } });
  expect(bytes.state).not.toBe('COMPLETE');
  expect(systemLogs(bytes)).toContain(`fr/one/tree/logs/" ends in '/'`);
});

test('a path whose wildcards are escaped is the path of a file, and is shown as it was sent (09)', async () => {
  const view = await run({
    outputs: [{ url: client.url('s[1].txt'), path: '/out/s\\[1\\].txt' }],
    executors: shell(`echo x >'/out/s[1].txt'`),
    resources: FAIL,
  });
  expect([view.state, await get('s[1].txt')]).toEqual(['COMPLETE', 'x\n']);
  expect(view.outputs[0]?.path).toBe('/out/s\\[1\\].txt');
  expect(writtenBy(view)).toEqual([[client.url('s[1].txt'), '/out/s[1].txt', '2']]);
});

test('two outputs at one URL are refused, and two files that meet there fail the task (11)', async () => {
  const executors = shell('mkdir -p /out/a /out/b; for f in 1 a/x b/x; do echo $f >/out/$f; done');
  const refused = await post({
    outputs: [
      { url: client.url('o'), path: '/out/1' },
      { url: client.url('o'), path: '/out/2' },
    ],
    executors,
  });
  expect(refused.status).toBe(400);
  expect(JSON.stringify(refused.body)).toMatch(/outputs\[1\]\.url.*outputs\[0\]\.url/);
  const met = await run({
    outputs: ['a', 'b'].map((folder) => ({
      url: client.url('both'),
      path: `/out/${folder}/*`,
      path_prefix: `/out/${folder}`,
    })),
    executors,
  });
  expect(met.state).toBe('EXECUTOR_ERROR');
  expect(systemLogs(met)).toMatch(
    /two files would be written to s3:\S+both\/x: \/out\/a\/x .*\/out\/b\/x/,
  );
  expect(await get('both/x')).toBeUndefined();
});
