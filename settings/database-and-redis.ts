import { text, url, whole, type Section } from './setting.ts';

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
    redisUrl: url({
      variable: 'REDIS_URL',
      fallback: 'redis://127.0.0.1:6379',
      protocols: ['redis:', 'rediss:'],
      effect: 'URL of Redis or Valkey, which must run with maxmemory-policy noeviction.',
      secret: true,
    }),
    redisPrefix: text({
      variable: 'BATCHWELL_REDIS_PREFIX',
      fallback: '{batchwell}',
      effect:
        'Prefix of every key in Redis. Fleets that share one Redis need different prefixes. The ' +
        'part in braces keeps all keys on one shard, which a Redis in cluster mode requires.',
    }),
  },
} satisfies Section;
