import { once } from 'node:events';
import { connect } from 'node:net';
import type { RowDataPacket } from 'mysql2/promise';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startApiWorld, type ApiWorld } from '../api-world.ts';

let world: ApiWorld;
beforeAll(async () => {
  world = await startApiWorld({ chunkSize: 250 });
});
afterAll(() => world.close());

const NDJSON = { 'content-type': 'application/x-ndjson' };
const template = {
  outputs: [{ url: 's3://bucket/{{n}}', path: '/out' }],
  executors: [{ image: 'alpine', command: ['sh', '-c', 'echo {{n}} >/out'] }],
};
const rowsOf = (count: number) => Array.from({ length: count }, (_, n) => ({ n }));
const linesOf = (count: number) =>
  Array.from({ length: count }, (_, n) =>
    JSON.stringify({ ...template, executors: [{ image: 'alpine', command: ['echo', String(n)] }] }),
  );
const count = async (table: string): Promise<number> => {
  const [rows] = await world.database.pool.query<RowDataPacket[]>(
    `SELECT COUNT(*) AS n FROM ${table}`,
  );
  return Number(rows[0]?.['n']);
};

test('a template and rows become tasks in the order of the rows, which share one template', async () => {
  const templates = await count('templates');
  const made = await world.call('POST', '/v1/scatters?ids=true', {
    name: 'echo',
    tags: { run: '1' },
    cache: 'readwrite',
    template: { ...template, name: 'echo {{n}}' },
    rows: rowsOf(300),
  });
  expect(made).toMatchObject({ status: 200, json: { tasks: 300 } });
  expect(await count('templates')).toBe(templates + 1);

  const third = await world.call('GET', `/v1/tasks/${made.json.task_ids[2]}?view=BASIC`);
  expect(third.json).toMatchObject({
    name: 'echo 2',
    tags: { run: '1' },
    outputs: [{ url: 's3://bucket/2' }],
    executors: [{ command: ['sh', '-c', 'echo 2 >/out'] }],
  });
  const [rows] = await world.database.pool.query(
    'SELECT DISTINCT cache FROM tasks WHERE name LIKE ?',
    ['echo %'],
  );
  expect(rows).toEqual([{ cache: 'readwrite' }]);

  const messages = await world.queues.byStage['cache-check'].getJobs(['waiting', 'prioritized']);
  expect(messages.map(({ data }) => data.tasks.length).toSorted()).toEqual([250, 50]);

  const listed = await world.call('GET', `/v1/scatters/${made.json.id}/tasks?page_size=200`);
  expect(listed.json.tasks.map((task) => task.id)).toEqual(
    made.json.task_ids.toReversed().slice(0, 200),
  );
  const rest = await world.call(
    'GET',
    `/v1/scatters/${made.json.id}/tasks?page_size=200&page_token=${listed.json.next_page_token}`,
  );
  expect(rest.json.tasks).toHaveLength(100);
});

test('10,000 tasks as NDJSON become one scatter, and blank lines do not count', async () => {
  const body = `\uFEFF${linesOf(10_000).join('\r\n')}\n\n`;
  const made = await world.call(
    'POST',
    '/v1/scatters?name=wide&tag=run:2&tag=owner:me:too&cache=write',
    body,
    NDJSON,
  );
  expect(made).toMatchObject({ status: 200, json: { tasks: 10_000 } });
  expect(made.json).not.toHaveProperty('task_ids');
  const counted = await world.call('GET', `/v1/scatters/${made.json.id}`);
  expect(counted.json).toMatchObject({
    name: 'wide',
    size: 10_000,
    tags: { run: '2', owner: 'me:too' },
    places: { 'cache-check': 10_000, done: 0 },
    states: { QUEUED: 10_000, COMPLETE: 0 },
    cache_hits: 0,
    ended: false,
  });
  const cancelled = await world.call('POST', `/v1/scatters/${made.json.id}:cancel`);
  expect(cancelled.json).toEqual({ cancelled: 10_000 });
  expect((await world.call('POST', `/v1/scatters/${made.json.id}:cancel`)).json).toEqual({
    cancelled: 0,
  });
  expect((await world.call('GET', `/v1/scatters/${made.json.id}`)).json).toMatchObject({
    states: { CANCELED: 10_000 },
    ended: true,
  });
});

