/** For load balancers, orchestrators and Prometheus; open to all. */
import type { Queues } from '../../queues/queues.ts';
import type { Api } from '../parts.ts';
import type { ApiServices } from '../services.ts';

const tags = ['Operations'];
const LONGEST_CHECK_MS = 2000;

/** '' when all is well, else what is wrong. A connection that hangs counts as one that fails. */
async function check(look: () => Promise<unknown>): Promise<string> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve(`no answer within ${LONGEST_CHECK_MS} ms`), LONGEST_CHECK_MS);
  });
  try {
    return await Promise.race([look().then(() => ''), timeout]);
  } catch (error) {
    return error instanceof Error ? error.message || error.name : String(error);
  } finally {
    clearTimeout(timer);
  }
}

async function pingRedis({ redis }: Queues): Promise<void> {
  // A ping given to a connection that is down would wait until it is up.
  if (redis.status !== 'ready') throw new Error(`the connection is ${redis.status}`);
  await redis.ping();
}

export function healthRoutes(api: Api, { database, queues, registry }: ApiServices): void {
  api.get('/healthz', { schema: { tags, summary: 'The process is alive' } }, async () => ({ status: 'alive' }));

  api.get('/readyz', { schema: { tags, summary: 'MySQL and Redis answer' } }, async (_request, reply) => {
    const [mysql, redis] = await Promise.all([check(() => database.pool.query('SELECT 1')), check(() => pingRedis(queues))]);
    const ready = mysql === '' && redis === '';
    return reply.code(ready ? 200 : 503).send({ status: ready ? 'ready' : 'not ready', mysql: mysql || 'ok', redis: redis || 'ok' });
  });

  api.get('/metrics', { schema: { tags, summary: 'For Prometheus' } }, async (_request, reply) => reply.type(registry.contentType).send(await registry.metrics()));
}
