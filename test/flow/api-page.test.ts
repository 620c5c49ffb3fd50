/** What the page asks of the API: summaries, failures, retries, the overview, and what operators do. */
import { request } from 'node:http';
import { afterAll, describe, expect, test } from 'vitest';
import type { FailureList, TaskSummary } from '../../api/schemas/summaries.ts';
import type { Overview, WorkerStatus } from '../../api/schemas/fleet.ts';
import { readRecentEnds } from '../../db/task-summaries.ts';
import { announceWorker } from '../../queues/fleet-workers.ts';
import { endTasks } from '../accept.ts';
import { jsonAs, startApiWorld } from '../api-world.ts';
import { attemptIn, endIn, keyOf, sqlIn } from '../tes-world.ts';
import { startTwoOwnersWorld } from '../two-owners-world.ts';

const { world, ada, bob, get, post, makeScatter, failedScatter } = await startTwoOwnersWorld();
afterAll(() => world.close());

describe('a session', () => {
  test('a session names the owner and the scopes of its token, and never the token', async () => {
    const answer = await get('/v1/session');
    expect(jsonAs<object>(answer)).toMatchObject({ owner: 'ada', tokens_required: true });
    expect(answer.text).not.toContain('ada-token');
    expect((await get('/v1/session', { authorization: 'Bearer wrong' })).status).toBe(401);
  });

  test('a token that may only administrate can ask what it is', async () => {
    const made = await post('/v1/tokens', { owner: 'ops', scopes: ['admin'] });
    const ops = { authorization: `Bearer ${jsonAs<{ token: string }>(made).token}` };
    expect(jsonAs<object>(await get('/v1/session', ops))).toMatchObject({ scopes: ['admin'] });
    expect((await get('/v1/overview', ops)).status).toBe(403);
  });
});

describe('summaries', () => {
  test('a summary shows name, place, row and failure, and other owners get none of it', async () => {
    const { id, tasks } = await failedScatter();
    const list = async (query: string, headers = ada) =>
      jsonAs<{ tasks: TaskSummary[] }>(await get(`/v1/summaries?scatter=${id}${query}`, headers));
    const { tasks: all } = await list('');
    expect(all.map((one) => one.id)).toEqual(tasks.toReversed());
    expect(all.at(-1)).toMatchObject({
      name: 'align',
      state: 'EXECUTOR_ERROR',
      place: 'failed',
      scatter: id,
      row: 0,
      failure: { code: 'executor-failed' },
    });
    const memory = await list('&failure=out-of-memory');
    expect(memory.tasks.map((one) => one.id)).toEqual([tasks[2]]);
    expect((await get(`/v1/summaries?scatter=${id}`, bob)).status).toBe(404);
  });

  test('the oldest unfinished tasks come first, of a scatter or of the owner', async () => {
    const { id, tasks } = await makeScatter(3);
    await endIn(world)(tasks[0] ?? '', 'done');
    const oldest = jsonAs<{ tasks: TaskSummary[] }>(
      await get(`/v1/summaries/oldest?scatter=${id}&limit=1`),
    );
    expect(oldest.tasks.map((one) => one.id)).toEqual([tasks[1]]);
    expect(oldest.tasks[0]?.waiting).toContain('cache-check');
    expect(jsonAs<object>(await get('/v1/summaries/oldest', bob))).toEqual({ tasks: [] });
  });

  test('how long tasks ran is of their own containers, by their records', async () => {
    const { id, tasks } = await makeScatter(1);
    const record = {
      startedMs: 8000,
      endedMs: 8900,
      executors: [],
      outputs: [],
      missingOutputs: [],
    };
    await attemptIn(world)(tasks[0] ?? '', {
      ended: { outcome: 'succeeded', exitCode: 0, result: record },
    });
    const { steps } = jsonAs<{ steps: { step: string; mean_ms: number }[] }>(
      await get(`/v1/scatters/${id}/steps`),
    );
    expect(steps.find(({ step }) => step === 'running')).toMatchObject({ mean_ms: 1000 });
  });

  test('the steps of a scatter have the mean and the longest time of its tasks', async () => {
    const { id, tasks } = await makeScatter(2);
    await sqlIn(world)(
      'UPDATE tasks SET checked_ms = created_ms + IF(id = ?, 1000, 3000) WHERE id IN (?)',
      [keyOf(tasks[0] ?? ''), tasks.map(keyOf)],
    );
    expect(jsonAs<object>(await get(`/v1/scatters/${id}/steps`))).toEqual({
      steps: [{ step: 'cache-check', tasks: 2, mean_ms: 2000, longest_ms: 3000 }],
    });
  });
});