test('the counts of a scatter show hits, failures and running tasks', async () => {
  const {
    json: { id, task_ids: ids },
  } = await world.call('POST', '/v1/scatters?ids=true', { template, rows: rowsOf(4) });
  const keys = ids.map((one) => Number.parseInt(one.split('-')[1] ?? '', 36));
  await world.database.pool.query(
    "UPDATE tasks SET place = 'done', ended_ms = 1, hit_entry_id = 1 WHERE id = ?",
    [keys[0]],
  );
  await world.database.pool.query(
    "UPDATE tasks SET place = 'failed', ended_ms = 1, failure_code = 'executor-failed' WHERE id = ?",
    [keys[1]],
  );
  await world.database.pool.query(
    "UPDATE tasks SET place = 'failed', ended_ms = 1, failure_code = 'host-lost' WHERE id = ?",
    [keys[2]],
  );
  expect((await world.call('GET', `/v1/scatters/${id}`)).json).toMatchObject({
    places: { done: 1, failed: 2, 'cache-check': 1 },
    states: { COMPLETE: 1, EXECUTOR_ERROR: 1, SYSTEM_ERROR: 1, QUEUED: 1 },
    cache_hits: 1,
    ended: false,
  });
});

test('a scatter with a bad row stores nothing, and names all bad rows', async () => {
  const before = [await count('tasks'), await count('scatters')];
  const rows: object[] = rowsOf(500);
  rows[7] = {};
  rows[450] = { n: '\0' };
  const answer = await world.call('POST', '/v1/scatters', { template, rows });
  expect(answer.status).toBe(400);
  expect(answer.json.message).toContain('row 7');
  expect(answer.json.problems.map(({ row, field }) => [row, field])).toEqual([
    [7, 'n'],
    [450, 'outputs[0].url'],
    [450, 'executors[0].command[2]'],
  ]);
  expect([await count('tasks'), await count('scatters')]).toEqual(before);
});

test('bad lines are named by their number in the file: a hundred are listed, the rest counted', async () => {
  const before = await count('tasks');
  const lines = [...linesOf(3), '', '{"executors": ', ...Array.from({ length: 150 }, () => '{}')];
  const { status, json } = await world.call('POST', '/v1/scatters', lines.join('\n'), NDJSON);
  expect(status).toBe(400);
  expect(json.problems[0]).toMatchObject({ line: 5, expected: expect.stringContaining('JSON') });
  expect(json.problems[1]).toMatchObject({ line: 6, field: 'executors' });
  expect([json.problems.length, json.more_problems]).toEqual([100, 51]);
  expect(await count('tasks')).toBe(before);
});

test.each([
  ['no lines', ''],
  [
    '10,001 lines',
    linesOf(1)
      .concat(Array.from({ length: 10_000 }, () => '{"executors":[{"image":"a","command":["b"]}]}'))
      .join('\n'),
  ],
])('a scatter with %s is refused with the limit', async (_, body) => {
  const answer = await world.call('POST', '/v1/scatters', body || '\n', NDJSON);
  expect(answer).toMatchObject({
    status: 400,
    json: { message: expect.stringContaining('1 to 10000 lines') },
  });
});

test('a line longer than 4 MiB is 413', async () => {
  const answer = await world.call(
    'POST',
    '/v1/scatters',
    JSON.stringify({ executors: [], name: 'x'.repeat(4.5 * 1024 ** 2) }),
    NDJSON,
  );
  expect(answer).toMatchObject({
    status: 413,
    json: { message: expect.stringContaining('Line 1') },
  });
});

test('scatters are listed newest first, in pages', async () => {
  const made: string[] = [];
  for (const name of ['x', 'y', 'z'])
    made.unshift(
      (await world.call('POST', '/v1/scatters', { name, template, rows: rowsOf(1) })).json.id,
    );
  const first = await world.call('GET', '/v1/scatters?page_size=2');
  const second = await world.call(
    'GET',
    `/v1/scatters?page_size=1&page_token=${first.json.next_page_token}`,
  );
  expect([...first.json.scatters, ...second.json.scatters].map(({ id }) => id)).toEqual(made);
});

test('an unknown scatter is 404 in every route', async () => {
  for (const [method, path] of [
    ['GET', ''],
    ['GET', '/tasks'],
    ['POST', ':cancel'],
  ] as const) {
    expect((await world.call(method, `/v1/scatters/scatter-zz-000000${path}`)).status).toBe(404);
  }
});

test('tasks with long texts are stored in statements that the server accepts', async () => {
  const long = 'é'.repeat(1000);
  const command = Array.from({ length: 20 }, (_, part) => `{{n}} ${part} ${long}`);
  const made = await world.call('POST', '/v1/scatters?ids=true', {
    template: { executors: [{ image: 'a', command }] },
    rows: rowsOf(600),
  });
  expect(made).toMatchObject({ status: 200, json: { tasks: 600 } });
  const last = await world.call('GET', `/v1/tasks/${made.json.task_ids.at(-1)}?view=BASIC`);
  expect(last.json.executors[0]?.command[19]).toBe(`599 19 ${long}`);
});

