import { MINUTE_MS, SECOND_MS, text, url, whole, type Section } from './setting.ts';

export const databaseAndRedis = {
  heading: 'Database and Redis',
  settings: {
    databaseUrl: url({
      variable: 'DATABASE_URL',
      fallback: 'mysql://batchwell:batchwell@127.0.0.1:3306/batchwell',
      protocols: ['mysql:'],
      effect: 'URL of the database: MySQL 8, Aurora MySQL or MariaDB 10.11.',
      secret: true,
    }),
    databaseConnections: whole({
      variable: 'BATCHWELL_DATABASE_CONNECTIONS',
      fallback: 8,
      unit: 'connections',
      range: [1, 200],
      effect: 'Size of the connection pool of each process.',
    }),
    apiStatementMs: whole({
      variable: 'BATCHWELL_API_STATEMENT_MS',
      fallback: 3 * SECOND_MS,
      unit: 'ms',
      range: [100, 10 * MINUTE_MS],
      effect:
        'Longest time that the API waits for a statement, and for a connection of its pool. After ' +
        'that it answers 503 and looks whether the database answers at all.',
    }),
    workerStatementMs: whole({
      variable: 'BATCHWELL_WORKER_STATEMENT_MS',
      fallback: MINUTE_MS,
      unit: 'ms',
      range: [1000, 60 * MINUTE_MS],
      effect:
        'Longest time that a worker waits for a statement, and for a connection of its pool. After ' +
        'that the message is processed again.',
    }),
    redisUrl: url({
      variable: 'REDIS_URL',
      fallback: 'redis://127.0.0.1:6379',
      protocols: ['redis:', 'rediss:'],
      effect: 'URL of Redis or Valkey, which must run with maxmemory-policy noeviction.',
      secret: true,
    }),
    redisPrefix: text({
      variable: 'BATCHWELL_REDIS_PREFIX',
      fallback: 'batchwell',
      effect: 'Prefix of every key in Redis. Fleets that share one Redis need different prefixes.',
    }),
  },
} satisfies Section;
