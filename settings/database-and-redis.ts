import { withCredentials } from './credentials.ts';
import { MINUTE_MS, SECOND_MS, text, url, whole, type Section, type Setting } from './setting.ts';

/** mysql2 reads the value of `ssl` as the name of a profile or as JSON. */
const withTls = (setting: Setting<string>): Setting<string> => ({
  ...setting,
  parse(given) {
    const parsed = setting.parse(given);
    const tls = new URL(parsed).searchParams.get('ssl');
    if (tls !== null && tls !== 'Amazon RDS' && !isJsonObject(tls))
      throw new Error(
        'expected ssl=Amazon%20RDS, or ssl= and a JSON object such as {"verifyIdentity":true}',
      );
    return parsed;
  },
});

function isJsonObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}

export const databaseAndRedis = {
  heading: 'Database and Redis',
  settings: {
    databaseUrl: withTls(
      withCredentials(
        url({
          variable: 'DATABASE_URL',
          fallback: 'mysql://batchwell:batchwell@127.0.0.1:3306/batchwell',
          protocols: ['mysql:'],
          effect:
            'URL of the database: MySQL 8, Aurora MySQL or MariaDB 10.11. With ' +
            '?ssl=Amazon%20RDS at its end, connections use TLS and trust the CAs of Amazon RDS.',
          secret: true,
        }),
        'DATABASE_PASSWORD',
      ),
    ),
    databaseUser: text({
      variable: 'DATABASE_USER',
      fallback: '',
      effect: 'User of the database. The one in DATABASE_URL when empty.',
    }),
    databasePassword: text({
      variable: 'DATABASE_PASSWORD',
      fallback: '',
      effect:
        'Password of the database, with any characters and not encoded. The one in DATABASE_URL ' +
        'when empty.',
      secret: true,
    }),
    databaseConnections: whole({
      variable: 'BATCHWELL_DATABASE_CONNECTIONS',
      fallback: 8,
      unit: 'connections',
      range: [1, 200],
      effect:
        'Size of the connection pool of each process. An API opens up to 4 more to accept tasks.',
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
    redisUrl: withCredentials(
      url({
        variable: 'REDIS_URL',
        fallback: 'redis://127.0.0.1:6379',
        protocols: ['redis:', 'rediss:'],
        effect:
          'URL of Redis or Valkey, which must run with maxmemory-policy noeviction. With ' +
          'rediss://, connections use TLS. In cluster mode, any of its nodes.',
        secret: true,
      }),
      'REDIS_PASSWORD',
    ),
    redisUser: text({
      variable: 'REDIS_USER',
      fallback: '',
      effect: 'User of Redis. The one in REDIS_URL, or the default user, when empty.',
    }),
    redisPassword: text({
      variable: 'REDIS_PASSWORD',
      fallback: '',
      effect:
        'Password of Redis, with any characters and not encoded. The one in REDIS_URL when empty.',
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
