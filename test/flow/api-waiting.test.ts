/** Why a task waits, over the API: `metadata.waiting` and events. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startApiWorld, type ApiWorld } from '../api-world.ts';
import { attemptIn, keyOf, simple, sqlIn, TES } from '../tes-world.ts';

const LIMIT = 3;
let world: ApiWorld;
let sql: ReturnType<typeof sqlIn>;
let startAttempt: ReturnType<typeof attemptIn>;
beforeAll(async () => {
  world = await startApiWorld({ ownerLimit: LIMIT });
  sql = sqlIn(world);
  startAttempt = attemptIn(world);
});
afterAll(() => world.close());

const post = async (): Promise<string> =>
  (await world.call('POST', `${TES}/tasks`, simple)).json.id;
const metadata = async (id: string): Promise<Record<string, string>> => {
  const { json } = await world.call('GET', `${TES}/tasks/${id}?view=BASIC`);
  return json.logs.at(-1)?.metadata ?? {};
};
const move = (id: string, place: string, more = '') =>
  sql(`UPDATE tasks SET place = ? ${more} WHERE id = ?`, [place, keyOf(id)]);

test('a task says what it waits for and since when, and no longer when it runs', async () => {
  const id = await post();
  await sql('UPDATE tasks SET moved_ms = 60000 WHERE id = ?', [keyOf(id)]);
  expect(await metadata(id)).toEqual({
    waiting: 'It has waited for a cache-check worker since 1970-01-01 00:01 UTC.',
    waiting_for: 'worker',
    waiting_since: '1970-01-01T00:01:00.000Z',
  });
  await move(id, 'submit', ', shape = REPEAT(0x00, 16)');
  expect((await metadata(id))['waiting_for']).toBe('company');

  const key = await startAttempt(id);
  expect(await metadata(id)).toMatchObject({
    submission: key,
    waiting_for: 'capacity',
    // It is the second of its array.
    waiting_ahead: '1',
  });
  await sql(
    `UPDATE submissions SET waiting_for = 'permission', waiting_ms = 120000,
      waiting_reason = 'AccessDeniedException: not authorized to perform: batch:DescribeJobs' WHERE submission_key = ?`,
    [key],
  );
  expect(await metadata(id)).toMatchObject({
    waiting: expect.stringMatching(/^AWS denies DescribeJobs since 1970-01-01 00:02 UTC: /),
    waiting_since: '1970-01-01T00:02:00.000Z',
  });
  await sql('UPDATE attempts SET started_ms = 5 WHERE task_id = ?', [keyOf(id)]);
  expect(await metadata(id)).not.toHaveProperty('waiting');
});

test('a task counts those that are ahead of it in its job queue, and none behind it', async () => {
  await sql("UPDATE submissions SET state = 'ended'");
  const ids = [await post(), await post(), await post()];
  for (const [at, id] of ids.entries()) {
    const key = await startAttempt(id);
    await sql("UPDATE submissions SET queue = 'line', unstarted = ? WHERE submission_key = ?", [
      at + 5,
      key,
    ]);
  }
  const ahead = await Promise.all(ids.map(async (id) => (await metadata(id))['waiting_ahead']));
  expect(ahead).toEqual(['1', '6', '12']);
});

test('an owner at its limit is told so', async () => {
  const id = await post();
  await move(id, 'submit', ', shape = REPEAT(0x00, 16)');
  await sql("UPDATE submissions SET open = ?, owner = '' WHERE state <> 'ended' LIMIT 1", [LIMIT]);
  await expect
    .poll(async () => (await metadata(id))['waiting'], { timeout: 10_000 })
    .toMatch(/^Its owner may have 3 attempts in AWS Batch at once, and has \d+\./);
});

test('an equal task is named to its owner, and not to another owner', async () => {
  const [leader, follower] = [await post(), await post()];
  await sql('UPDATE tasks SET waits_for = ? WHERE id = ?', [keyOf(leader), keyOf(follower)]);
  expect(await metadata(follower)).toMatchObject({
    waiting_for: 'equal-call',
    waiting_task: leader,
  });
  await sql("UPDATE tasks SET owner = 'other' WHERE id = ?", [keyOf(leader)]);
  const told = await metadata(follower);
  expect(told).toMatchObject({ waiting_for: 'equal-call' });
  expect(told).not.toHaveProperty('waiting_task');
  expect(JSON.stringify(told)).not.toContain(leader);
});

test('an event says why its task waits', async () => {
  const id = await post();
  const controller = new AbortController();
  const reply = await fetch(`${world.url}/v1/events?task=${id}`, { signal: controller.signal });
  let text = '';
  for await (const part of reply.body ?? []) {
    text += Buffer.from(part).toString('utf8');
    if (text.includes('event: task')) break;
  }
  controller.abort();
  const [, data = '{}'] = /event: task\ndata: (.*)\n/.exec(text) ?? [];
  expect(JSON.parse(data)).toMatchObject({
    task: id,
    state: 'QUEUED',
    waiting: { for: 'worker', message: expect.stringContaining('cache-check worker') },
  });
});
