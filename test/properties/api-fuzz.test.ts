/** Malformed bodies, queries and paths: they get a 4xx, never a 5xx, and nothing is stored. */
import * as fc from 'fast-check';
import { Agent, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { isLong } from '../long.ts';
import { startApiWorld, type ApiWorld } from '../api-world.ts';

let world: ApiWorld;
const agent = new Agent({ keepAlive: true, maxSockets: 16 });
beforeAll(async () => {
  world = await startApiWorld();
});
afterAll(async () => {
  agent.destroy();
  await world.close();
});

interface Sent {
  method: string;
  path: string;
  type?: string;
  body?: Buffer;
}

async function send({ method, path, type, body }: Sent): Promise<{ status: number; text: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>();
  const url = new URL(world.url);
  const outgoing = request(
    {
      agent,
      host: url.hostname,
      port: url.port,
      method,
      path,
      headers: {
        ...(type !== undefined && { 'content-type': type }),
        ...(body && { 'content-length': body.length }),
      },
    },
    (answer) => {
      text(answer).then((said) => resolve({ status: answer.statusCode ?? 0, text: said }), reject);
    },
  );
  outgoing.on('error', reject);
  outgoing.end(body);
  return promise;
}

/** Sends all requests, some concurrently. Returns those with an unexpected status. */
async function sendAll(
  all: readonly Sent[],
  isFine: (status: number) => boolean,
): Promise<string[]> {
  const wrong: string[] = [];
  const left = [...all];
  await Promise.all(
    Array.from({ length: 16 }, async () => {
      for (let one = left.pop(); one !== undefined; one = left.pop()) {
        const { status, text: said } = await send(one);
        if (!isFine(status))
          wrong.push(
            `${status} for ${one.method} ${one.path} ${one.body?.toString('utf8').slice(0, 300)}: ${said.slice(0, 200)}`,
          );
      }
    }),
  );
  return wrong;
}

const stored = async (): Promise<number> => {
  const [rows] = await world.database.pool.query(
    'SELECT (SELECT COUNT(*) FROM tasks) + (SELECT COUNT(*) FROM scatters) + (SELECT COUNT(*) FROM task_tags) AS count',
  );
  return Number((rows as { count: unknown }[])[0]?.count);
};

/** Values that no field accepts, or few do. */
const odd = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    -1,
    1e308,
    true,
    [],
    {},
    [[]],
    '',
    '\0',
    '../../etc/passwd',
    '/a/../b',
    '\ud800',
    'x'.repeat(9000),
    '__proto__',
    's3://',
    's3://A_B/c',
    'file:///etc/passwd',
    'http://[',
    '{{x}}',
  ),
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.double(),
  fc.array(fc.integer(), { maxLength: 3 }),
);
const good = {
  name: 'n',
  description: 'd',
  inputs: [{ url: 's3://bucket/key', path: '/in', type: 'FILE' }],
  outputs: [{ url: 's3://bucket/out', path: '/out' }],
  executors: [{ image: 'alpine', command: ['true'], env: { A: 'b' }, workdir: '/', stdout: '/o' }],
  resources: { cpu_cores: 1, ram_gb: 1, backend_parameters: { cache: 'off' } },
  volumes: ['/v'],
  tags: { a: 'b' },
};

type Path = (string | number)[];
function pathsOf(value: unknown, at: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [at];
  return [at, ...Object.entries(value).flatMap(([key, member]) => pathsOf(member, [...at, key]))];
}

function replaceAt(value: unknown, [head, ...tail]: Path, put: unknown): unknown {
  if (head === undefined) return put;
  if (Array.isArray(value))
    return value.map((item: unknown, index) =>
      String(index) === String(head) ? replaceAt(item, tail, put) : item,
    );
  return {
    ...(value as object),
    [head]: replaceAt((value as Record<string, unknown>)[head], tail, put),
  };
}

const mutated = (base: object) =>
  fc.tuple(fc.constantFrom(...pathsOf(base)), odd).map(([path, put]) => replaceAt(base, path, put));
/** A task that is always refused: it has no executor. */
const withoutExecutor = fc
  .oneof(mutated({ ...good, executors: [] }), mutated({ ...good, executors: 'none' }))
  .map((task) =>
    typeof task === 'object' && task !== null && !Array.isArray(task)
      ? { ...task, executors: [] }
      : task,
  );
