/** What a task printed, without following it: over HTTP, with a real database and a simulated S3. */
import { afterAll, describe, expect, test } from 'vitest';
import { startApiWorld } from '../api-world.ts';
import {
  endAttemptIn,
  endTaskIn,
  finishIn,
  followIn,
  LOG_SETTINGS,
  logsIn,
  postIn,
  rowOf,
  runIn,
  shipIn,
  sqlIn,
} from '../log-world.ts';
import { prefixOf } from '../tes-world.ts';

const world = await startApiWorld(LOG_SETTINGS);
afterAll(() => world.close());
const sql = sqlIn(world);
const post = postIn(world);
const run = runIn(world);
const endAttempt = endAttemptIn(world);
const endTask = endTaskIn(world);
const finish = finishIn(world);
const ship = shipIn(world);
const logs = logsIn(world);
const follow = followIn(world);

describe('a log without follow', () => {
  test('a running task returns the newest part of its log, and an ended task its whole log', async () => {
    const id = await post();
    const key = await run(id);
    expect(await logs(id)).toMatchObject({
      status: 404,
      json: { message: expect.stringContaining('has no stdout yet') },
    });
    ship(key, 'newest', { offset: 1000 });
    expect((await logs(id)).text).toBe('newest');
    expect((await logs(id, 'tail_bytes=3')).text).toBe('est');
    await finish(id, key, 'oldest to newest');
    expect((await logs(id)).text).toBe('oldest to newest');
  });

  test('an attempt without a result returns the log that it saved, or else the part uploaded last', async () => {
    const id = await post();
    const key = await run(id);
    ship(key, 'last seen', { batchAttempt: 3 });
    await endAttempt(id, { outcome: 'cancelled', batchAttempt: null });
    await endTask(id, 'cancelled');
    expect((await logs(id)).text).toBe('last seen');
    expect(await (await follow(id)).whole).toBe('last seen');
    world.logs.texts.set(
      `${prefixOf(key)}logs/00007/3/0.stdout`,
      'last seen, and saved after SIGTERM',
    );
    expect((await logs(id)).text).toBe('last seen, and saved after SIGTERM');
    expect(await (await follow(id)).whole).toBe('last seen, and saved after SIGTERM');
  });
});

test('a task that its caller cancelled says so, once, and not in Batch’s words', async () => {
  const id = await post();
  await run(id);
  await endAttempt(id, { outcome: 'cancelled', batchAttempt: null });
  await endTask(id, 'cancelled');
  const { json } = await world.call('GET', `/ga4gh/tes/v1/tasks/${id}?view=FULL`);
  expect(json).toMatchObject({
    state: 'CANCELED',
    logs: [{ system_logs: ['Cancelled by its caller.'] }],
  });
});

describe('a malformed request for a log', () => {
  test.each([
    ['follow=true&executor=2', 'executor'],
    ['from=1.1.0.0', 'from'],
    ['follow=true&from=yesterday', 'from'],
    ['follow=often', 'follow'],
    ['follow=true&tail_bytes=0', 'tail_bytes'],
    ['stream=stdin', 'stream'],
  ])('GET /v1/tasks/{id}/logs refuses %s and names the field', async (query, field) => {
    expect(await logs(await post(2), query)).toMatchObject({
      status: 400,
      json: { problems: [expect.objectContaining({ field })] },
    });
  });

  test('the log of an unknown task, or of another owner’s, is 404', async () => {
    expect((await logs('task-1-000000', 'follow=true')).status).toBe(404);
    const id = await post();
    await sql("UPDATE tasks SET owner = 'somebody' WHERE id = ?", [rowOf(id)]);
    expect((await logs(id, 'follow=true')).status).toBe(404);
  });
});
