import { expect, test } from 'vitest';
import { coalesceCalls, Overloaded } from '../../api/coalesce-calls.ts';

/** Runs that end when told. */
function heldRuns() {
  const runs: { given: number[]; end(): void }[] = [];
  const run = (given: number[]) =>
    new Promise<string[]>((resolve) => {
      runs.push({ given, end: () => resolve(given.map((one) => `did ${one}`)) });
    });
  return { runs, run };
}

test('concurrent calls run as one group, and each gets its own answer', async () => {
  const { runs, run } = heldRuns();
  const call = coalesceCalls(run, { groupsAtOnce: 1, most: 10 });
  const answers = Promise.all([call(1), call(2), call(3)]);
  await expect.poll(() => runs.length).toBe(1);
  runs[0]?.end();
  expect(await answers).toEqual(['did 1', 'did 2', 'did 3']);
  expect(runs.map(({ given }) => given)).toEqual([[1, 2, 3]]);
});

test('a call waits only for a free run, which takes all calls made meanwhile up to the limit', async () => {
  const { runs, run } = heldRuns();
  const call = coalesceCalls(run, { groupsAtOnce: 1, most: 2 });
  const first = call(1);
  await expect.poll(() => runs.length).toBe(1);
  const others = Promise.all([call(2), call(3), call(4)]);
  expect(runs).toHaveLength(1);
  for (const at of [0, 1, 2]) {
    await expect.poll(() => runs.length).toBe(at + 1);
    runs[at]?.end();
  }
  expect([await first, ...(await others)]).toEqual(['did 1', 'did 2', 'did 3', 'did 4']);
  expect(runs.map(({ given }) => given)).toEqual([[1], [2, 3], [4]]);
});

test('a bad call does not fail the others when calls may be retried alone', async () => {
  const tried: number[][] = [];
  const run = async (given: number[]) => {
    tried.push(given);
    if (given.includes(2)) throw new Error('2 is bad');
    return given;
  };
  const call = coalesceCalls(run, { groupsAtOnce: 1, most: 10, retryAlone: () => true });
  const answers = await Promise.allSettled([call(1), call(2), call(3)]);
  expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(tried).toEqual([[1, 2, 3], [1], [2], [3]]);
});

test('an error that affects all calls fails them all, and the next call is tried again', async () => {
  let away = true;
  const call = coalesceCalls(
    async (given: number[]) => {
      if (away) throw new Error('away');
      return given;
    },
    { groupsAtOnce: 1, most: 10, retryAlone: () => false },
  );
  expect((await Promise.allSettled([call(1), call(2)])).map(({ status }) => status)).toEqual([
    'rejected',
    'rejected',
  ]);
  away = false;
  expect(await call(3)).toBe(3);
});

test('a call beyond the limit of waiting calls is rejected at once', async () => {
  const { runs, run } = heldRuns();
  const call = coalesceCalls(run, { groupsAtOnce: 1, most: 1, mostWaiting: 1 });
  const first = call(1);
  await expect.poll(() => runs.length).toBe(1);
  const second = call(2);
  await expect(call(3)).rejects.toThrow(Overloaded);
  runs[0]?.end();
  await expect.poll(() => runs.length).toBe(2);
  runs[1]?.end();
  expect([await first, await second]).toEqual(['did 1', 'did 2']);
});