describe('failures', () => {
  test('failures that differ only in names are one group, the largest first', async () => {
    const { id, tasks } = await failedScatter();
    const { failed, groups } = jsonAs<FailureList>(await get(`/v1/failures?scatter=${id}`));
    expect(failed).toBe(3);
    expect(groups.map(({ code, tasks: many }) => [code, many])).toEqual([
      ['executor-failed', 2],
      ['out-of-memory', 1],
    ]);
    expect(new Set(groups[0]?.examples)).toEqual(new Set(tasks.slice(0, 2)));
    expect((await get(`/v1/failures?scatter=${id}`, bob)).status).toBe(404);
    expect(jsonAs<FailureList>(await get('/v1/failures', bob)).failed).toBe(0);
  });
});

describe('the fleet', () => {
  const announce = (id: string, state: 'working' | 'drained' = 'working') =>
    announceWorker(world.queues.redis, world.config.redisPrefix, {
      id,
      host: 'host-1',
      pid: 7,
      version: '0.1.0',
      startedMs: 1_750_000_000_000,
      state,
      stages: [{ stage: 'submit', active: 1, concurrency: 16 }],
    });

  test('the overview counts what waits, says that stages have no worker, and shows a caller its own', async () => {
    await announce('w-1');
    const overview = jsonAs<Overview>(await get('/v1/overview'));
    expect(overview.health).toBe('failing');
    expect(overview.problems.map(({ message }) => message)).toContain('No worker runs finalize.');
    expect(overview.stages.find(({ stage }) => stage === 'submit')).toMatchObject({
      workers: 1,
      active: 1,
      concurrency: 16,
    });
    expect(overview.drain.backlog).toBeGreaterThan(0);
    expect(overview.hold_up.stage).toBe('cache-check');
    expect(overview.waiting).toMatchObject({ who: 'batchwell' });
    expect(overview.owners[0]).toMatchObject({ owner: 'ada' });
    const listed = overview.owners.reduce((sum, { tasks }) => sum + tasks, 0);
    expect(listed + overview.other_tasks).toBe(overview.drain.backlog);
    const made = await post('/v1/tokens', { owner: 'eve', scopes: ['read'] });
    const eve = { authorization: `Bearer ${jsonAs<{ token: string }>(made).token}` };
    const seen = jsonAs<Overview>(await get('/v1/overview', eve));
    expect(seen.owners).toMatchObject([{ owner: 'eve', tasks: 0 }]);
    expect(seen.other_tasks).toBe(seen.drain.backlog);
  });

  test('the rate of ends counts tasks that ended by themselves, and not cancelled ones', async () => {
    const { pool } = world.database;
    const { tasks } = await makeScatter(5);
    const before = await readRecentEnds(pool, 300_000);
    await endTasks(world.database, tasks.slice(0, 2));
    await endTasks(world.database, tasks.slice(2), { place: 'cancelled' });
    const after = await readRecentEnds(pool, 300_000);
    expect(after.tasks - before.tasks).toBe(2);
    expect(after.windowMs).toBeGreaterThanOrEqual(30_000);
  });

  test('an administrator drains a worker, which learns it, and lets it work again', async () => {
    await announce('w-2');
    expect((await post('/v1/workers/w-2:drain')).status).toBe(200);
    expect(await announce('w-2', 'drained')).toBe(true);
    const { workers } = jsonAs<{ workers: WorkerStatus[] }>(await get('/v1/workers'));
    expect(workers.find(({ id }) => id === 'w-2')).toMatchObject({
      state: 'drained',
      host: 'host-1',
    });
    expect((await post('/v1/workers/w-2:resume')).status).toBe(200);
    expect(await announce('w-2')).toBe(false);
    expect((await post('/v1/workers/nobody:drain')).status).toBe(404);
  });

  test('a paused stage keeps its messages until it is resumed', async () => {
    expect((await post('/v1/stages/finalize:pause')).status).toBe(200);
    expect(await world.queues.byStage.finalize.isPaused()).toBe(true);
    expect((await post('/v1/stages/finalize:resume')).status).toBe(200);
    expect(await world.queues.byStage.finalize.isPaused()).toBe(false);
    expect((await post('/v1/stages/nowhere:pause')).status).toBe(400);
  });

  test('messages that were laid aside are listed with the ids of their tasks, and retried', async () => {
    const { tasks } = await makeScatter(2);
    const { finalize } = world.queues.byStage;
    const job = await finalize.add('finalize', { tasks: tasks.map(keyOf) }, { attempts: 1 });
    await world.queues.redis.lrem(finalize.toKey('wait'), 0, job.id ?? '');
    await world.queues.redis.zadd(finalize.toKey('failed'), Date.now(), job.id ?? '');
    await world.queues.redis.hset(finalize.toKey(job.id ?? ''), {
      failedReason: 'S3 said no.',
      finishedOn: Date.now(),
      atm: 5,
    });
    const listed = await get('/v1/messages');
    expect(jsonAs<{ messages: object[] }>(listed).messages).toMatchObject([
      { stage: 'finalize', id: job.id, error: 'S3 said no.', tasks: 2, task_ids: tasks },
    ]);
    expect((await post('/v1/messages:retry', { stage: 'poll' })).text).toContain('"retried":0');
    const retried = await post('/v1/messages:retry', { stage: 'finalize', ids: [job.id] });
    expect(retried.text).toContain('"retried":1');
    expect(await job.getState()).toBe('waiting');
    expect((await post('/v1/messages:retry', { stage: 'nowhere' })).status).toBe(400);
  });

  test('the queue board names the tasks of a message by their ids', async () => {
    const { tasks } = await makeScatter(2);
    const { finalize } = world.queues.byStage;
    const job = await finalize.add('finalize', { tasks: tasks.map(keyOf) }, { delay: 60_000 });
    const basic = { authorization: `Basic ${Buffer.from('ada:ada-token').toString('base64')}` };
    const list = await get('/board/api/queues?activeQueue=finalize&status=delayed&page=1', basic);
    const [shown] = jsonAs<{ queues: { name: string; jobs: { id: string }[] }[] }>(list)
      .queues.flatMap(({ jobs }) => jobs)
      .filter(({ id }) => id === job.id);
    expect(shown).toMatchObject({ name: `finalize: ${tasks[0]} and 1 more`, data: { tasks } });
    const one = await get(`/board/api/queues/finalize/${job.id}`, basic);
    expect(jsonAs<object>(one)).toMatchObject({ job: { data: { tasks } } });
  });

  test('only administrators pause, drain, and see workers and messages', async () => {
    const made = await post('/v1/tokens', { owner: 'ada', scopes: ['read', 'submit', 'cancel'] });
    const plain = { authorization: `Bearer ${jsonAs<{ token: string }>(made).token}` };
    const answers = await Promise.all([
      post('/v1/stages/poll:pause', {}, plain),
      post('/v1/workers/w-2:drain', {}, plain),
      post('/v1/messages:retry', { stage: 'poll' }, plain),
      get('/v1/workers', plain),
      get('/v1/messages', plain),
    ]);
    expect(answers.map(({ status }) => status)).toEqual([403, 403, 403, 403, 403]);
  });
});

