/** Names of requests, and the level of the log, over HTTP. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { jsonAs, startApiWorld, type ApiWorld } from '../api-world.ts';
import { readLogLevel } from '../../queues/log-level.ts';
import { simple, TES } from '../tes-world.ts';

let world: ApiWorld;
beforeAll(async () => {
  world = await startApiWorld({ tokens: ['ann:secret'] });
});
afterAll(() => world.close());

const ann = { authorization: 'Bearer secret' };
const logged = (id: string): Record<string, unknown>[] =>
  world.lines
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .filter(({ requestId }) => requestId === id);

test('a request keeps the id that its caller gave it, in the reply and in the log', async () => {
  const headers = { ...ann, 'x-request-id': 'gateway-7.a/1' };
  const { headers: answered } = await world.call('POST', `${TES}/tasks`, simple, headers);
  expect(answered.get('x-request-id')).toBe('gateway-7.a/1');
  expect(logged('gateway-7.a/1')).toMatchObject([{ event: 'request', method: 'POST' }]);
});

test.each([undefined, '', 'two words', 'x'.repeat(129), '"quoted"', '{"a":1}'])(
  'a request with the id %s gets one of its own',
  async (given) => {
    const headers = { ...ann, ...(given !== undefined && { 'x-request-id': given }) };
    const { headers: answered } = await world.call('GET', '/v1/no-such-route', undefined, headers);
    const id = answered.get('x-request-id') ?? '';
    expect(id).toMatch(/^[0-9a-f-]{36}$/);
  },
);

test('a refused request has its id, too', async () => {
  const { status, headers } = await world.call('GET', '/v1/tasks', undefined, {
    'x-request-id': 'nobody-1',
  });
  expect([status, headers.get('x-request-id')]).toEqual([401, 'nobody-1']);
});

test('a scatter that is accepted has one line, with the request that brought it', async () => {
  const headers = { ...ann, 'x-request-id': 'scatter-call' };
  const body = { template: simple, rows: [{ a: '1' }, { a: '2' }] };
  const { json } = await world.call('POST', '/v1/scatters', body, headers);
  expect(logged('scatter-call')).toContainEqual(
    expect.objectContaining({
      event: 'scatter-accepted',
      scatter: json.id,
      owner: 'ann',
      tasks: 2,
      level: 30,
    }),
  );
  await world.call('POST', `/v1/scatters/${json.id}:cancel`, {}, ann);
  const ends = world.lines.filter((line) => line.includes('"scatter-ended"'));
  expect(ends.map((line) => JSON.parse(line) as object)).toMatchObject([
    { scatter: json.id, tasks: 2, cancelled: 2 },
  ]);
});

test('an admin sets the level of the logs of all processes for a while, and nobody else does', async () => {
  const set = (body: object, headers: Record<string, string>) =>
    world.call('POST', '/v1/log-level', body, headers);
  const made = await world.call(
    'POST',
    '/v1/tokens',
    { owner: 'bob', name: 'reads', scopes: ['read'] },
    ann,
  );
  const { token } = jsonAs<{ token: string }>(made);
  const bob = { authorization: `Bearer ${token}` };
  expect((await set({ level: 'debug' }, bob)).status).toBe(403);
  expect((await set({ level: 'loud' }, ann)).status).toBe(400);
  expect((await set({ level: 'debug', minutes: 0 }, ann)).status).toBe(400);
  const { status, text } = await set({ level: 'debug', minutes: 5 }, ann);
  expect([status, JSON.parse(text)]).toMatchObject([200, { wanted: 'debug' }]);
  expect(await readLogLevel(world.queues.redis, world.config.redisPrefix)).toBe('debug');
  const seconds = await world.queues.redis.ttl(`${world.config.redisPrefix}:log-level`);
  expect(seconds).toBeGreaterThan(200);
  expect(seconds).toBeLessThanOrEqual(300);
  await world.call('DELETE', '/v1/log-level', undefined, ann);
  expect(await readLogLevel(world.queues.redis, world.config.redisPrefix)).toBeUndefined();
});
