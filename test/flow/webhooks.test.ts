/** Deliveries of webhooks to a receiver that verifies signatures with the library of Standard Webhooks. */
import { Webhook } from 'standardwebhooks';
import { Value } from 'typebox/value';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { webhookDeliveries } from '../../api/schemas/deliveries.ts';
import { noteDeliveries } from '../../workers/upkeep/webhooks/note.ts';
import { sendDue } from '../../workers/upkeep/webhooks/send.ts';
import { endTasks } from '../accept.ts';
import { startWebhookWorld, tasksOf } from '../webhook-world.ts';

const webhooks = await startWebhookWorld();
afterAll(() => webhooks.close());
beforeEach(() => webhooks.reset());
/** Whatever was delivered has the form that /openapi.json shows. */
afterEach(() => {
  for (const { body } of receiver.received) {
    const delivered = JSON.parse(body) as { type: string };
    const { schema } = webhookDeliveries[delivered.type] ?? {};
    const problems = schema ? [...Value.Errors(schema, delivered)] : ['unknown type'];
    if (problems.length > 0) throw new Error(`${body}: ${JSON.stringify(problems)}`);
  }
});
const { advance, api, call, deliver, deliveries, runtime, make, post, receiver } = webhooks;

test('an ended task is reported once, signed by the standard, and only to its owner’s webhooks', async () => {
  const { secret } = await make({ url: `${receiver.origin}/ann?a=b` });
  await make({ url: `${receiver.origin}/bob` }, 'bob');
  const id = await post({ run: '1' });
  await deliver();
  expect(receiver.received).toEqual([]);
  await endTasks(api.database, [id], { place: 'failed' });
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

test('a scatter is reported once when all have ended, and its tasks as they end', async () => {
  await make({ url: `${receiver.origin}/wide`, tags: { run: 'wide' } });
  const { id, task_ids: ids } = (
    await call('POST', '/v1/scatters?ids=true', {
      tags: { run: 'wide' },
      template: { executors: [{ image: 'alpine', command: ['{{at}}'] }] },
      rows: Array.from({ length: 150 }, (_, at) => ({ at })),
    })
  ).json;
  await endTasks(api.database, ids.slice(0, 20));
  await deliver();
  await endTasks(api.database, ids.slice(20));
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

describe('a receiver that rejects a delivery', () => {
  const failing = async (status: number): Promise<number> => {
    receiver.answers.set('/down', status);
    const { id } = await make({ url: `${receiver.origin}/down`, events: ['tasks.ended'] });
    const task = await post();
    await endTasks(api.database, [task]);
    await deliver();
    return id;
  };

  test('a rejected delivery is retried later, under the same id and with a new signature', async () => {
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
    advance(10_000);
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

  test('a delivery is abandoned after ten attempts, and sent again when its owner asks for it', async () => {
    const id = await failing(500);
    for (let tries = 2; tries <= 12; tries += 1) {
      advance(20 * 3_600_000);
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

  test('a redirect is not followed', async () => {
    await failing(302);
    expect(receiver.received.map(({ path }) => path)).toEqual(['/down']);
  });

  test('a failing receiver does not delay others, and its own new deliveries stay pending', async () => {
    const id = await failing(500);
    await make({ url: `${receiver.origin}/up` });
    await endTasks(api.database, [await post()]);
    await deliver();
    expect(receiver.received.filter(({ path }) => path === '/up')).toHaveLength(1);
    expect((await deliveries(id)).deliveries.map(({ state }) => state)).toEqual([
      'pending',
      'pending',
    ]);
  });

  test('a receiver gets nothing once its origin is no longer allowed', async () => {
    const { id } = await make({ url: `${receiver.origin}/once` });
    await endTasks(api.database, [await post()]);
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

test('concurrent workers store and send each delivery once', async () => {
  await make({ url: `${receiver.origin}/both`, events: ['tasks.ended'] });
  for (let round = 0; round < 5; round += 1)
    await endTasks(api.database, [await post(), await post()]);
  await Promise.all([deliver(), deliver(), deliver()]);
  await deliver();
  const told = receiver.received.flatMap(tasksOf);
  expect([told.length, new Set(told).size]).toEqual([10, 10]);
});

test('a delivery whose worker died is sent by another once the lease has expired', async () => {
  const { id } = await make({ url: `${receiver.origin}/leased` });
  await endTasks(api.database, [await post()]);
  while (await noteDeliveries(runtime));
  await api.database.pool.query(
    'UPDATE webhook_deliveries SET tries = 1, due_ms = ? WHERE webhook_id = ?',
    [runtime.nowMs() + 40_000, id],
  );
  await deliver();
  expect(receiver.received).toEqual([]);
  advance(41_000);
  await deliver();
  expect((await deliveries(id)).deliveries).toMatchObject([{ state: 'delivered', tries: 2 }]);
});
