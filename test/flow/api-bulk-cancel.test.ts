import { afterAll, beforeAll, expect, test } from 'vitest';
import { startApiWorld, type ApiWorld } from '../api-world.ts';

let world: ApiWorld;
beforeAll(async () => {
  world = await startApiWorld({ tokens: ['ann:secret-a', 'bob:secret-b'] });
});
afterAll(() => world.close());

const call = (path: string, body: unknown, token = 'secret-a') =>
  world.call('POST', path, body, { authorization: `Bearer ${token}` });
const post = async (tags: Record<string, string>, token?: string): Promise<string> =>
  (await call('/v1/tasks', { tags, executors: [{ image: 'alpine', command: ['true'] }] }, token))
    .json.id;
const stateOf = async (id: string, token = 'secret-a'): Promise<string> =>
  (await world.call('GET', `/v1/tasks/${id}`, undefined, { authorization: `Bearer ${token}` })).json
    .state;
const cancel = async (body: unknown) => {
  const { status, text } = await call('/v1/tasks:cancel', body);
  return { status, ...(JSON.parse(text) as Record<string, unknown>) };
};

test('POST /v1/tasks:cancel by id cancels known tasks once and names unknown ids', async () => {
  const [one, two, theirs] = [await post({}), await post({}), await post({}, 'secret-b')];
  const ids = [one, two, theirs, 'task-1-zzzzzz', 'nonsense'];
  expect(await cancel({ ids })).toEqual({
    status: 200,
    cancelled: 2,
    unknown_ids: [theirs, 'task-1-zzzzzz', 'nonsense'],
  });
  expect(await cancel({ ids: [one] })).toMatchObject({
    status: 200,
    cancelled: 0,
    unknown_ids: [],
  });
  expect([await stateOf(one), await stateOf(two), await stateOf(theirs, 'secret-b')]).toEqual([
    'CANCELED',
    'CANCELED',
    'QUEUED',
  ]);
});

test('POST /v1/tasks:cancel by tags cancels the owner’s tasks that have all of the tags', async () => {
  const [both, one, theirs] = [
    await post({ run: '7', step: 'a' }),
    await post({ run: '7' }),
    await post({ run: '7', step: 'a' }, 'secret-b'),
  ];
  expect(await cancel({ tags: { run: '7', step: '' } })).toMatchObject({ cancelled: 1 });
  expect([await stateOf(both), await stateOf(one), await stateOf(theirs, 'secret-b')]).toEqual([
    'CANCELED',
    'QUEUED',
    'QUEUED',
  ]);
  expect(await cancel({ tags: { run: '7' } })).toMatchObject({ cancelled: 1 });
});

test('POST /v1/tasks:cancel by tags cancels more tasks than one round holds', async () => {
  const rows = Array.from({ length: 2300 }, (_, at) => ({ at }));
  await call('/v1/scatters', {
    name: 'wide',
    tags: { run: 'wide' },
    template: { executors: [{ image: 'alpine', command: ['echo', '{{at}}'] }] },
    rows,
  });
  expect(await cancel({ tags: { run: 'wide' } })).toMatchObject({ status: 200, cancelled: 2300 });
});

test('POST /v1/tasks:cancel cancels all tasks of a scatter', async () => {
  const { json } = await call('/v1/scatters', {
    template: { executors: [{ image: 'alpine', command: ['echo', '{{at}}'] }] },
    rows: [{ at: 1 }, { at: 2 }],
  });
  expect(await cancel({ scatter: json.id })).toMatchObject({ status: 200, cancelled: 2 });
  expect(await cancel({ scatter: 'scatter-1-000000' })).toMatchObject({ status: 404 });
});

test.each([
  [{}],
  [{ ids: [], tags: { a: 'b' } }],
  [{ tags: {} }],
  [{ ids: [] }],
  [{ ids: [7] }],
  [[]],
  [{ tags: 'run' }],
])('POST /v1/tasks:cancel refuses %j and cancels nothing', async (body) => {
  const id = await post({});
  expect(await cancel(body)).toMatchObject({ status: 400 });
  expect(await stateOf(id)).toBe('QUEUED');
});
