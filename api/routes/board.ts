/**
 * The queue board. It is read-only: messages are created and retried from the rows, never by hand.
 */
import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { FastifyAdapter } from '@bull-board/fastify';
import { requireRedis } from '../../queues/connect.ts';
import { guardRoutes } from '../access/require-token.ts';
import { messageOf } from '../error-message.ts';
import { failure } from '../http/errors.ts';
import type { Api } from '../dependencies.ts';
import type { ApiContext } from '../context.ts';

export async function boardRoutes(
  api: Api,
  { queues, callers }: ApiContext,
  path: string,
): Promise<void> {
  guardRoutes(api, callers, { allowBasic: true, scope: 'admin' });
  // A command would wait until Redis is back, and the page with it.
  api.addHook('preHandler', async (_request, reply) => {
    const error = await requireRedis(queues.redis).catch(messageOf);
    if (error === undefined) return undefined;
    const body = failure(503, `Redis is unavailable: ${error}. Try again in 5 s.`);
    return reply.code(503).header('retry-after', 5).send(body);
  });
  const server = new FastifyAdapter();
  server.setBasePath(path);
  createBullBoard({
    queues: Object.values(queues.byStage).map(
      (queue) => new BullMQAdapter(queue, { readOnlyMode: true }),
    ),
    serverAdapter: server,
    options: { uiConfig: { boardTitle: 'Batchwell' } },
  });
  await api.register(server.registerPlugin());
}
