import { describe, expect, test } from 'vitest';
import {
  checkBucket,
  checkPermission,
  checkQueue,
  type SeenEnvironment,
  type SeenQueue,
} from '../../core/doctor/check-aws.ts';
import { checkClocks } from '../../core/doctor/check-clock.ts';
import { checkDatabase, type DatabaseFacts } from '../../core/doctor/check-database.ts';
import { checkRates, checkRedis, type RedisFacts } from '../../core/doctor/check-redis.ts';
import { explainTask, type TaskFacts } from '../../core/doctor/explain-task.ts';
import { isIll, type Finding } from '../../core/doctor/finding.ts';

const lines = (findings: readonly Finding[]): string[] =>
  findings
    .filter(({ status }) => status !== 'ok')
    .map(({ check, status, found }) => `${status} ${check}: ${found}`);

const goodDatabase: DatabaseFacts = {
  version: '10.11.6-MariaDB-0+deb12u1',
  variables: {
    sql_mode: 'STRICT_TRANS_TABLES,NO_ZERO_DATE',
    read_only: 'OFF',
    max_allowed_packet: String(64 * 1024 ** 2),
    max_connections: '200',
    innodb_buffer_pool_size: String(1024 ** 3),
    innodb_flush_log_at_trx_commit: '1',
    log_bin: 'ON',
    sync_binlog: '1',
  },
  collation: 'utf8mb4_bin',
  applied: 2,
  expected: 2,
  stopReason: null,
};
const goodInfo = {
  redis_version: '7.0.15',
  role: 'master',
  maxmemory_policy: 'noeviction',
  used_memory: '1000',
  maxmemory: '1000000',
  aof_enabled: '1',
  rdb_last_bgsave_status: 'ok',
};
const goodRedis: RedisFacts = {
  info: goodInfo,
  queues: [{ stage: 'submit', waiting: 3, failed: 0, oldestMs: 20 }],
};
const environment: SeenEnvironment = {
  name: 'ce',
  state: 'ENABLED',
  status: 'VALID',
  maxVcpus: 256,
  instanceTypes: ['m6i.large', 'm6i.4xlarge'],
};
const queue: SeenQueue = {
  name: 'spot',
  arn: 'arn:aws:batch:eu-west-1:1:job-queue/spot',
  state: 'ENABLED',
  status: 'VALID',
  hasSharePolicy: false,
  environments: [environment],
};

describe('a database', () => {
  test('a database as it should be has nothing to correct', () => {
    expect(lines(checkDatabase(goodDatabase))).toEqual([]);
    expect(lines(checkDatabase({ ...goodDatabase, version: '8.4.2' }))).toEqual([]);
    expect(lines(checkDatabase({ ...goodDatabase, version: '8.0.mysql_aurora.3.08.0' }))).toEqual(
      [],
    );
  });

  const cases: [string, Partial<DatabaseFacts>, string][] = [
    ['an old MySQL', { version: '5.7.44' }, 'wrong database version: MySQL 5.7.44'],
    ['an old MariaDB', { version: '10.6.1-MariaDB' }, 'wrong database version: MariaDB 10.6.1'],
    [
      'a reader',
      { variables: { ...goodDatabase.variables, innodb_read_only: '1' } },
      'wrong database role: innodb_read_only is set',
    ],
    ['an empty database', { applied: undefined }, 'wrong migrations: the database is empty'],
    ['an old schema', { applied: 1 }, 'wrong migrations: 1 of 2 are applied'],
    [
      'a schema of later',
      { applied: 3 },
      'wrong migrations: 3 are applied, and this version has 2',
    ],
    [
      'loose modes',
      { variables: { ...goodDatabase.variables, sql_mode: '' } },
      'note SQL modes: no strict mode in sql_mode (empty)',
    ],
    [
      'commits that can be lost',
      { variables: { ...goodDatabase.variables, innodb_flush_log_at_trx_commit: '2' } },
      'note durability: innodb_flush_log_at_trx_commit is 2',
    ],
    [
      'small packets',
      { variables: { ...goodDatabase.variables, max_allowed_packet: '4194304' } },
      'wrong max_allowed_packet: 4194304 bytes',
    ],
    ['a fleet that stopped', { stopReason: 'restored' }, 'wrong installation: restored'],
  ];
  test.each(cases)('%s is found', (_, change, line) => {
    expect(lines(checkDatabase({ ...goodDatabase, ...change }))).toEqual([line]);
  });
});

