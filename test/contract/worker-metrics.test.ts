/** A worker's /metrics on real MariaDB and Redis. */
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { readConfig } from '../../config.ts';
import { migrateDatabase } from '../../db/client.ts';
import { createLog } from '../../telemetry/log.ts';
import { startWorkers, type Workers } from '../../workers/main.ts';
import { startLocalS3, type LocalS3 } from '../../packages/local-aws/s3/server.ts';
import { readOps } from '../ops-files.ts';
import { freshDatabase, freshRedis, type FreshRedis } from '../world.ts';

let redis: FreshRedis;
let s3: LocalS3;
let workers: Workers;

beforeAll(async () => {
  const database = await freshDatabase();
  redis = await freshRedis();
  await migrateDatabase(database.url);
  const config = {
    ...readConfig({}),
    databaseUrl: database.url,
    redisUrl: redis.url,
    metricsPort: 0,
  };
  s3 = await startLocalS3({
    dataFolder: await mkdtemp(join(tmpdir(), 'batchwell-metrics-s3-')),
    createBuckets: [config.bucket],
  });
  Object.assign(process.env, {
    AWS_ENDPOINT_URL_S3: s3.url,
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
    AWS_REGION: 'us-east-1',
  });
  workers = await startWorkers(config, {
    stages: ['stage-script'],
    log: createLog({ level: 'silent', name: 'test' }),
  });
});

afterAll(async () => {
  await workers?.close();
  await s3?.close();
  await redis?.drop();
});

it('the SQL of the runbook runs in its order on one connection', async () => {
  const statements = [...readOps('docs/runbook.md').matchAll(/```sql\n([^`]+)```/g)].flatMap(
    ([, block]) => (block ?? '').split(';').filter((part) => part.trim() !== ''),
  );
  expect(statements.length).toBeGreaterThan(5);
  const connection = await workers.runtime.database.lease();
  try {
    for (const statement of statements) await connection.query(statement);
  } finally {
    connection.release();
  }
});

const scrape = async (): Promise<string> => (await fetch(workers.metricsUrl)).text();

it('the age of a delayed message begins when it was last taken, and a requested delay does not count', async () => {
  const { queues } = workers.runtime;
  const queue = queues.byStage.poll; // nobody works on it here
  const job = await queue.add(
    'poll',
    { queue: 'q' },
    { timestamp: Date.now() - 3_600_000, delay: 3_595_000 },
  );
  await job.promote();
  expect((await queues.depth('poll')).oldestMs).toBeLessThan(60_000);
  await redisOf().hset(
    `${queue.toKey(String(job.id))}`,
    'processedOn',
    // A second more than is asked for: the fleet's clock is not this one.
    Date.now() - 3000,
    'timestamp',
    1,
  );
  const { oldestMs } = await queues.depth('poll');
  expect(oldestMs).toBeGreaterThanOrEqual(2000);
  expect(oldestMs).toBeLessThan(60_000);
});

it('a delayed message whose time has passed is overdue, and one whose time comes is not', async () => {
  const { queues } = workers.runtime;
  const queue = queues.byStage.finalize; // nobody works on it here
  const nowMs = Date.now();
  await queue.add('finalize', { tasks: [1] }, { timestamp: nowMs - 60_000, delay: 1000 });
  await queue.add('finalize', { tasks: [2] }, { timestamp: nowMs, delay: 3_600_000 });
  expect(await queues.depth('finalize')).toMatchObject({ delayed: 2, overdue: 1 });
});

const redisOf = () => workers.runtime.queues.redis;

it('/metrics answers while Redis hangs, reports it, and has no stale depths', async () => {
  const before = await scrape();
  expect(before).toContain('batchwell_dependency_up{dependency="redis"} 1');
  expect(before).toContain('batchwell_dependency_up{dependency="mysql"} 1');
  expect(before).toContain('batchwell_queue_messages{stage="submit",state="waiting"} 0');
  expect(before).toContain('batchwell_stage_workers{stage="stage-script"} 1');
  expect(before).toContain('batchwell_stage_workers{stage="submit"} 0');
  // A Redis that hangs is the worse case: nothing is refused, every command just waits.
  process.kill(redis.pid, 'SIGSTOP');
  const [after, ready, alive] = await Promise.all([
    scrape(),
    fetch(new URL('/readyz', workers.metricsUrl)),
    fetch(new URL('/healthz', workers.metricsUrl)),
  ]).finally(() => process.kill(redis.pid, 'SIGCONT'));
  expect(after).toContain('batchwell_dependency_up{dependency="redis"} 0');
  expect(after).toContain('batchwell_dependency_up{dependency="mysql"} 1');
  expect(after).not.toContain('batchwell_queue_messages{');
  expect([ready.status, await ready.json()]).toEqual([503, { away: ['redis'] }]);
  // ECS asks this, so that a failover replaces no worker.
  expect(alive.status).toBe(200);
  await vi.waitFor(
    async () =>
      expect(await scrape()).toContain(
        'batchwell_queue_messages{stage="submit",state="waiting"} 0',
      ),
    { timeout: 10_000, interval: 50 },
  );
});
