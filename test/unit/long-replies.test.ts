import { EventEmitter } from 'node:events';
import type { FastifyReply } from 'fastify';
import { Gauge, Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { createLongReplies } from '../../api/http/long-replies.ts';

const start = (most = 2) => {
  const gauge = new Gauge({ name: 'open', help: 'Open.', registers: [new Registry()] });
  return {
    replies: createLongReplies({ most, gauge, checkMs: 1 }),
    count: async () => (await gauge.get()).values[0]?.value,
  };
};
const reply = () => ({ raw: new EventEmitter() }) as unknown as Pick<FastifyReply, 'raw'>;
const good = { isStillAllowed: () => Promise.resolve(true) };
const aborted = (signal: AbortSignal | undefined) =>
  new Promise<void>((resolve) => signal?.addEventListener('abort', () => resolve()));

test('long replies are limited in number, and a closed one makes room', async () => {
  const { replies, count } = start();
  const [first, second] = [reply(), reply()];
  const signal = replies.begin(good, first);
  replies.begin(good, second);
  expect([replies.begin(good, reply()), await count()]).toEqual([undefined, 2]);
  first.raw.emit('close');
  expect([signal?.aborted, await count()]).toEqual([true, 1]);
  expect(replies.begin(good, reply())?.aborted).toBe(false);
});

test('a long reply ends when its token is no longer valid, and continues while the token cannot be checked', async () => {
  const { replies } = start();
  let asked = 0;
  const answers = [
    () => Promise.reject(new Error('the database is away')),
    () => Promise.resolve(true),
    () => Promise.resolve(false),
  ];
  await aborted(replies.begin({ isStillAllowed: () => answers[Math.min(asked++, 2)]!() }, reply()));
  expect(asked).toBeGreaterThanOrEqual(3);
});

test('all long replies end when the server closes', () => {
  const { replies } = start();
  const signals = [replies.begin(good, reply()), replies.begin(good, reply())];
  replies.close();
  expect(signals.map((signal) => signal?.aborted)).toEqual([true, true]);
});
