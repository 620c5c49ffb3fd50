/** A worker's /metrics on real MariaDB and Redis, and what a real Prometheus makes of the dashboard and the rules. */
import { spawnSync } from 'node:child_process';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { readConfig } from '../../config.ts';
import { migrateDatabase } from '../../db/client.ts';
import { startOwnedServer, type OwnedServer } from '../../cli/services/owned-server.ts';
import { startOnPort } from '../../cli/services/ports.ts';
import { createLog } from '../../telemetry/log.ts';
import { startWorkers, type Workers } from '../../workers/main.ts';
import { startLocalS3, type LocalS3 } from '../../packages/local-aws/s3/server.ts';
import { alertNames, dashboardExpressions, opsPath, readOps } from '../ops-files.ts';
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

const hasPrometheus = spawnSync('prometheus', ['--version']).status === 0;

describe.skipIf(!hasPrometheus)(
  `a real Prometheus${hasPrometheus ? '' : ' (not installed: on Debian, apt-get install prometheus)'}`,
  () => {
    let server: OwnedServer & { url: string };

    beforeAll(async () => {
      const folder = await mkdtemp(join(tmpdir(), 'batchwell-prometheus-'));
      const config = {
        global: { scrape_interval: '1s', evaluation_interval: '1s' },
        rule_files: [opsPath('ops/prometheus/recording.yml'), opsPath('ops/prometheus/alerts.yml')],
        scrape_configs: [
          {
            job_name: 'batchwell-worker',
            static_configs: [{ targets: [new URL(workers.metricsUrl).host] }],
          },
        ],
      };
      // JSON is YAML.
      await writeFile(join(folder, 'prometheus.yml'), JSON.stringify(config));
      server = await startOnPort(undefined, async (port) => {
        const args = [
          `--config.file=${folder}/prometheus.yml`,
          `--storage.tsdb.path=${folder}/data`,
          `--web.listen-address=127.0.0.1:${port}`,
        ];
        const started = await startOwnedServer({
          title: 'Prometheus',
          program: 'prometheus',
          args,
          readyLine: /Server is ready to receive web requests/,
          readyWithinMs: 30_000,
          stopWithinMs: 10_000,
          temporaryFolder: folder,
        });
        return { ...started, url: `http://127.0.0.1:${port}` };
      });
      await vi.waitUntil(
        async () =>
          ((await query('up == 1')) as { data: { result: unknown[] } }).data.result.length === 1,
        { timeout: 20_000, interval: 100 },
      );
    });

    afterAll(() => server?.stop());

    const ask = async (path: string): Promise<unknown> => (await fetch(server.url + path)).json();
    const query = (expression: string): Promise<unknown> =>
      ask(`/api/v1/query?query=${encodeURIComponent(expression)}`);

    it('Prometheus accepts every expression of the dashboard', async () => {
      expect(dashboardExpressions.length).toBeGreaterThan(30);
      const answers = await Promise.all(
        dashboardExpressions.map(async (expression) => ({
          expression,
          ...((await query(expression)) as { status: string }),
        })),
      );
      expect(answers.filter(({ status }) => status !== 'success')).toEqual([]);
    });

    it('Prometheus refuses an expression that is not valid', async () => {
      expect(await query('sum(rate(batchwell_tasks_ended_total))')).toMatchObject({
        status: 'error',
        errorType: 'bad_data',
      });
    });

    it('Prometheus evaluates every rule without an error, and on an idle fleet only the alert for the missing API fires', async () => {
      await vi.waitFor(
        async () => {
          const { data } = (await ask('/api/v1/rules')) as {
            data: {
              groups: { rules: { name: string; health: string; type: string; state?: string }[] }[];
            };
          };
          const rules = data.groups.flatMap(({ rules }) => rules);
          expect(rules.filter(({ type }) => type === 'alerting').map(({ name }) => name)).toEqual(
            alertNames,
          );
          expect(rules.filter(({ health }) => health !== 'ok')).toEqual([]);
          expect(
            rules
              .filter(({ state }) => state !== undefined && state !== 'inactive')
              .map(({ name }) => name),
          ).toEqual(['BatchwellNoApi']);
        },
        { timeout: 20_000, interval: 100 },
      );
    });
  },
);

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

const redisOf = () => workers.runtime.queues.redis;

it('/metrics answers while Redis hangs, reports it, and has no stale depths', async () => {
  const before = await scrape();
  expect(before).toContain('batchwell_dependency_up{dependency="redis"} 1');
  expect(before).toContain('batchwell_dependency_up{dependency="mysql"} 1');
  expect(before).toContain('batchwell_queue_messages{stage="submit",state="waiting"} 0');
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
