// cspell:ignore PROPFIND
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isLong } from '../long.ts';
import { startApi } from '../../api/main.ts';
import { readConfig } from '../../config.ts';
import { migrateDatabase } from '../../db/client.ts';
import { startApiWorld, type ApiWorld } from '../api-world.ts';
import { violations } from '../tes-spec.ts';
import { startWire, type Wire } from '../wire.ts';
import { freshDatabase, freshRedis } from '../world.ts';

const task = { executors: [{ image: 'alpine', command: ['true'] }] };
const TES = '/ga4gh/tes/v1';

const as = (token: string) => ({ authorization: `Bearer ${token}` });

describe('an API with tokens', () => {
  let world: ApiWorld;
  beforeAll(async () => {
    world = await startApiWorld({
      tokens: ['ann:secret-of-ann', 'Ann:secret-of-Ann', 'bob:b:o:b'],
    });
  });
  afterAll(() => world.close());

  test('a call without a token, or with a wrong one, is 401 and says how to authenticate', async () => {
    for (const headers of [
      {},
      as('wrong'),
      { authorization: 'Basic x' },
      { authorization: 'Bearer' },
    ]) {
      const answer = await world.call('POST', `${TES}/tasks`, task, headers);
      expect(answer).toMatchObject({ status: 401, json: { status_code: 401 } });
      expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer/);
    }
  });

  test('an unknown path is 404 before anything else, so that clients try their next prefix', async () => {
    for (const path of ['/tasks', '/v2/tasks', '/ga4gh/tes/v1/nope', '/page'])
      expect((await world.call('GET', path)).status).toBe(404);
  });

  test.each([
    ['PUT', '/v1/tasks', 'GET, HEAD, POST'],
    ['PROPFIND', `${TES}/tasks`, 'GET, HEAD, POST'],
    ['DELETE', `${TES}/tasks/x`, 'GET, HEAD'],
    ['PATCH', '/v1/tasks/x:cancel', 'DELETE, POST'],
    ['PUT', '/v1/tasks:validate', 'POST'],
    ['PUT', '/v1/webhooks/abc', 'DELETE'],
    ['PUT', '/v1/webhooks/abc:ping', 'POST'],
    ['POST', '/healthz', 'GET, HEAD'],
  ])('%s %s is 405 as JSON, and Allow names %s', async (method, path, allow) => {
    const answer = await world.call(method, `${path}?a=1`, {});
    expect([answer.status, answer.json.status_code, answer.headers.get('allow')]).toEqual([
      405,
      405,
      allow,
    ]);
    expect(answer.json.message).toBe(
      `${path} does not take ${method}. Use ${allow}. See /docs for all routes.`,
    );
  });

  test.each([
    '/v1/nope',
    '/v1/webhooks/1:pong',
    '/v1/scatters/x:y:cancel',
    '/board/nope',
    '/docs/x',
  ])('POST %s is 404 as JSON', async (path) => {
    const answer = await world.call('POST', path, {});
    expect([answer.status, answer.json.status_code]).toEqual([404, 404]);
  });

  test('tasks and scatters of another owner are 404 everywhere', async () => {
    const {
      json: { id },
    } = await world.call('POST', `${TES}/tasks`, task, as('secret-of-ann'));
    const { json: scatter } = await world.call(
      'POST',
      '/v1/scatters',
      { template: task, rows: [{ a: 1 }] },
      as('secret-of-ann'),
    );
    for (const token of ['b:o:b', 'secret-of-Ann']) {
      expect((await world.call('GET', `${TES}/tasks/${id}`, undefined, as(token))).status).toBe(
        404,
      );
      expect(
        (await world.call('POST', `${TES}/tasks/${id}:cancel`, undefined, as(token))).status,
      ).toBe(404);
      expect((await world.call('GET', `/v1/tasks/${id}/script`, undefined, as(token))).status).toBe(
        404,
      );
      expect(
        (await world.call('GET', `/v1/scatters/${scatter.id}`, undefined, as(token))).status,
      ).toBe(404);
      expect((await world.call('GET', `${TES}/tasks`, undefined, as(token))).json).toEqual({
        tasks: [],
      });
      expect((await world.call('GET', '/v1/scatters', undefined, as(token))).json).toEqual({
        scatters: [],
      });
    }
    expect(
      (await world.call('GET', `${TES}/tasks/${id}`, undefined, as('secret-of-ann'))).status,
    ).toBe(200);
  });

  test('a client that cannot send headers puts its token in the path', async () => {
    const {
      json: { id },
    } = await world.call('POST', `/t/secret-of-ann${TES}/tasks`, task);
    expect((await world.call('GET', `/t/secret-of-ann${TES}/tasks/${id}`)).json).toEqual({
      id,
      state: 'QUEUED',
    });
    expect(
      (await world.call('GET', `/t/wrong${TES}/tasks/${id}`, undefined, as('secret-of-ann')))
        .status,
    ).toBe(401);
  });

  test('the board prompts a browser for owner and token', async () => {
    expect((await world.call('GET', '/board/api/queues')).headers.get('www-authenticate')).toMatch(
      /^Basic/,
    );
    const basic = { authorization: `Basic ${Buffer.from('bob:b:o:b').toString('base64')}` };
    expect(
      (await world.call('GET', '/board/api/queues', undefined, basic)).json.queues,
    ).toHaveLength(5);
  });

  test('pages of other origins can call the API, since they need a token', async () => {
    const asked = await world.call('OPTIONS', `${TES}/tasks`, undefined, {
      origin: 'https://page.example',
      'access-control-request-method': 'POST',
    });
    expect([
      asked.status,
      asked.headers.get('access-control-allow-origin'),
      asked.headers.get('access-control-allow-headers'),
    ]).toEqual([
      204,
      '*',
      'authorization, content-type, idempotency-key, last-event-id, x-request-id',
    ]);
    const answered = await world.call('GET', `${TES}/tasks`, undefined, {
      origin: 'https://page.example',
      ...as('secret-of-ann'),
    });
    expect(answered.headers.get('access-control-expose-headers')).toContain('retry-after');
  });

  test('health, metrics and docs need no token, and no token is ever logged', async () => {
    for (const path of ['/healthz', '/readyz', '/metrics', '/docs/', `${TES}/service-info`])
      expect((await world.call('GET', path)).status).toBe(200);
    expect(world.lines.length).toBeGreaterThan(20);
    expect(world.lines.join('')).not.toMatch(/secret-of|b:o:b|Bearer/);
  });
});

