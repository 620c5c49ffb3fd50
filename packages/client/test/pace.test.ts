import { describe, expect, test } from 'vitest';
import { createPace } from '../pace.ts';
import { busy, heldSleep, json, playClient, task, type Played } from './played-service.ts';

/** A service that answers when the test says so. */
function heldService() {
  const open: { answer(played: Played): void }[] = [];
  let most = 0;
  const play = () =>
    new Promise<Played>((resolve) => {
      const one = {
        answer(played: Played) {
          open.splice(open.indexOf(one), 1);
          resolve(played);
        },
      };
      open.push(one);
      most = Math.max(most, open.length);
    });
  return { open, play, most: () => most };
}

const made = () => json({ id: 'task-1-aaaaaa' });
const submitted = (calls: Promise<unknown>[]) => Promise.all(calls);

test('no more requests than maxInFlight run at once, and each call gets its turn', async () => {
  const service = heldService();
  const { client, heard } = playClient(service.play, { maxInFlight: 3 });
  const calls = submitted(Array.from({ length: 10 }, () => client.submit(task)));
  await expect.poll(() => service.open.length).toBe(3);
  await drain(service);
  expect(await calls).toHaveLength(10);
  expect([service.most(), heard.length]).toEqual([3, 10]);
});

describe('a 429 or 503', () => {
  test('a 503 pauses all calls of the client, and fewer run at once afterwards', async () => {
    const service = heldService();
    const { held, sleep } = heldSleep();
    const { client, heard } = playClient(service.play, {
      maxInFlight: 4,
      retry: { sleep, random: () => 0 },
    });
    const calls = submitted(Array.from({ length: 8 }, () => client.submit(task)));
    await expect.poll(() => service.open.length).toBe(4);

    service.open[0]?.answer(busy('5'));
    await expect.poll(() => held.map(({ ms }) => ms)).toEqual([5000]);
    while (service.open.length > 0) service.open[0]?.answer(made());
    // Requests that wait for a task have a pace of their own.
    const wait = client.waitFor('task-1-aaaaaa');
    await settle();
    expect(held.map(({ ms }) => ms)).toEqual([5000, 5000]);
    expect([heard.length, service.open.length]).toEqual([4, 0]);

    for (const { end } of held) end();
    await settle();
    const looks = heard.filter(({ path }) => path.includes('wait='));
    // Half of 4, and one more after three that succeeded.
    expect([looks.length, service.open.length - looks.length]).toEqual([1, 3]);
    await drain(service, () => json({ id: 'task-1-aaaaaa', state: 'COMPLETE' }));
    expect(await calls).toHaveLength(8);
    await wait;
  });

  test('the longest Retry-After decides how long all calls pause', async () => {
    const service = heldService();
    const { held, sleep } = heldSleep();
    const { client, heard } = playClient(service.play, { maxInFlight: 2, retry: { sleep } });
    const calls = submitted([client.submit(task), client.submit(task)]);
    await expect.poll(() => service.open.length).toBe(2);
    service.open[0]?.answer(busy('1', 429));
    await settle();
    expect(held.map(({ ms }) => Math.floor(ms / 1000))).toEqual([1]);
    service.open[0]?.answer(busy('9', 429));
    await settle();
    held[0]?.end();
    await settle();
    expect([heard.length, held.map(({ ms }) => Math.floor(ms / 1000))]).toEqual([2, [1, 9]]);
    held[1]?.end();
    await drain(service);
    await calls;
  });
});

test('a pause without waiting calls has no timer, and still delays a later call', async () => {
  const { held, sleep } = heldSleep();
  const { client, heard } = playClient((_, position) => (position === 0 ? busy('9') : made()), {
    retry: { sleep, tries: 1, random: () => 0 },
  });
  await expect(client.submit(task)).rejects.toMatchObject({ status: 503 });
  expect(held).toEqual([]);
  const caller = new AbortController();
  const aborted = client.submit(task, { signal: caller.signal });
  expect(held.map(({ ms }) => ms)).toEqual([9000]);
  caller.abort(new Error('no longer'));
  await expect(aborted).rejects.toThrow('no longer');
  expect(held).toEqual([]);
  const later = client.submit(task);
  await settle();
  expect([heard.length, held.map(({ ms }) => ms)]).toEqual([1, [9000]]);
  held[0]?.end();
  await later;
});

test('a broken connection pauses only its own call', async () => {
  const { held, sleep } = heldSleep();
  const { client, heard } = playClient(
    (_, position) => (position === 0 ? new TypeError('fetch failed') : made()),
    { maxInFlight: 1, retry: { sleep } },
  );
  const first = client.submit(task);
  await expect.poll(() => held.length).toBe(1);
  await client.submit(task);
  expect(heard).toHaveLength(2);
  held[0]?.end();
  await first;
});

test('a call that is aborted while it queues is never sent', async () => {
  const service = heldService();
  const { client, heard } = playClient(service.play, { maxInFlight: 1 });
  const first = client.submit(task);
  const caller = new AbortController();
  const second = client.submit(task, { signal: caller.signal });
  caller.abort(new Error('no longer'));
  await expect(second).rejects.toThrow('no longer');
  await expect.poll(() => service.open.length).toBe(1);
  service.open[0]?.answer(made());
  await first;
  expect(heard).toHaveLength(1);
});

test('after a slowdown, each round that succeeds allows one more request', async () => {
  const pace = createPace(8, { nowMs: () => 0, sleep: async () => undefined });
  for (let slowdowns = 0; slowdowns < 5; slowdowns += 1) {
    pace.slowDown(0);
    await settle();
  }
  const atOnce = async (): Promise<number> => {
    const ends: (() => void)[] = [];
    const running = Array.from({ length: 8 }, () =>
      pace.run(() => new Promise<void>((end) => ends.push(end))),
    );
    await settle();
    const found = ends.length;
    while (ends.length > 0) {
      ends.shift()?.();
      await settle();
    }
    await Promise.all(running);
    return found;
  };
  expect(await atOnce()).toBe(1);
  pace.speedUp();
  expect(await atOnce()).toBe(2);
  for (let round = 0; round < 100; round += 1) pace.speedUp();
  expect(await atOnce()).toBe(8);
});

/** Answers until no request is open. */
async function drain(
  { open }: ReturnType<typeof heldService>,
  answer: () => Played = made,
): Promise<void> {
  await settle();
  for (; open.length > 0; await settle()) open[0]?.answer(answer());
}

/** Resolves after all pending callbacks have run. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((next) => setImmediate(next));
}