const garbage = fc.oneof(
  fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
  fc.json().map((one) => Buffer.from(one.slice(0, -1))),
  fc.string().map((one) => Buffer.from(`{"executors":[${one}`)),
);
const asJson = (value: unknown): Buffer => Buffer.from(JSON.stringify(value) ?? 'null');
const refused = (status: number): boolean => status >= 400 && status < 500;
/** `npm run test:long` sends 10,000 malformed bodies, and `npm test` a quarter of them. */
const SHARE = isLong ? 1 : 0.25;
const sampled = (numRuns: number) => ({ seed: 20_261_127, numRuns: numRuns * SHARE });

test('malformed bodies are refused, and nothing is stored', async () => {
  const task = (body: Buffer): Sent => ({
    method: 'POST',
    path: '/ga4gh/tes/v1/tasks',
    type: 'application/json',
    body,
  });
  const scatter = (body: Buffer, type = 'application/json'): Sent => ({
    method: 'POST',
    path: '/v1/scatters',
    type,
    body,
  });
  const bodies = [
    ...fc.sample(withoutExecutor, sampled(4000)).map((one) => task(asJson(one))),
    ...fc.sample(garbage, sampled(2000)).map(task),
    ...fc
      .sample(withoutExecutor, sampled(1500))
      .map((template) => scatter(asJson({ template, rows: [{ x: 1 }] }))),
    ...fc
      .sample(odd, sampled(1000))
      .map((rows) => scatter(asJson({ template: good, rows: Array.isArray(rows) ? [] : rows }))),
    ...fc
      .sample(withoutExecutor, sampled(1000))
      .map((one) =>
        scatter(
          Buffer.concat([asJson(good), Buffer.from('\n'), asJson(one)]),
          'application/x-ndjson',
        ),
      ),
    ...fc.sample(odd, sampled(500)).map((one): Sent => ({
      method: 'POST',
      path: '/v1/tasks:cancel',
      type: 'application/json',
      body: asJson({ tags: {}, ids: one }),
    })),
  ];
  expect(bodies).toHaveLength(10_000 * SHARE);
  expect(await sendAll(bodies, refused)).toEqual([]);
  expect(await stored()).toBe(0);
}, 120_000);

test('a task is either stored or refused, whatever its fields hold', async () => {
  const bodies = fc.sample(mutated(good), sampled(2000)).map((one): Sent => ({
    method: 'POST',
    path: '/ga4gh/tes/v1/tasks',
    type: 'application/json',
    body: asJson(one),
  }));
  expect(await sendAll(bodies, (status) => status === 200 || refused(status))).toEqual([]);
  const answered = await Promise.all([
    world.call('GET', '/ga4gh/tes/v1/tasks?view=FULL&page_size=2047'),
    world.call('GET', '/readyz'),
  ]);
  expect(
    answered.map(({ status }) => status),
    'stored tasks can be shown',
  ).toEqual([200, 200]);
}, 120_000);

test('unusual paths and queries never get a status of 500 or more', async () => {
  const parts = fc.array(
    fc.oneof(
      fc.constantFrom(
        'tasks',
        'scatters',
        'v1',
        'ga4gh',
        'tes',
        't',
        '..',
        '%2e%2e',
        'task-1-000000',
        'service-info',
        ':cancel',
        'logs',
        'board',
        'docs',
      ),
      fc.string({ maxLength: 8 }).map(encodeURIComponent),
    ),
    { maxLength: 6 },
  );
  const queries = fc.array(
    fc.tuple(
      fc.constantFrom(
        'view',
        'page_size',
        'page_token',
        'state',
        'tag_key',
        'tag_value',
        'name_prefix',
        'states',
        'stream',
        'executor',
        'tail_bytes',
        'other',
        'ids',
      ),
      fc.string({ unit: 'grapheme', maxLength: 12 }).map(encodeURIComponent),
    ),
    { maxLength: 4 },
  );
  const paths = fc.sample(
    fc.tuple(
      fc.constantFrom(
        '/ga4gh/tes/v1/tasks',
        '/v1/tasks/task-1-000000',
        '/v1/scatters',
        '/v1',
        '/ga4gh',
        '',
      ),
      parts,
      queries,
      fc.constantFrom('GET', 'GET', 'POST', 'DELETE', 'PUT'),
    ),
    sampled(2000),
  );
  const all = paths.map(([base, more, query, method]): Sent => ({
    method,
    path: `${[base, ...more].join('/') || '/'}?${query.map((pair) => pair.join('=')).join('&')}`,
  }));
  expect(await sendAll(all, (status) => status > 0 && status < 500)).toEqual([]);
}, 120_000);
