/** Lists, cancellation and service-info over TES. */
import { afterAll, describe, expect, test } from 'vitest';
import { startApiWorld } from '../api-world.ts';
import { violations } from '../tes-spec.ts';
import { attemptIn, endIn, getIn, postIn, simple, TES } from '../tes-world.ts';

const world = await startApiWorld();
afterAll(() => world.close());
const post = postIn(world);
const get = getIn(world);
const startAttempt = attemptIn(world);
const end = endIn(world);

const list = async (query: string) => {
  const view = new URLSearchParams(query).get('view') ?? 'MINIMAL';
  const { json, status } = await world.call('GET', `${TES}/tasks?${query}`);
  expect([status, violations('tesListTasksResponse', json, view)]).toEqual([200, []]);
  return json as {
    tasks: { id: string; state: string; name?: string }[];
    next_page_token?: string;
  };
};
const tagged = (tags: object) => post({ ...simple, tags: { list: 'tags', ...tags } });
const foundByTag = async (query: string) =>
  (await list(`tag_key=list&tag_value=tags&${query}`)).tasks.map(({ id }) => id);

describe('lists of tasks', () => {
  test('lists are newest first and in pages, and the last page has no token', async () => {
    const ids: string[] = [];
    for (let number = 0; number < 5; number += 1)
      ids.unshift(await post({ ...simple, tags: { page: 'yes' } }));
    const first = await list('tag_key=page&page_size=2');
    const second = await list(`tag_key=page&page_size=2&page_token=${first.next_page_token}`);
    const third = await list(`tag_key=page&page_size=2&page_token=${second.next_page_token}`);
    expect([first, second, third].map(({ tasks }) => tasks.map(({ id }) => id))).toEqual([
      ids.slice(0, 2),
      ids.slice(2, 4),
      ids.slice(4),
    ]);
    expect(third).not.toHaveProperty('next_page_token');
  });

  test('lists filter by tags as in the table of the specification, byte by byte', async () => {
    const [bar, bat, both, empty, other] = [
      await tagged({ foo: 'bar' }),
      await tagged({ foo: 'bat' }),
      await tagged({ foo: 'bar', baz: 'bat' }),
      await tagged({ foo: '' }),
      await tagged({ Foo: 'bar', 'foo ': 'bar' }),
    ];
    expect(await foundByTag('tag_key=foo&tag_value=bar')).toEqual([both, bar]);
    expect(await foundByTag('tag_key=foo')).toEqual([empty, both, bat, bar]);
    expect(await foundByTag('tag_key=foo&tag_value=bar&tag_key=baz&tag_value=bat')).toEqual([both]);
    expect(await foundByTag('tag_key=Foo&tag_value=bar')).toEqual([other]);
    expect(await foundByTag('tag_key=nope')).toEqual([]);
  });

  test('lists filter by name prefix, in which wildcards have no meaning', async () => {
    const percent = await post({ ...simple, name: '50%_a' });
    await post({ ...simple, name: '50 apples' });
    expect((await list('name_prefix=50%25_')).tasks).toEqual([{ id: percent, state: 'QUEUED' }]);
    expect((await list('name_prefix=50%25_A')).tasks).toEqual([]);
  });

  test('lists filter by state: each task appears under its own state only', async () => {
    const made = await Promise.all(
      Array.from({ length: 7 }, () => post({ ...simple, tags: { filter: 'state' } })),
    );
    const [queued, waiting, running, done, failed, broken, cancelled] = made as [
      string,
      string,
      string,
      string,
      string,
      string,
      string,
    ];
    await startAttempt(waiting);
    await startAttempt(running, { startedMs: 1 });
    await end(done, 'done');
    await end(failed, 'failed', ", failure_code = 'executor-failed'");
    await end(broken, 'failed', ", failure_code = 'of a later version'");
    await end(cancelled, 'cancelled');
    const expected = {
      QUEUED: [queued, waiting],
      RUNNING: [running],
      COMPLETE: [done],
      EXECUTOR_ERROR: [failed],
      SYSTEM_ERROR: [broken],
      CANCELED: [cancelled],
      PAUSED: [],
      PREEMPTED: [],
      UNKNOWN: [],
    };
    for (const [state, ids] of Object.entries(expected)) {
      const { tasks } = await list(`tag_key=filter&tag_value=state&state=${state}`);
      expect(tasks.map(({ id }) => id).toSorted()).toEqual(ids.toSorted());
      expect(tasks.every((task) => task.state === state)).toBe(true);
    }
    const views = await Promise.all(
      ['BASIC', 'FULL'].map((view) => list(`tag_key=filter&view=${view}`)),
    );
    expect(views.map(({ tasks }) => tasks.length)).toEqual([7, 7]);
  });

  test.each([
    ['page_size=2048', 'page_size'],
    ['page_size=0', 'page_size'],
    ['view=ALL', 'view'],
    ['state=DONE', 'state'],
    ['page_token=xyz', 'page_token'],
  ])('GET /tasks?%s is refused', async (query, field) => {
    const answer = await world.call('GET', `${TES}/tasks?${query}`);
    expect(answer).toMatchObject({
      status: 400,
      json: { problems: [expect.objectContaining({ field })] },
    });
  });
});

describe('cancelling a task', () => {
  test('a cancel returns an empty object each time, and 404 for an unknown id', async () => {
    const id = await post(simple);
    await startAttempt(id, { startedMs: 1 });
    await world.queues.byStage.poll.obliterate({ force: true });
    for (const [method, path] of [
      ['POST', `${id}:cancel`],
      ['POST', `${id}%3acancel`],
      ['DELETE', `${id}:cancel`],
    ] as const) {
      const answer = await world.call(method, `${TES}/tasks/${path}`);
      expect([
        answer.status,
        answer.text,
        violations('tesCancelTaskResponse', answer.json),
      ]).toEqual([200, '{}', []]);
    }
    expect((await get(id, 'MINIMAL')).state).toBe('CANCELED');
    await expect
      .poll(async () =>
        (await world.queues.byStage.poll.getJobs(['waiting'])).map(({ data }) => data),
      )
      .toEqual([{ queue: 'fast' }]);
    for (const unknown of ['task-zzz-000000', 'nonsense', `${id.slice(0, -1)}x`])
      expect((await world.call('POST', `${TES}/tasks/${unknown}:cancel`)).status).toBe(404);
  });

  test('a cancel accepts any body that a client sends', async () => {
    const id = await post(simple);
    for (const type of ['application/json', 'application/x-www-form-urlencoded', 'text/weird']) {
      expect(
        (await world.call('POST', `${TES}/tasks/${id}:cancel`, '', { 'content-type': type }))
          .status,
      ).toBe(200);
    }
  });

  test('a cancel does not change a finished task', async () => {
    const id = await post(simple);
    await end(id, 'done');
    expect((await world.call('POST', `${TES}/tasks/${id}:cancel`)).status).toBe(200);
    expect((await get(id, 'MINIMAL')).state).toBe('COMPLETE');
  });
});

test('service-info follows the specification under both paths', async () => {
  for (const path of [TES, '/v1'])
    expect(
      violations('tesServiceInfo', (await world.call('GET', `${path}/service-info`)).json),
    ).toEqual([]);
});

test('the check against the specification detects violations', () => {
  expect(violations('tesTask', { id: 'x', state: 'QUEUED', executors: [], extra: 1 })).not.toEqual(
    [],
  );
  expect(violations('tesTask', { state: 'DONE' })).not.toEqual([]);
});