test('a sender that disconnects leaves nothing stored, and is not taken for an unavailable database', async () => {
  const before = await count('tasks');
  const url = new URL(world.url);
  const socket = connect(Number(url.port), url.hostname);
  await once(socket, 'connect');
  const lines = world.lines.length;
  const head = `POST /v1/scatters HTTP/1.1\r\nHost: ${url.host}\r\nContent-Type: application/x-ndjson\r\nContent-Length: 100000\r\n\r\n`;
  await new Promise((written) => socket.write(head + linesOf(50).join('\n'), written));
  socket.end();
  await expect.poll(() => world.lines.slice(lines).join('')).toContain('request-broken-off');
  expect(world.lines.slice(lines).join('')).not.toContain('database-away');
  expect(await count('tasks')).toBe(before);
});

test('the reply to a scatter says how many rows do the same as an earlier one, also when it is repeated', async () => {
  const outputOnly = {
    outputs: [{ url: 's3://bucket/{{n}}', path: '/out' }],
    executors: [{ image: 'alpine', command: ['simulate', '{{seed}}'] }],
  };
  const seeds = [1, 2, 1, 1, 2];
  const body = { template: outputOnly, rows: seeds.map((seed, n) => ({ n, seed })) };
  const headers = { 'idempotency-key': 'equal-rows' };
  for (let time = 0; time < 2; time += 1)
    expect(await world.call('POST', '/v1/scatters', body, headers)).toMatchObject({
      status: 200,
      json: { tasks: 5, equal_rows: 3 },
    });
  const lines = seeds.map((seed, n) =>
    JSON.stringify({
      outputs: [{ url: `s3://bucket/${n}`, path: '/out' }],
      executors: [{ image: 'alpine', command: ['simulate', String(seed)] }],
    }),
  );
  const made = await world.call(
    'POST',
    '/v1/scatters?merge=off&ids=true',
    lines.join('\n'),
    NDJSON,
  );
  expect(made).toMatchObject({ status: 200, json: { tasks: 5, equal_rows: 3 } });
  const [rows] = await world.database.pool.query(
    'SELECT merge, replicate FROM tasks WHERE id IN (?) ORDER BY id',
    [made.json.task_ids.map((id) => Number.parseInt(id.split('-')[1] ?? '', 36))],
  );
  expect(rows).toEqual([0, 0, 2, 3, 2].map((replicate) => ({ merge: 'off', replicate })));
});

test('a queue that AWS Batch does not have is refused with 400 and named, of tasks, rows and lines', async () => {
  const tasks = await count('tasks');
  const inQueue = (name: string, queue: string) => ({
    ...template,
    executors: [{ image: 'alpine', command: ['true'] }],
    outputs: [],
    resources: { backend_parameters: { [name]: queue } },
  });
  const expected = 'the name or ARN of a job queue that AWS Batch has';
  const problem = (name: string, queue: string) => ({
    field: `resources.backend_parameters.${name}`,
    expected,
    got: JSON.stringify(queue),
  });
  for (const [path, name] of [
    ['/ga4gh/tes/v1/tasks', 'queue'],
    ['/ga4gh/tes/v1/tasks', 'queueArn'],
    ['/v1/tasks:validate', 'queue'],
  ] as const)
    expect(await world.call('POST', path, inQueue(name, 'no-such-queue'))).toMatchObject({
      status: 400,
      json: { problems: [problem(name, 'no-such-queue')] },
    });

  const rows = ['fast', 'no-such-a', 'no-such-b', 'no-such-a'].map((queue) => ({ queue }));
  expect(
    await world.call('POST', '/v1/scatters', { template: inQueue('queue', '{{queue}}'), rows }),
  ).toMatchObject({
    status: 400,
    json: {
      problems: [
        { row: 1, ...problem('queue', 'no-such-a') },
        { row: 2, ...problem('queue', 'no-such-b') },
      ],
    },
  });
  const lines = ['fast', 'no-such-a'].map((queue) => JSON.stringify(inQueue('queue', queue)));
  expect(await world.call('POST', '/v1/scatters', lines.join('\n'), NDJSON)).toMatchObject({
    status: 400,
    json: { problems: [{ row: 1, ...problem('queue', 'no-such-a') }] },
  });
  expect(await count('tasks')).toBe(tasks);
  expect(await world.call('POST', '/ga4gh/tes/v1/tasks', inQueue('queue', 'fast'))).toMatchObject({
    status: 200,
  });
});
