/** Cancels many tasks in one request. */
import { Type } from 'typebox';
import { moves } from '../../core/places.ts';
import { parseCancelRequest } from '../../core/task/cancel-request.ts';
import { readCancellable } from '../../db/cancel.ts';
import { listStandings } from '../../db/task-lists.ts';
import type { ApiContext } from '../context.ts';
import type { Api } from '../dependencies.ts';
import { notFound, refusal } from '../http/errors.ts';
import { failures } from '../schemas/replies.ts';
import { cancelAndNudge } from '../tasks/cancel.ts';
import { findScatter } from './scatters.ts';

export const CancelTasksRequest = Type.Object(
  {
    ids: Type.Optional(Type.Array(Type.String(), { description: 'Ids of up to 10,000 tasks' })),
    tags: Type.Optional(
      Type.Record(Type.String(), Type.String(), {
        description: 'Tags that the tasks must all have; an empty value matches any value',
      }),
    ),
    scatter: Type.Optional(Type.String({ description: 'Id of a scatter' })),
  },
  {
    description: 'Exactly one of ids, tags and scatter',
    oneOf: ['ids', 'tags', 'scatter'].map((one) => ({ required: [one] })),
  },
);

export const CancelTasksReply = Type.Object({
  cancelled: Type.Integer({ description: 'Number of tasks that had not ended' }),
  unknown_ids: Type.Array(Type.String(), {
    description: 'Ids in the request that name no task of yours',
  }),
});

const TASKS_PER_ROUND = 1000;

export function bulkCancelRoutes(api: Api, context: ApiContext): void {
  const schema = {
    tags: ['Tasks'],
    summary: 'Cancel many tasks: by id, by tags, or all tasks of a scatter',
    body: CancelTasksRequest,
    response: { 200: CancelTasksReply, ...failures },
  };
  api.post('/tasks::cancel', { config: { scope: 'cancel' }, schema }, async (request, reply) => {
    const wanted = parseCancelRequest(request.body);
    if ('problems' in wanted) return reply.code(400).send(refusal(wanted.problems));
    const { owner } = request.caller.access;
    if (wanted.by === 'ids') return cancelByIds(context, owner, wanted.ids);
    if (wanted.by === 'tags')
      return { cancelled: await cancelByTags(context, owner, wanted.tags), unknown_ids: [] };
    const scatter = await findScatter(context, owner, wanted.scatter);
    if (!scatter) return reply.code(404).send(notFound('scatter', wanted.scatter));
    const ids = await readCancellable(context.database.pool, scatter.id);
    return { cancelled: await cancel(context, ids), unknown_ids: [] };
  });
}

const cancel = (context: ApiContext, ids: readonly number[]): Promise<number> =>
  cancelAndNudge(context, context.nudgeSender, ids);

async function cancelByIds(context: ApiContext, owner: string, ids: readonly string[]) {
  const found = await Promise.all(ids.map((id) => context.reader.find(owner, id)));
  const known = found.flatMap((one) => one?.id ?? []);
  return {
    cancelled: await cancel(context, known),
    unknown_ids: ids.filter((_, position) => !found[position]),
  };
}

/**
 * Each round cancels the next tasks that match; tasks that arrive meanwhile with the same tags are
 * included.
 */
async function cancelByTags(
  context: ApiContext,
  owner: string,
  tags: Readonly<Record<string, string>>,
): Promise<number> {
  const wanted = Object.entries(tags).map(([key, value]) => ({ key, value }));
  for (let cancelled = 0; ;) {
    const standings = await listStandings(context.database.pool, {
      owner,
      tags: wanted,
      standing: { places: [...moves.cancel.from] },
      limit: TASKS_PER_ROUND,
    });
    const ids = standings.map(({ id }) => id);
    cancelled += await cancel(context, ids);
    if (standings.length < TASKS_PER_ROUND) return cancelled;
  }
}