describe('bad requests', () => {
  let world: ApiWorld;
  beforeAll(async () => {
    world = await startApiWorld();
  });
  afterAll(() => world.close());

  test('a malformed task is 400 and names every field', async () => {
    const answer = await world.call('POST', `${TES}/tasks`, {
      name: 1,
      executors: [{ command: [] }],
    });
    expect(answer).toMatchObject({
      status: 400,
      json: { status_code: 400, message: 'name: expected a string, got 1 (and 2 more)' },
    });
    expect(answer.json.problems.map(({ field }) => field)).toEqual([
      'name',
      'executors[0].image',
      'executors[0].command',
    ]);
  });

  test.each([
    ['malformed JSON', '{"executors": ', 'application/json', 400],
    ['an empty body', '', 'application/json', 400],
    ['a prototype', '{"__proto__": {"x": 1}}', 'application/json', 400],
    ['a form', 'a=b', 'application/x-www-form-urlencoded', 415],
    ['NDJSON', '{}', 'application/x-ndjson', 415],
    ['plain text', '{}', 'text/plain', 400],
    ['too much', `"${'x'.repeat(5 * 1024 ** 2)}"`, 'application/json', 413],
  ])('POST /tasks refuses %s in JSON', async (_, body, type, status) => {
    const answer = await world.call('POST', `${TES}/tasks`, body, { 'content-type': type });
    expect(answer).toMatchObject({
      status,
      json: { status_code: status, message: expect.any(String) },
    });
  });

  test('pages of other origins cannot call the API where no token is required', async () => {
    const asked = await world.call('OPTIONS', `${TES}/tasks`, undefined, {
      origin: 'https://page.example',
      'access-control-request-method': 'POST',
    });
    expect([asked.status, asked.headers.get('access-control-allow-origin')]).toEqual([404, null]);
  });

  test('every route is in the OpenAPI document', async () => {
    const { json } = await world.call('GET', '/openapi.json');
    expect(Object.keys(json.paths)).toEqual(
      expect.arrayContaining([
        `${TES}/tasks/{id}:cancel`,
        '/v1/tasks/{id}/logs',
        '/v1/tasks/{id}/script',
        '/v1/scatters/{id}:cancel',
        '/v1/scatters/{id}/tasks',
        '/readyz',
      ]),
    );
    expect(JSON.stringify(json)).not.toContain('(^');
  });
});

