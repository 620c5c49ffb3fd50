/** Webhooks from the request that makes them to the receiver, who checks signatures with the library of Standard Webhooks. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createLog } from '../../telemetry/log.ts';
import { createMetrics } from '../../telemetry/metrics.ts';
import { openRuntime, type Runtime } from '../../workers/runtime.ts';
import { signDelivery } from '../../core/notify/webhooks.ts';
import { startReader } from '../../db/webhooks.ts';
import { noteDeliveries } from '../../workers/upkeep/webhooks/note.ts';
import { sendDue } from '../../workers/upkeep/webhooks/send.ts';
import { endTasks } from '../accept.ts';
import { startApiWorld, type ApiWorld } from '../api-world.ts';
import { startReceiver, type Received, type Receiver } from '../receiver.ts';
import { run } from '../unit/cli-world.ts';

let receiver: Receiver;
let world: ApiWorld;
let runtime: Runtime;
let clockMs = 0;
beforeAll(async () => {
  receiver = await startReceiver();
  world = await startApiWorld(
    {
      tokens: ['ann:ann-token', 'bob:bob-token'],
      webhookOrigins: [receiver.origin, 'https://hooks.example.org'],
      webhookKey: 'k'.repeat(32),
    },
    undefined,
    () => Date.now() + clockMs,
  );
  runtime = openRuntime({
    config: world.config,
    metrics: createMetrics(),
    log: createLog({ level: 'silent', name: 'test' }),
    nowMs: () => Date.now() + clockMs,
  });
  await startReader(runtime.database.pool);
});
afterAll(async () => {
  await runtime.close();
  await world.close();
  receiver.close();
});
beforeEach(async () => {
  clockMs = 0;
  receiver.received.length = 0;
  receiver.answers.clear();
  for (const table of ['webhooks', 'webhook_deliveries'])
    await world.database.pool.query(`DELETE FROM ${table}`);
});

const call = (method: string, path: string, body?: unknown, who = 'ann') =>
  world.call(method, path, body, { authorization: `Bearer ${who}-token` });
const make = async (wants: object, who = 'ann'): Promise<{ id: number; secret: string }> => {
  const answer = await call('POST', '/v1/webhooks', wants, who);
  expect([answer.status, answer.text]).toEqual([200, expect.stringContaining('whsec_')]);
  return answer.json as unknown as { id: number; secret: string };
};
const post = async (tags: Record<string, string> = {}, who = 'ann'): Promise<string> =>
  (
    await call(
      'POST',
      '/v1/tasks',
      { name: 'one', tags, executors: [{ image: 'alpine', command: ['true'] }] },
      who,
    )
  ).json.id;
const deliver = async (): Promise<void> => {
  while (await noteDeliveries(runtime));
  while ((await sendDue(runtime)) > 0);
};
const tasksOf = ({ body }: Received): string[] =>
  JSON.parse(body).data.tasks.map(({ task }: { task: string }) => task);
const deliveries = async (id: number, query = '') =>
  (await call('GET', `/v1/webhooks/${id}/deliveries${query}`)).json as unknown as {
    deliveries: { id: number; state: string; tries: number; outcome?: string; next_try?: string }[];
    next_page_token?: string;
  };

test('an end is told once, signed as the standard says, and only to its owner’s webhooks', async () => {
  const { secret } = await make({ url: `${receiver.origin}/ann?a=b` });
  await make({ url: `${receiver.origin}/bob` }, 'bob');
  const id = await post({ run: '1' });
  await deliver();
  expect(receiver.received).toEqual([]);
  await endTasks(world.database, [id], { place: 'failed' });
  await deliver();
  await deliver();
  expect(receiver.received.map(({ path }) => path)).toEqual(['/ann?a=b']);
  const [{ headers, body } = { headers: {}, body: '' }] = receiver.received;
  const payload = new Webhook(secret).verify(body, headers as Record<string, string>);
  expect(payload).toMatchObject({
    type: 'tasks.ended',
    data: {
      tasks: [
        {
          task: id,
          state: 'SYSTEM_ERROR',
          tags: { run: '1' },
          failure: { code: 'internal', message: 'It was to fail.' },
        },
      ],
    },
  });
  expect(() => new Webhook(secret).verify(`${body} `, headers as Record<string, string>)).toThrow(
    'No matching signature found',
  );
});

test('of a scatter its tasks are told as they end, and itself once when all have', async () => {
  await make({ url: `${receiver.origin}/wide`, tags: { run: 'wide' } });
  const { id, task_ids: ids } = (
    await call('POST', '/v1/scatters?ids=true', {
      tags: { run: 'wide' },
      template: { executors: [{ image: 'alpine', command: ['{{at}}'] }] },
      rows: Array.from({ length: 150 }, (_, at) => ({ at })),
    })
  ).json;
  await endTasks(world.database, ids.slice(0, 20));
  await deliver();
  await endTasks(world.database, ids.slice(20));
  await deliver();
  const bodies = receiver.received.map(({ body }) => JSON.parse(body));
  expect(bodies.filter(({ type }) => type === 'scatter.ended')).toEqual([
    expect.objectContaining({
      data: expect.objectContaining({
        id,
        states: expect.objectContaining({ COMPLETE: 150 }),
        ended: true,
      }),
    }),
  ]);
  expect(
    receiver.received
      .filter(({ body }) => body.includes('tasks.ended'))
      .flatMap(tasksOf)
      .toSorted(),
  ).toEqual(ids.toSorted());
});

describe('a receiver that does not take it', () => {
  const failing = async (status: number): Promise<number> => {
    receiver.answers.set('/down', status);
    const { id } = await make({ url: `${receiver.origin}/down`, events: ['tasks.ended'] });
    const task = await post();
    await endTasks(world.database, [task]);
    await deliver();
    return id;
  };

  test('is told again later, under the same id and signed anew', async () => {
    const id = await failing(503);
    const [first] = (await deliveries(id)).deliveries;
    expect(first).toMatchObject({
      state: 'pending',
      tries: 1,
      outcome: 'answered 503',
      next_try: expect.any(String),
    });
    receiver.answers.clear();
    await deliver();
    expect(receiver.received).toHaveLength(1);
    clockMs += 10_000;
    await deliver();
    expect(receiver.received).toHaveLength(2);
    const [one, other] = receiver.received;
    expect([other?.headers['webhook-id'], other?.body]).toEqual([
      one?.headers['webhook-id'],
      one?.body,
    ]);
    expect(Number(other?.headers['webhook-timestamp'])).toBeGreaterThan(
      Number(one?.headers['webhook-timestamp']),
    );
    expect((await deliveries(id)).deliveries).toMatchObject([
      { state: 'delivered', tries: 2, outcome: 'answered 200' },
    ]);
  });

  test('is given up after ten tries, and told all the same when its owner says so', async () => {
    const id = await failing(500);
    for (let tries = 2; tries <= 12; tries += 1) {
      clockMs += 20 * 3_600_000;
      await deliver();
    }
    expect(receiver.received).toHaveLength(10);
    const {
      deliveries: [dead],
    } = await deliveries(id, '?state=dead');
    expect(dead).toMatchObject({ state: 'dead', tries: 10, outcome: 'answered 500' });
    receiver.answers.clear();
    expect((await call('POST', `/v1/webhooks/${id}/deliveries/${dead?.id}:redeliver`)).status).toBe(
      200,
    );
    await deliver();
    expect((await deliveries(id)).deliveries).toMatchObject([
      { id: dead?.id, state: 'delivered', tries: 1 },
    ]);
  });

  test('that redirects is not followed', async () => {
    await failing(302);
    expect(receiver.received.map(({ path }) => path)).toEqual(['/down']);
  });

  test('keeps nobody else waiting, and what comes meanwhile for it rests', async () => {
    const id = await failing(500);
    await make({ url: `${receiver.origin}/up` });
    await endTasks(world.database, [await post()]);
    await deliver();
    expect(receiver.received.filter(({ path }) => path === '/up')).toHaveLength(1);
    expect((await deliveries(id)).deliveries.map(({ state }) => state)).toEqual([
      'pending',
      'pending',
    ]);
  });

  test('is not asked once its origin is no longer allowed', async () => {
    const { id } = await make({ url: `${receiver.origin}/once` });
    await endTasks(world.database, [await post()]);
    while (await noteDeliveries(runtime));
    await sendDue({
      ...runtime,
      config: { ...runtime.config, webhookOrigins: ['https://hooks.example.org'] },
    });
    expect(receiver.received).toEqual([]);
    expect((await deliveries(id)).deliveries).toMatchObject([
      { state: 'pending', outcome: expect.stringContaining('BATCHWELL_WEBHOOK_ORIGINS') },
    ]);
  });
});

test('two workers note and send each delivery once', async () => {
  await make({ url: `${receiver.origin}/both`, events: ['tasks.ended'] });
  for (let round = 0; round < 5; round += 1)
    await endTasks(world.database, [await post(), await post()]);
  await Promise.all([deliver(), deliver(), deliver()]);
  await deliver();
  const told = receiver.received.flatMap(tasksOf);
  expect([told.length, new Set(told).size]).toEqual([10, 10]);
});

test('a try whose worker died is made by another once its lease is over', async () => {
  const { id } = await make({ url: `${receiver.origin}/leased` });
  await endTasks(world.database, [await post()]);
  while (await noteDeliveries(runtime));
  await world.database.pool.query(
    'UPDATE webhook_deliveries SET tries = 1, due_ms = ? WHERE webhook_id = ?',
    [runtime.nowMs() + 40_000, id],
  );
  await deliver();
  expect(receiver.received).toEqual([]);
  clockMs += 41_000;
  await deliver();
  expect((await deliveries(id)).deliveries).toMatchObject([{ state: 'delivered', tries: 2 }]);
});

describe('the routes', () => {
  test('a ping tries a receiver; an ended webhook is told nothing more', async () => {
    const { id, secret } = await make({ url: `${receiver.origin}/ping` });
    expect((await call('POST', `/v1/webhooks/${id}:ping`)).status).toBe(200);
    await deliver();
    const [{ headers, body } = { headers: {}, body: '' }] = receiver.received;
    expect(new Webhook(secret).verify(body, headers as Record<string, string>)).toMatchObject({
      type: 'ping',
    });
    await endTasks(world.database, [await post()]);
    while (await noteDeliveries(runtime));
    expect((await call('DELETE', `/v1/webhooks/${id}`)).status).toBe(200);
    await deliver();
    expect(receiver.received).toHaveLength(1);
    expect((await call('DELETE', `/v1/webhooks/${id}`)).status).toBe(404);
  });

  test('others’ webhooks are not there', async () => {
    const { id } = await make({ url: `${receiver.origin}/x` });
    for (const [method, path] of [
      ['DELETE', ''],
      ['GET', '/deliveries'],
      ['POST', ':ping'],
      ['POST', '/deliveries/1:redeliver'],
    ] as const) {
      expect((await call(method, `/v1/webhooks/${id}${path}`, undefined, 'bob')).status).toBe(404);
    }
    expect((await call('GET', '/v1/webhooks', undefined, 'bob')).json).toEqual({ webhooks: [] });
    expect((await call('GET', '/v1/webhooks')).json).toEqual({
      webhooks: [
        {
          id,
          url: `${receiver.origin}/x`,
          events: ['tasks.ended', 'scatter.ended'],
          tags: {},
          created: expect.any(String),
        },
      ],
    });
  });

  test.each([
    [
      'a url that is not allowed',
      { url: 'https://evil.example/x' },
      'url',
      'https://hooks.example.org',
    ],
    ['the cloud’s own metadata', { url: 'http://169.254.169.254/latest/meta-data' }, 'url', ''],
    [
      'a url with credentials',
      { url: 'https://me:pw@hooks.example.org/' },
      'url',
      'without credentials',
    ],
    ['no url', {}, 'url', 'required'],
    [
      'unknown events',
      { url: 'https://hooks.example.org/', events: ['task.started'] },
      'events',
      'tasks.ended',
    ],
    ['no events', { url: 'https://hooks.example.org/', events: [] }, 'events', 'some of'],
    [
      'tags that are none',
      { url: 'https://hooks.example.org/', tags: { a: 1 } },
      'tags.a',
      'a string',
    ],
    [
      'an unknown field',
      { url: 'https://hooks.example.org/', filter: 'x' },
      'filter',
      'one of url, events, tags',
    ],
  ])('%s: 400 that names the field', async (_, body, field, expected) => {
    const answer = await call('POST', '/v1/webhooks', body);
    expect([answer.status, answer.json.problems]).toEqual([
      400,
      [expect.objectContaining({ field, expected: expect.stringContaining(expected) })],
    ]);
  });

  test('a token that may submit and not read can have none', async () => {
    const { token } = (await call('POST', '/v1/tokens', { owner: 'ann', scopes: ['submit'] }))
      .json as unknown as { token: string };
    const answer = await world.call(
      'POST',
      '/v1/webhooks',
      { url: 'https://hooks.example.org/' },
      { authorization: `Bearer ${token}` },
    );
    expect([answer.status, answer.json.message]).toEqual([
      403,
      'This token lacks the scope read; its scopes are: submit. Use a token with the scope read.',
    ]);
  });

  test('there are at most twenty per owner, and none where the operator allows no origin', async () => {
    for (let made = 0; made < 20; made += 1) await make({ url: 'https://hooks.example.org/' });
    expect(await call('POST', '/v1/webhooks', { url: 'https://hooks.example.org/' })).toMatchObject(
      { status: 409, json: { message: expect.stringContaining('20 webhooks') } },
    );
    const other = await startApiWorld();
    expect(
      await other.call('POST', '/v1/webhooks', { url: 'https://hooks.example.org/' }),
    ).toMatchObject({
      status: 409,
      json: { message: expect.stringContaining('BATCHWELL_WEBHOOK_ORIGINS') },
    });
    await other.close();
  });

  test('deliveries come in pages', async () => {
    const { id } = await make({ url: `${receiver.origin}/pages` });
    for (let at = 0; at < 3; at += 1) await call('POST', `/v1/webhooks/${id}:ping`);
    const first = await deliveries(id, '?page_size=2');
    const second = await deliveries(id, `?page_size=2&page_token=${first.next_page_token}`);
    expect([first.deliveries.length, second.deliveries.length, second.next_page_token]).toEqual([
      2,
      1,
      undefined,
    ]);
  });
});

test('batchwell webhook makes one, pings it, shows what came of it, and ends it', async () => {
  const cli = (...words: string[]) =>
    run(['webhook', ...words], {
      environment: { BATCHWELL_URL: world.url, BATCHWELL_TOKEN: 'ann-token' },
    });
  receiver.answers.set('/cli', 500);
  const made = await cli(
    'create',
    `${receiver.origin}/cli`,
    '--event',
    'tasks.ended',
    '--tag',
    'run=x',
    'lab',
  );
  expect(made).toMatchObject({
    code: 0,
    out: expect.stringMatching(/^whsec_\S+\n$/),
    err: expect.stringContaining('is notified of tasks.ended'),
  });
  const id = /Webhook (\d+)/.exec(made.err)?.[1] ?? '';
  expect((await cli('list')).out).toContain(`tasks.ended  run=x lab=`);
  expect((await cli('ping', id)).code).toBe(0);
  await deliver();
  const shown = await cli('deliveries', id, '--state', 'pending');
  expect(shown.out).toMatch(/pending +1 .*answered 500/);
  const delivery = /^ *(\d+)/.exec(shown.out.split('\n')[1] ?? '')?.[1] ?? '';
  expect(await cli('redeliver', id, delivery)).toMatchObject({
    code: 2,
    err: expect.stringContaining('has no delivery'),
  });
  expect((await cli('delete', id)).code).toBe(0);
  expect((await cli('list')).err).toContain('You have no webhooks.');
});

test('the receiver among the examples takes what is signed, once, and nothing else', async () => {
  const secret = `whsec_${Buffer.from('of its own').toString('base64')}`;
  const program = fileURLToPath(
    new URL('../../examples/producers/webhook-receiver.ts', import.meta.url),
  );
  const child = spawn(process.execPath, [program], {
    env: { ...process.env, SECRET: secret, PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  try {
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
    const next = async (): Promise<string> => String((await lines.next()).value);
    const url = /http:\S+/.exec(await next())?.[0] ?? '';
    const send = async (
      body: string,
      { timestamp = Math.floor(Date.now() / 1000), signedWith = secret, id = 'delivery-1' } = {},
    ): Promise<number> =>
      (
        await fetch(url, {
          method: 'POST',
          body,
          headers: {
            'webhook-id': id,
            'webhook-timestamp': String(timestamp),
            'webhook-signature': signDelivery(signedWith, { id, timestamp, body }),
          },
        })
      ).status;
    const body = JSON.stringify({
      type: 'tasks.ended',
      data: { tasks: [{ task: 'task-1-aaaaaa', state: 'COMPLETE' }] },
    });
    expect([
      await send(body, { signedWith: `whsec_${Buffer.from('of another').toString('base64')}` }),
      await send(body, { timestamp: 1000 }),
      await send(body),
      await send(body),
    ]).toEqual([401, 401, 204, 204]);
    expect(await send(JSON.stringify({ type: 'ping', data: {} }), { id: 'delivery-2' })).toBe(204);
    expect([await next(), await next()]).toEqual(['task-1-aaaaaa COMPLETE', 'ping']);
  } finally {
    child.kill();
    await ended;
  }
});