describe('a Redis', () => {
  test('a Redis as it should be has nothing to correct', () => {
    expect(lines(checkRedis(goodRedis))).toEqual([]);
  });

  const cases: [string, Partial<RedisFacts['info']>, string][] = [
    ['an old one', { redis_version: '5.0.3' }, 'wrong Redis version: Redis 5.0.3'],
    ['a replica', { role: 'slave' }, 'wrong Redis role: slave'],
    ['one that evicts', { maxmemory_policy: 'allkeys-lru' }, 'wrong Redis policy: allkeys-lru'],
    ['a full one', { used_memory: '900000' }, 'wrong Redis memory: 1 MiB used of 1 MiB'],
    ['one without a limit', { maxmemory: '0' }, 'note Redis memory: 0 MiB used, without a limit'],
    [
      'one that cannot save',
      { rdb_last_bgsave_status: 'err' },
      'wrong Redis persistence: the last save failed (err)',
    ],
    ['one that keeps nothing', { aof_enabled: '0' }, 'note Redis persistence: no append-only file'],
  ];
  test.each(cases)('%s is found', (_, change, line) => {
    expect(lines(checkRedis({ ...goodRedis, info: { ...goodInfo, ...change } }))).toEqual([line]);
  });

  test('a stage that nobody runs is found by how long its first message waits', () => {
    const queues = [
      { stage: 'submit', waiting: 7, failed: 0, oldestMs: 90_000 },
      { stage: 'poll', waiting: 0, failed: 2, oldestMs: 0 },
    ];
    expect(lines(checkRedis({ ...goodRedis, queues }))).toEqual([
      'wrong stage submit: 7 messages wait, the first for 90 s',
      'note stage poll: 2 messages were laid aside after errors',
    ]);
  });
});

test('a fleet that AWS throttles is noted', () => {
  const rates = [
    { what: 'AWS Batch', perSecond: 20, limit: 20 },
    { what: 'SubmitJob', perSecond: 2.5, limit: 20 },
  ];
  expect(lines(checkRates(rates))).toEqual([
    'note request rate of SubmitJob: 2.5 of 20 per second: AWS throttled the fleet',
  ]);
});

test('clocks that differ by seconds are noted, and by minutes are wrong', () => {
  expect(lines(checkClocks({ database: 800, redis: -900 }))).toEqual([]);
  expect(lines(checkClocks({ database: 8000, redis: 10 }))).toEqual([
    'note clock: 8 s ahead of the database',
  ]);
  expect(lines(checkClocks({ database: 8000, redis: -400_000 }))).toEqual([
    'wrong clock: 8 s ahead of the database, -400 s ahead of Redis',
  ]);
  expect(checkClocks({ database: undefined, redis: undefined })).toEqual([]);
});

