import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTaskWaiter } from '../../api/tasks/wait.ts';
import { parseId } from '../../core/ids.ts';
import { readStandings } from '../../db/task-views.ts';
import { createLog } from '../../telemetry/log.ts';
import { startApiWorld, type ApiWorld } from '../api-world.ts';

let world: ApiWorld;
beforeAll(async () => {
  world = await startApiWorld();
});
afterAll(() => world.close());

const post = async (): Promise<string> =>
  (await world.call('POST', '/v1/tasks', { executors: [{ image: 'alpine', command: ['true'] }] }))
    .json.id;
const wait = (id: string, seconds: string) => world.call('GET', `/v1/tasks/${id}?wait=${seconds}`);
const move = (ids: readonly string[], place: string, more = '') =>
  world.database.pool.query(`UPDATE tasks SET place = ? ${more} WHERE id IN (?)`, [
    place,
    ids.map((id) => parseId('task', id)?.key),
  ]);

test('a hundred waiting requests are answered when their tasks end', async () => {
  const ids = await Promise.all(Array.from({ length: 100 }, post));
  const answers = Promise.all(ids.map((id) => wait(id, '50s')));
  await move(ids, 'done', ', ended_ms = 5');
  expect(new Set((await answers).map(({ status, json }) => `${status} ${json.state}`))).toEqual(
    new Set(['200 COMPLETE']),
  );
});

test('a wait returns the current state of a task that has ended or does not change in time', async () => {
  const id = await post();
  expect((await wait(id, '1s')).json.state).toBe('QUEUED');
  await move([id], 'done', ', ended_ms = 5');
  expect((await wait(id, '50s')).json.state).toBe('COMPLETE');
  expect((await wait('task-1-000000', '50s')).status).toBe(404);
});

test.each(['', '51s', '5', '-1s', '1m'])('GET /tasks/{id}?wait=%j is refused', async (text) => {
  const id = await post();
  expect(await wait(id, text)).toMatchObject({
    status: 400,
    json: { problems: [expect.objectContaining({ field: 'wait' })] },
  });
});

test('a wait ends when the server closes, and when its client disconnects', async () => {
  const taskWaiter = createTaskWaiter({
    database: world.database,
    log: createLog({ level: 'silent', name: 'test' }),
  });
  const standing = (
    await readStandings(world.database.pool, [parseId('task', await post())?.key ?? 0])
  )[0];
  if (!standing) throw new Error('The task is not there.');
  const client = new AbortController();
  const ends: string[] = [];
  const waits = [
    taskWaiter.untilChanged(standing, 600_000, client.signal).then(() => ends.push('client')),
    taskWaiter
      .untilChanged(standing, 600_000, new AbortController().signal)
      .then(() => ends.push('server')),
  ];
  client.abort();
  await waits[0];
  taskWaiter.close();
  await waits[1];
  expect(ends).toEqual(['client', 'server']);
});
