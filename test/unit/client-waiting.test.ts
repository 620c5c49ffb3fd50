import { describe, expect, test } from 'vitest';
import { hasEnded } from '../../packages/client/client.ts';
import { isEnd, places } from '../../core/places.ts';
import { tesStateOf, tesStates } from '../../core/task/tes-state.ts';
import { brokenConnection, json, playClient } from '../../packages/client/test/played-service.ts';

const state = (name: string, headers = {}) =>
  json({ id: 'task-1-aaaaaa', state: name }, 200, headers);
const scatter = (ended: boolean) => json({ id: 'scatter-1-bbbbbb', size: 3, ended });

test('hasEnded agrees with the final places of the fleet', () => {
  const ends = new Set(places.filter(isEnd).map((place) => tesStateOf({ place, running: false })));
  expect(new Set(tesStates.filter(hasEnded))).toEqual(
    new Set([...ends, 'EXECUTOR_ERROR', 'PREEMPTED']),
  );
});

describe('waitFor', () => {
  test('waitFor asks the service to delay its answer until the task has ended, then reads it', async () => {
    const { client, heard, pauses } = playClient((_, position) =>
      state(['QUEUED', 'RUNNING', 'COMPLETE'][position] ?? 'COMPLETE'),
    );
    expect(await client.waitFor('task-1-aaaaaa')).toMatchObject({ state: 'COMPLETE' });
    const look = '/ga4gh/tes/v1/tasks/task-1-aaaaaa?wait=50s';
    expect(heard.map(({ path }) => path)).toEqual([
      look,
      look,
      look,
      '/ga4gh/tes/v1/tasks/task-1-aaaaaa?view=FULL',
    ]);
    expect(pauses).toEqual([250, 250]);
  });

  test('waitFor pauses while the service answers from memory, and does not trust such an end', async () => {
    const stale = { 'x-batchwell-last-known': '1970-01-01T00:00:00.000Z' };
    const answers = [
      state('UNKNOWN', stale),
      state('COMPLETE'),
      state('UNKNOWN', stale),
      state('COMPLETE'),
      state('COMPLETE'),
    ];
    const { client, pauses } = playClient((_, position) => answers[position] ?? brokenConnection());
    expect(await client.waitFor('task-1-aaaaaa', { view: 'MINIMAL' })).toEqual({
      id: 'task-1-aaaaaa',
      state: 'COMPLETE',
    });
    expect(pauses).toEqual([5000, 250]);
  });

  test('waitFor survives broken connections', async () => {
    const { client, heard } = playClient((_, position) =>
      position % 2 === 0 ? brokenConnection() : state(position < 5 ? 'RUNNING' : 'CANCELED'),
    );
    expect(await client.waitFor('task-1-aaaaaa')).toMatchObject({ state: 'CANCELED' });
    expect(heard).toHaveLength(8);
  });

  /** Answers only when the request is given up. */
  const never = ({ signal }: { signal: AbortSignal }) =>
    new Promise<Error>((resolve) => {
      const giveUp = () => resolve(signal.reason as Error);
      if (signal.aborted) giveUp();
      else signal.addEventListener('abort', giveUp, { once: true });
    });

  test('waitFor rejects with a TimeoutError after timeoutMs, and with the signal’s reason', async () => {
    const { client } = playClient(never);
    await expect(client.waitFor('task-1-aaaaaa', { timeoutMs: 1 })).rejects.toMatchObject({
      name: 'TimeoutError',
    });
    const caller = new AbortController();
    const waiting = client.waitFor('task-1-aaaaaa', { signal: caller.signal, timeoutMs: 60_000 });
    caller.abort(new Error('shutting down'));
    await expect(waiting).rejects.toThrow('shutting down');
  });

  test('waitFor does not block other calls; beyond maxWaiting, waiting calls take turns', async () => {
    const caller = new AbortController();
    const { client, heard } = playClient(
      (one) => (one.path.includes('wait=') ? never(one) : json({ id: 'task-2-cccccc' })),
      { maxInFlight: 1, maxWaiting: 2 },
    );
    const waits = Promise.allSettled(
      Array.from({ length: 3 }, (_, n) =>
        client.waitFor(`task-${n}-aaaaaa`, { signal: caller.signal }),
      ),
    );
    await expect.poll(() => heard.length).toBe(2);
    expect(await client.submit({ executors: [] })).toEqual({ id: 'task-2-cccccc' });
    caller.abort();
    await waits;

    const late = playClient((_, position) => state(position < 30 ? 'RUNNING' : 'COMPLETE'), {
      maxWaiting: 2,
    });
    await Promise.all([1, 2, 3].map(() => late.client.waitFor('task-1-aaaaaa')));
    expect(late.heard.map(({ path }) => path)).toContain(
      '/ga4gh/tes/v1/tasks/task-1-aaaaaa?wait=1s',
    );
  });
});

test('waitForScatter asks less and less often', async () => {
  const { client, heard, pauses } = playClient((_, position) => scatter(position === 30));
  expect(await client.waitForScatter('scatter-1-bbbbbb')).toMatchObject({ ended: true });
  expect(heard).toHaveLength(31);
  expect(pauses).toEqual(pauses.toSorted((a, b) => a - b));
  expect([pauses[0], pauses.at(-1)]).toEqual([250, 5000]);
});

test('listAll reads a page after the one before it has been used', async () => {
  const { client, heard } = playClient((_, position) =>
    json({
      tasks: [{ id: `a${position}` }, { id: `b${position}` }],
      ...(position < 2 && { next_page_token: `p${position}` }),
    }),
  );
  const ids: string[] = [];
  const asked: number[] = [];
  for await (const { id } of client.listAll({
    tags: { run: '7', any: '' },
    state: 'RUNNING',
    page_size: 2,
  })) {
    ids.push(id);
    asked.push(heard.length);
  }
  expect(ids).toEqual(['a0', 'b0', 'a1', 'b1', 'a2', 'b2']);
  expect(asked).toEqual([1, 1, 2, 2, 3, 3]);
  expect(heard[1]?.path).toBe(
    '/ga4gh/tes/v1/tasks?state=RUNNING&page_size=2&page_token=p0&tag_key=run&tag_key=any&tag_value=7&tag_value=',
  );
});