describe('AWS', () => {
  const queues: [string, SeenQueue | undefined, string[]][] = [
    ['as it should be', queue, []],
    ['that does not exist', undefined, ['wrong job queue q: AWS Batch has no such queue']],
    ['that is disabled', { ...queue, state: 'DISABLED' }, ['wrong job queue q: disabled']],
    [
      'that is invalid',
      { ...queue, status: 'INVALID', statusReason: 'why' },
      ['wrong job queue q: INVALID: why'],
    ],
    [
      'whose compute environment is invalid',
      {
        ...queue,
        environments: [{ ...environment, status: 'INVALID', statusReason: 'CLIENT_ERROR - role' }],
      },
      [
        'wrong compute environment ce: INVALID: CLIENT_ERROR - role',
        'wrong job queue q: none of its compute environments can start a host',
      ],
    ],
    [
      'with one of two compute environments disabled',
      { ...queue, environments: [environment, { ...environment, name: 'b', state: 'DISABLED' }] },
      ['note compute environment b: disabled'],
    ],
    [
      'whose compute environment has no room',
      { ...queue, environments: [{ ...environment, maxVcpus: 0 }] },
      [
        'wrong compute environment ce: its largest size is 0 vCPUs',
        'wrong job queue q: none of its compute environments can start a host',
      ],
    ],
  ];
  test.each(queues)('a job queue %s', (_, seen, found) => {
    expect(lines(checkQueue('q', seen))).toEqual(found);
  });

  test('a bucket that serves has nothing to correct, and one that does not is told apart', () => {
    const good = {
      bucket: 'b',
      etags: 'distinct',
      encryption: 'AES256',
      isReadBack: true,
    } as const;
    expect(lines(checkBucket(good))).toEqual([]);
    expect(
      lines(checkBucket({ ...good, etags: 'same', encryption: undefined, isReadBack: false })),
    ).toEqual([
      'wrong bucket b: an object that was just written reads otherwise',
      'note ETags: objects with different contents have one ETag',
      'note encryption: not told for a new object',
    ]);
  });

  test('a permission that is missing is wrong, and one that could not be asked for is not', () => {
    const asked = { action: 'batch:SubmitJob', words: 'w' };
    expect(checkPermission({ ...asked, answer: 'allowed' }).status).toBe('ok');
    expect(checkPermission({ ...asked, answer: 'denied' })).toMatchObject({
      status: 'wrong',
      advice: 'Allow batch:SubmitJob to the role of the workers.',
    });
    expect(checkPermission({ ...asked, answer: 'unknown' }).status).toBe('unknown');
  });
});

describe('a task', () => {
  const task: TaskFacts = { id: 't', state: 'QUEUED', cpuCores: 4, ramGb: 8, messages: [] };
  const cases: [string, Partial<TaskFacts>, string[], boolean][] = [
    [
      'in a queue that is disabled',
      { queue: 'spot', seenQueue: { ...queue, state: 'DISABLED' } },
      ['wrong job queue spot: disabled'],
      true,
    ],
    [
      'that fits no host',
      { cpuCores: 32, queue: 'spot', seenQueue: queue },
      ['wrong size: asks for 32 vCPUs and 8 GiB, and no host of the queue has more than 16 vCPUs'],
      true,
    ],
    [
      'whose image cannot be pulled',
      {
        jobId: 'j:1',
        job: { status: 'RUNNABLE', reason: 'CannotPullContainerError: pull access denied' },
      },
      ['wrong Batch job: RUNNABLE: CannotPullContainerError: pull access denied (j:1)'],
      true,
    ],
    [
      'whose role cannot be assumed',
      { jobId: 'j', job: { status: 'STARTING', reason: 'ECS was unable to assume the role' } },
      ['wrong Batch job: STARTING: ECS was unable to assume the role (j)'],
      true,
    ],
    [
      'whose host pulls an image',
      { jobId: 'j', job: { status: 'STARTING' } },
      ['note Batch job: STARTING (j)'],
      false,
    ],
    [
      'that a permission holds',
      { waiting: { for: 'permission', message: 'AWS denies SubmitJob' } },
      ['wrong state: QUEUED: AWS denies SubmitJob'],
      true,
    ],
    [
      'within the limit of its owner',
      { waiting: { for: 'owner-limit', message: 'Its owner may have 4' } },
      ['note state: QUEUED: Its owner may have 4'],
      false,
    ],
    [
      'whose queue may not be looked at',
      { queue: 'spot', unasked: 'CredentialsProviderError: none' },
      ['unknown job queue spot: could not be asked: CredentialsProviderError: none'],
      false,
    ],
    [
      'that failed',
      { state: 'SYSTEM_ERROR', messages: ['The image does not exist.'] },
      ['wrong state: SYSTEM_ERROR: The image does not exist.'],
      true,
    ],
    ['that succeeded', { state: 'COMPLETE' }, [], false],
  ];
  test.each(cases)('a task %s is explained', (_, change, found, ill) => {
    const findings = explainTask({ ...task, ...change });
    expect(lines(findings)).toEqual(found);
    expect(isIll(findings)).toBe(ill);
    const silent = findings.filter(({ status, advice }) => status !== 'ok' && !advice);
    expect(silent).toEqual([]);
  });

  test('a task that waits for an equal one leads to that', () => {
    const waiting = { for: 'equal-call', message: 'm', task: 'task-9' } as const;
    expect(explainTask({ ...task, waiting })[0]?.advice).toContain('batchwell doctor task-9');
  });
});
