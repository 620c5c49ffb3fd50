/** GET /tasks/{id}: the end of a task is shown once its outputs are on the mount. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { bringsHome } from '../../core/files/cromwell-proxy.ts';
import type { ProxyDependencies } from './dependencies.ts';
import type { LastStates } from './last-states.ts';
import { headersOf, parseJson, queryOf, relay } from './pass-on.ts';

export type WithId = FastifyRequest<{ Params: { id: string } }>;

/** The API sends it with a state from memory, which may lack the outputs. */
const LAST_KNOWN = 'x-batchwell-last-known';

export async function showTask(
  { states, upstream, bringHome, token }: ProxyDependencies & { states: LastStates },
  request: WithId,
  reply: FastifyReply,
  connected: AbortSignal,
): Promise<FastifyReply> {
  const { id } = request.params;
  const headers = headersOf(request, token);
  const path = `/tasks/${encodeURIComponent(id)}`;
  const owner = headers['authorization'] ?? '';
  const answer = await upstream.ask(
    { method: 'GET', path: path + queryOf(request), headers },
    connected,
  );
  // Any answer but 2xx would make Cromwell fail the call.
  if (!answer)
    return reply.send({
      id,
      state: states.recall(owner, id) ?? 'UNKNOWN',
      ...(/[?&]view=(?:FULL|BASIC)\b/.test(queryOf(request)) && { executors: [], logs: [] }),
    });
  const task = parseJson(answer.text) as { state?: string } | undefined;
  if (answer.status >= 300 || task?.state === undefined) return relay(reply, answer);

  const readTask = async (): Promise<unknown> => {
    // Without a signal: the copy goes on when the poll that started it has ended.
    const full = await upstream.ask({ method: 'GET', path: `${path}?view=FULL`, headers });
    return full?.status === 200 && !full.headers.has(LAST_KNOWN) ? parseJson(full.text) : undefined;
  };
  const isShown = !bringsHome(task.state) || (await bringHome.isHome(id, readTask, connected));
  const state = isShown ? task.state : 'RUNNING';
  states.remember(owner, id, state);
  return isShown ? relay(reply, answer) : reply.send({ ...task, state });
}
