/** Retries of failed and cancelled tasks, as new tasks. */
import { afterAll, describe, expect, test, vi } from 'vitest';
import type { FailureList } from '../../api/schemas/summaries.ts';
import type { Template } from '../../core/task/template.ts';
import { jsonAs } from '../api-world.ts';
import { attemptIn, keyOf, sqlIn } from '../tes-world.ts';
import { startTwoOwnersWorld } from '../two-owners-world.ts';

const SECRET = 'arn:aws:secretsmanager:us-east-1:123456789012:secret:lab-AbCdEf';
const { world, ada, bob, template, get, post, fail, makeScatter, failedScatter } =
  await startTwoOwnersWorld();
afterAll(() => world.close());

describe('a retry', () => {
  test('a retry of a scatter is a new scatter of its failed tasks, once for each key', async () => {
    const { id, tasks } = await failedScatter();
    const key = { ...ada, 'idempotency-key': `retry-${id}` };
    const made = await post(`/v1/scatters/${id}:retry`, {}, key);
    expect(made.json).toMatchObject({ tasks: 3 });
    const again = await post(`/v1/scatters/${id}:retry`, {}, key);
    expect(again.json.id).toBe(made.json.id);
    const scatter = await get(`/v1/scatters/${made.json.id}`);
    expect(scatter.json).toMatchObject({
      name: 'reads (retry)',
      size: 3,
      tags: { lab: 'x', retry_of: id },
      places: { 'cache-check': 3 },
    });
    const [first] = (await get(`/v1/scatters/${made.json.id}/tasks?view=FULL`)).json.tasks.slice(
      -1,
    );
    const [old] = [await get(`/ga4gh/tes/v1/tasks/${tasks[0]}?view=FULL`)];
    expect(first?.executors).toEqual(old.json.executors);
    expect(first?.outputs).toEqual(old.json.outputs);
  });

  test('a retry of one group takes only its tasks, and of a scatter without failures nothing', async () => {
    const { id } = await failedScatter();
    const { groups } = jsonAs<FailureList>(await get(`/v1/failures?scatter=${id}`));
    const memory = groups.find(({ code }) => code === 'out-of-memory')?.key;
    expect((await post(`/v1/scatters/${id}:retry`, { groups: [memory] })).json.tasks).toBe(1);
    const healthy = await makeScatter(1);
    const refused = await post(`/v1/scatters/${healthy.id}:retry`);
    expect([refused.status, refused.json.message]).toEqual([
      409,
      'No task of it has failed, so nothing is retried.',
    ]);
    expect((await post(`/v1/scatters/${id}:retry`, { groups: 'all' })).status).toBe(400);
    expect((await post(`/v1/scatters/${id}:retry`, {}, bob)).status).toBe(404);
  });

  test('a task is retried alone once it has failed, and not while it runs', async () => {
    const { tasks } = await failedScatter();
    const made = await post(`/v1/tasks/${tasks[2]}:retry`);
    expect(made.json.id).toMatch(/^task-/);
    expect(made.json.id).not.toBe(tasks[2]);
    expect((await post(`/v1/tasks/${made.json.id}:retry`)).status).toBe(409);
  });

  test('a cancelled task is retried once its container can write no output any more', async () => {
    const { tasks } = await makeScatter(1);
    const [id = ''] = tasks;
    await attemptIn(world)(id, { startedMs: 1 });
    expect((await post(`/ga4gh/tes/v1/tasks/${id}:cancel`)).status).toBe(200);
    const { status, json } = await post(`/v1/tasks/${id}:retry`);
    expect([status, json.message]).toEqual([
      409,
      'The task is cancelled, but its job has not ended in AWS Batch yet, and could overwrite the outputs of a retry. Try again in a minute.',
    ]);
    await sqlIn(world)(
      "UPDATE attempts SET outcome = 'cancelled', ended_ms = 2 WHERE task_id = ?",
      [keyOf(id)],
    );
    expect((await post(`/v1/tasks/${id}:retry`)).status).toBe(200);
  });

  test('a token that may not name the URLs of a task cannot retry it', async () => {
    const { id } = await failedScatter();
    const made = await post('/v1/tokens', { owner: 'ada', urls: ['s3://other'] });
    const narrow = { authorization: `Bearer ${jsonAs<{ token: string }>(made).token}` };
    const refused = await post(`/v1/scatters/${id}:retry`, {}, narrow);
    expect([refused.status, refused.json.message]).toEqual([
      403,
      expect.stringContaining('s3://lab/out/0'),
    ]);
    const read = await post('/v1/tokens', { owner: 'ada', scopes: ['read'] });
    const reader = { authorization: `Bearer ${jsonAs<{ token: string }>(read).token}` };
    expect((await post(`/v1/scatters/${id}:retry`, {}, reader)).status).toBe(403);
  });

  const failedTask = async (parameters: Record<string, string>): Promise<string> => {
    const resources = { backend_parameters: parameters, ram_gb: 3, preemptible: true };
    const { id } = (await post('/v1/tasks', { ...template, resources })).json;
    await fail(id, 'executor-failed', 'It failed.');
    return id;
  };
  const resourcesOf = async (id: string) => {
    const [rows] = await sqlIn(world)(
      'SELECT body FROM templates JOIN tasks ON template_id = templates.id WHERE tasks.id = ?',
      [keyOf(id)],
    );
    const [{ body }] = rows as [{ body: string }];
    return (JSON.parse(body) as Template).resources;
  };

  test('a retry does not bring back what the operator has withdrawn', async () => {
    const before = { ...world.config };
    Object.assign(world.config, { allowedSecrets: [SECRET] });
    const id = await failedTask({ secrets: `KEY=${SECRET}` });
    Object.assign(world.config, before);
    const { status, json } = await post(`/v1/tasks/${id}:retry`);
    expect([status, json.message]).toEqual([
      403,
      expect.stringContaining('resources.backend_parameters.secrets: expected '),
    ]);
  });

  test('a retry runs where the token that asks for it may run tasks', async () => {
    const made = await post('/v1/tokens', { owner: 'ada', queues: ['cheap', 'slow'] });
    const narrow = { authorization: `Bearer ${jsonAs<{ token: string }>(made).token}` };
    const id = await failedTask({ timeout: '60' });
    const retried = await post(`/v1/tasks/${id}:retry`, {}, narrow);
    expect(await resourcesOf(retried.json.id)).toEqual({
      ...(await resourcesOf(id)),
      queue: 'cheap',
    });
    const [same] = [await post(`/v1/tasks/${id}:retry`)];
    expect(await resourcesOf(same.json.id)).toEqual(await resourcesOf(id));
  });

  test('a retry of tasks that were deleted meanwhile makes no empty scatter', async () => {
    const { id, tasks } = await failedScatter();
    const scatters = (await get('/v1/scatters')).json.scatters.length;
    const { pool } = world.database;
    const query = pool.query.bind(pool);
    const pruning = vi.spyOn(pool, 'query').mockImplementation((async (sql, values) => {
      if (String(sql).includes('slot_values AS slotValues'))
        await query('DELETE FROM tasks WHERE id IN (?)', [tasks.map(keyOf)]);
      return query(sql, values);
    }) as typeof query);
    const refused = await post(`/v1/scatters/${id}:retry`);
    pruning.mockRestore();
    expect([refused.status, refused.json.message]).toEqual([
      409,
      'No task of it has failed, so nothing is retried.',
    ]);
    expect((await get('/v1/scatters')).json.scatters.length).toBe(scatters);
  });
});
