/**
 * The queue board. It is read-only: messages are created and retried from the rows, never by hand.
 */
import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { FastifyAdapter } from '@bull-board/fastify';
import type { Database } from '../../db/client.ts';
import { readTaskIds } from '../../db/task-views.ts';
import { requireRedis } from '../../queues/connect.ts';
import { guardRoutes } from '../access/require-token.ts';
import { messageOf } from '../error-message.ts';
import { failure } from '../http/errors.ts';
import type { Api } from '../dependencies.ts';
import type { ApiContext } from '../context.ts';

export async function boardRoutes(
  api: Api,
  { queues, callers, database }: ApiContext,
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
  api.addHook('onSend', async (request, _reply, payload) =>
    request.method === 'GET' && typeof payload === 'string' && JOBS.test(request.url)
      ? nameTasks(database, payload)
      : payload,
  );
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

/** Replies of the board that have messages in them. */
const JOBS = /\/api\/queues(\/[^/?]+\/[^/?]+)?(\?|$)/;
/** Of one message; the others of it stay numbers. */
const NAMED_TASKS = 100;

interface BoardJob {
  name?: string;
  data?: { tasks?: unknown };
}

interface BoardReply {
  queues?: { jobs?: BoardJob[] }[];
  job?: BoardJob;
}

/** Messages name rows by number. People know tasks by their ids. */
async function nameTasks({ pool }: Pick<Database, 'pool'>, payload: string): Promise<string> {
  const body = readReply(payload);
  const jobs = [...(body?.queues ?? []).flatMap(({ jobs: some = [] }) => some), body?.job ?? {}];
  const named = jobs.flatMap((job) => {
    const tasks = job.data?.tasks;
    return Array.isArray(tasks) && tasks.every(Number.isSafeInteger)
      ? [{ job, tasks: tasks as number[] }]
      : [];
  });
  if (named.length === 0) return payload;
  const wanted = named.flatMap(({ tasks }) => tasks.slice(0, NAMED_TASKS));
  // Without MySQL the board shows the numbers.
  const ids = await readTaskIds(pool, wanted).catch(() => new Map<number, string>());
  for (const { job, tasks } of named) {
    const [first] = tasks;
    const name = first === undefined ? undefined : ids.get(first);
    const others = tasks.length > 1 ? ` and ${tasks.length - 1} more` : '';
    if (name !== undefined) job.name = `${job.name ?? ''}: ${name}${others}`;
    job.data = { ...job.data, tasks: tasks.map((id) => ids.get(id) ?? id) };
  }
  return JSON.stringify(body);
}

function readReply(payload: string): BoardReply | undefined {
  try {
    return JSON.parse(payload) as BoardReply;
  } catch {
    return undefined;
  }
}
