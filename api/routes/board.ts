/**
 * The queue board. It is read-only: messages are created and retried from the rows, never by hand.
 */
import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { FastifyAdapter } from '@bull-board/fastify';
import { guardRoutes } from '../access/require-token.ts';
import type { Api } from '../dependencies.ts';
import type { ApiContext } from '../context.ts';

export async function boardRoutes(
  api: Api,
  { queues, callers }: ApiContext,
  path: string,
): Promise<void> {
  guardRoutes(api, callers, { allowBasic: true, scope: 'admin' });
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