describe('an API whose store is unavailable', () => {
  test('tasks are accepted without Redis, and left to the sweeper', async () => {
    const world = await startApiWorld();
    try {
      const gone = new Promise((resolve) => world.queues.redis.once('close', resolve));
      await world.redis.drop();
      await gone;
      const made = await world.call('POST', `${TES}/tasks`, task);
      expect(made.status).toBe(200);
      expect(
        (await world.call('POST', '/v1/scatters', { template: task, rows: [{}] })).status,
      ).toBe(200);
      expect((await world.call('GET', `${TES}/tasks/${made.json.id}`)).json.state).toBe('QUEUED');
      expect(await world.call('GET', '/readyz')).toMatchObject({
        status: 503,
        json: { mysql: 'ok', redis: expect.stringContaining('connection') },
      });
      expect((await world.call('GET', '/healthz')).status).toBe(200);
      expect(world.lines.join('')).toContain('nudge-left-to-sweeper');
      await expect
        .poll(() => world.lines.filter((line) => line.includes('redis-away')).length)
        .toBe(1);
    } finally {
      await world.close();
    }
  });

  test('tasks are accepted while Redis is full and takes no messages, and only time is lost', async () => {
    const world = await startApiWorld();
    try {
      await world.queues.redis.config('SET', 'maxmemory', '1');
      const made = await world.call('POST', `${TES}/tasks`, task);
      expect([
        made.status,
        (await world.call('GET', `${TES}/tasks/${made.json.id}`)).json.state,
      ]).toEqual([200, 'QUEUED']);
      await expect.poll(() => world.lines.join('')).toContain('OOM command not allowed');
      await world.queues.redis.config('SET', 'maxmemory', '0');
      expect((await world.call('POST', `${TES}/tasks`, task)).status).toBe(200);
      await expect
        .poll(() => world.queues.byStage['cache-check'].getJobCountByTypes('waiting'))
        .toBe(1);
    } finally {
      await world.close();
    }
  });

  test('an API without MySQL shows tasks as last known, answers POST with 503, and recovers', async () => {
    let wire: Wire | undefined;
    const world = await startApiWorld({}, async (url) => {
      wire = await startWire(url);
      return wire.url;
    });
    try {
      const {
        json: { id },
      } = await world.call('POST', `${TES}/tasks`, { ...task, name: 'seen' });
      expect((await world.call('GET', `${TES}/tasks/${id}?view=FULL`)).json.name).toBe('seen');
      await wire?.cut();
      const known = await world.call('GET', `${TES}/tasks/${id}?view=FULL`);
      expect(known).toMatchObject({ status: 200, json: { id, name: 'seen' } });
      expect(known.headers.get('x-batchwell-last-known')).toMatch(/^\d{4}-/);
      expect((await world.call('GET', `${TES}/tasks/${id}`)).json).toEqual({ id, state: 'QUEUED' });
      for (const [method, path, body] of [
        ['POST', '/tasks', task],
        ['GET', '/tasks', undefined],
      ] as const) {
        const answer = await world.call(method, `${TES}${path}`, body);
        expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '5']);
      }
      for (const view of ['MINIMAL', 'BASIC', 'FULL']) {
        const unseen = await world.call('GET', `${TES}/tasks/task-1-000000?view=${view}`);
        expect([
          unseen.status,
          unseen.json.state,
          violations('tesTask', unseen.json, view),
        ]).toEqual([200, 'UNKNOWN', []]);
      }
      expect((await world.call('GET', `${TES}/tasks/nonsense`)).status).toBe(404);
      expect(await world.call('GET', '/readyz')).toMatchObject({
        status: 503,
        json: { redis: 'ok', mysql: expect.not.stringMatching(/^ok$/) },
      });
      // The load balancer asks this, so that a failover replaces no task.
      expect((await world.call('GET', '/healthz')).status).toBe(200);
      await wire?.mend();
      await expect
        .poll(async () => (await world.call('POST', `${TES}/tasks`, task)).status)
        .toBe(200);
      await expect.poll(async () => (await world.call('GET', '/readyz')).status).toBe(200);
    } finally {
      await world.close();
      await wire?.cut();
    }
  });
});

test.runIf(isLong)('a connection that never sends anything does not delay the close', async () => {
  const world = await startApiWorld();
  const silent = connect(Number(new URL(world.url).port), '127.0.0.1');
  await once(silent, 'connect');
  await world.call('GET', '/healthz');
  const gone = once(silent, 'close');
  await world.close();
  await gone;
  expect(silent.destroyed).toBe(true);
});

describe('the process of the API', () => {
  test('the API listens at its configured address, and closes everything it opened', async () => {
    const [database, redis] = await Promise.all([freshDatabase(), freshRedis()]);
    try {
      await migrateDatabase(database.url);
      const config = {
        ...readConfig({}),
        databaseUrl: database.url,
        redisUrl: redis.url,
        port: 0,
        logLevel: 'silent' as const,
      };
      const api = await startApi(config);
      await expect.poll(async () => (await fetch(`${api.url}/readyz`)).status).toBe(200);
      expect(await (await fetch(`${api.url}/metrics`)).text()).toContain(
        'batchwell_stage_entered_tasks_total',
      );
      await expect(startApi({ ...config, port: Number(new URL(api.url).port) })).rejects.toThrow(
        'EADDRINUSE',
      );
      await expect(startApi({ ...config, tokens: ['nocolon'] })).rejects.toThrow(
        'item 1 is not owner:token',
      );
      await api.close();
      await expect(fetch(`${api.url}/healthz`)).rejects.toThrow('fetch failed');
    } finally {
      await redis.drop();
      await database.drop();
    }
  });
});