describe('the page', () => {
  test('the page needs no token, comes from here alone, and holds nothing inline', async () => {
    const page = await world.call('GET', '/');
    expect([page.status, page.headers.get('content-type')]).toEqual([
      200,
      'text/html; charset=utf-8',
    ]);
    expect(page.headers.get('content-security-policy')).toContain("script-src 'self'");
    expect(page.text).not.toMatch(/<script(?![^>]*src=)|<style|style=|https?:/);
    for (const [, url = ''] of page.text.matchAll(/(?:src|href)="(\/page[^"]*)"/g)) {
      const file = await world.call('GET', url);
      expect([file.status, file.text.length > 1000]).toEqual([200, true]);
      const etag = { 'if-none-match': file.headers.get('etag') ?? '' };
      expect((await world.call('GET', url, undefined, etag)).status).toBe(304);
    }
  });
});

test('where no tokens are required, another site cannot change anything', async () => {
  const open = await startApiWorld();
  try {
    const send = (headers: Record<string, string>, method = 'POST'): Promise<number> =>
      new Promise((resolve, reject) => {
        const path = method === 'GET' ? '/v1/tasks' : '/v1/scatters/none:cancel';
        request(open.url + path, { method, headers, agent: false }, (reply) =>
          resolve(reply.resume().statusCode ?? 0),
        )
          .on('error', reject)
          .end();
      });
    expect(await send({ 'sec-fetch-site': 'cross-site' })).toBe(403);
    expect(await send({ 'sec-fetch-site': 'same-origin' })).toBe(404);
    expect(await send({ origin: 'http://evil.example' })).toBe(403);
    expect(await send({ origin: open.url })).toBe(404);
    // A page whose own name leads to this machine is of the same site for its browser.
    const host = 'evil.example:8000';
    expect(await send({ host, origin: `http://${host}` })).toBe(403);
    expect(await send({ host }, 'GET')).toBe(403);
    expect(await send({ host: 'localhost:8000' }, 'GET')).toBe(200);
  } finally {
    await open.close();
  }
});
