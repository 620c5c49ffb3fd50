/** Health and metrics, for load balancers, orchestrators and Prometheus. They need no token. */
import { requirePrimaryNow } from '../../db/client.ts';
import { pingRedis } from '../../queues/connect.ts';
import { checkDependencies, reportConnections } from '../../telemetry/dependencies.ts';
import type { Api } from '../dependencies.ts';
import type { ApiContext } from '../context.ts';

const tags = ['Operations'];

export function healthRoutes(api: Api, { database, queues, metrics }: ApiContext): void {
  const check = () =>
    checkDependencies(
      { mysql: () => requirePrimaryNow(database), redis: () => pingRedis(queues.redis) },
      metrics,
    );

  api.get(
    '/healthz',
    { schema: { tags, security: [], summary: 'Check that the process is alive' } },
    async () => ({
      status: 'alive',
    }),
  );

  api.get(
    '/readyz',
    {
      schema: {
        tags,
        security: [],
        summary: 'Check that MySQL and Redis answer and are primaries',
      },
    },
    async (_request, reply) => {
      const { mysql, redis } = await check();
      const ready = mysql === '' && redis === '';
      return reply.code(ready ? 200 : 503).send({
        status: ready ? 'ready' : 'not ready',
        mysql: mysql || 'ok',
        redis: redis || 'ok',
      });
    },
  );

  api.get(
    '/metrics',
    { schema: { tags, security: [], summary: 'Get metrics in the format of Prometheus' } },
    async (_request, reply) => {
      await check();
      reportConnections(metrics, database.connections());
      return reply.type(metrics.registry.contentType).send(await metrics.registry.metrics());
    },
  );
}
