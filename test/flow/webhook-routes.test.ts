/** The routes of webhooks, the CLI commands that use them, and the receiver in the examples. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { signDelivery } from '../../core/notify/webhooks.ts';
import { noteDeliveries } from '../../workers/upkeep/webhooks/note.ts';
import { endTasks } from '../accept.ts';
import { jsonAs, startApiWorld } from '../api-world.ts';
import { run } from '../unit/cli-world.ts';
import { startWebhookWorld } from '../webhook-world.ts';

const webhooks = await startWebhookWorld();
afterAll(() => webhooks.close());
beforeEach(() => webhooks.reset());
const { api, call, deliver, deliveries, runtime, make, post, receiver } = webhooks;

describe('the routes of webhooks', () => {
  test('a ping reaches a receiver, and a deleted webhook gets no more deliveries', async () => {
    const { id, secret } = await make({ url: `${receiver.origin}/ping` });
    expect((await call('POST', `/v1/webhooks/${id}:ping`)).status).toBe(200);
    await deliver();
    const [{ headers, body } = { headers: {}, body: '' }] = receiver.received;
    expect(new Webhook(secret).verify(body, headers as Record<string, string>)).toMatchObject({
      type: 'ping',
    });
    await endTasks(api.database, [await post()]);
    while (await noteDeliveries(runtime));
    expect((await call('DELETE', `/v1/webhooks/${id}`)).status).toBe(200);
    await deliver();
    expect(receiver.received).toHaveLength(1);
    expect((await call('DELETE', `/v1/webhooks/${id}`)).status).toBe(404);
  });

  test('webhooks of another owner are 404 everywhere', async () => {
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
      'a URL that is not allowed',
      { url: 'https://evil.example/x' },
      'url',
      'https://hooks.example.org',
    ],
    [
      'the metadata service of the cloud',
      { url: 'http://169.254.169.254/latest/meta-data' },
      'url',
      '',
    ],
    [
      'a URL with credentials',
      { url: 'https://me:pw@hooks.example.org/' },
      'url',
      'without credentials',
    ],
    ['a missing URL', {}, 'url', 'required'],
    [
      'unknown events',
      { url: 'https://hooks.example.org/', events: ['task.started'] },
      'events',
      'tasks.ended',
    ],
    [
      'an empty list of events',
      { url: 'https://hooks.example.org/', events: [] },
      'events',
      'some of',
    ],
    ['malformed tags', { url: 'https://hooks.example.org/', tags: { a: 1 } }, 'tags.a', 'a string'],
    [
      'an unknown field',
      { url: 'https://hooks.example.org/', filter: 'x' },
      'filter',
      'one of url, events, tags',
    ],
  ])('POST /v1/webhooks refuses %s and names the field', async (_, body, field, expected) => {
    const answer = await call('POST', '/v1/webhooks', body);
    expect([answer.status, answer.json.problems]).toEqual([
      400,
      [expect.objectContaining({ field, expected: expect.stringContaining(expected) })],
    ]);
  });

  test('a token without the scope read cannot create a webhook', async () => {
    const { token } = jsonAs<{ token: string }>(
      await call('POST', '/v1/tokens', { owner: 'ann', scopes: ['submit'] }),
    );
    const answer = await api.call(
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

  test('an owner has at most twenty webhooks, and none where no origin is allowed', async () => {
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

  test('deliveries are listed in pages', async () => {
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

test('batchwell webhook creates a webhook, pings it, lists its deliveries and deletes it', async () => {
  const cli = (...words: string[]) =>
    run(['webhook', ...words], {
      columns: 200,
      environment: { BATCHWELL_URL: api.url, BATCHWELL_TOKEN: 'ann-token' },
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

test('the example receiver accepts each signed delivery once, and rejects all others', async () => {
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
