/** Cancels many tasks in one request. */
import { Type } from 'typebox';
import { parseCancelRequest, type CancelRequest } from '../../core/task/cancel-request.ts';
import { moves } from '../../core/places.ts';
import { readCancellable } from '../../db/cancel.ts';
import { listStandings } from '../../db/task-lists.ts';
import { cancelAndNudge } from '../tasks/cancel.ts';
import { notFound, refusal } from '../http/errors.ts';
import type { Api } from '../dependencies.ts';
import { failures } from '../schemas/replies.ts';
import type { ApiContext } from '../context.ts';
import { findScatter } from './scatters.ts';

export const CancelTasksRequest = Type.Object(
  {
    ids: Type.Optional(Type.Array(Type.String(), { description: 'At most 10,000' })),
    tags: Type.Optional(
      Type.Record(Type.String(), Type.String(), {
        description: 'All of them must be there; an empty value stands for any',
      }),
    ),
    scatter: Type.Optional(Type.String()),
  },
  { description: 'Exactly one of the three' },
);

export const CancelTasksReply = Type.Object({
  cancelled: Type.Integer({ description: 'Tasks that had not ended yet' }),
  unknown_ids: Type.Array(Type.String(), { description: 'Of those named, what is no task here' }),
});

const TASKS_AT_ONCE = 1000;

export function bulkCancelRoutes(api: Api, context: ApiContext): void {
  const schema = {
    tags: ['Tasks'],
    summary: 'Cancel many tasks: by id, by tags, or a scatter',
    body: CancelTasksRequest,
    response: { 200: CancelTasksReply, ...failures },
  };
  api.post('/tasks::cancel', { config: { scope: 'cancel' }, schema }, async (request, reply) => {
    const wanted = parseCancelRequest(request.body);
    if ('problems' in wanted) return reply.code(400).send(refusal(wanted.problems));
    const { owner } = request.caller.access;
    if (wanted.by === 'scatter') {
      const scatter = await findScatter(context, owner, wanted.scatter);
      if (!scatter) return reply.code(404).send(notFound('scatter', wanted.scatter));
      return {
        cancelled: await cancel(context, await readCancellable(context.database.pool, scatter.id)),
        unknown_ids: [],
      };
    }
    return wanted.by === 'ids'
      ? cancelByIds(context, owner, wanted.ids)
      : { cancelled: await cancelByTags(context, owner, wanted), unknown_ids: [] };
  });
}

const cancel = (context: ApiContext, ids: readonly number[]): Promise<number> =>
  cancelAndNudge(context, context.nudgeSender, ids);

async function cancelByIds(context: ApiContext, owner: string, ids: readonly string[]) {
  const found = await Promise.all(ids.map((id) => context.reader.find(owner, id)));
  return {
    cancelled: await cancel(
      context,
      found.flatMap((one) => one?.id ?? []),
    ),
    unknown_ids: ids.filter((_, position) => !found[position]),
  };
}

/** Each round finds those that are left; tasks that come meanwhile with the same tags are cancelled, too. */
async function cancelByTags(
  context: ApiContext,
  owner: string,
  { tags }: CancelRequest & { by: 'tags' },
): Promise<number> {
  const wanted = Object.entries(tags).map(([key, value]) => ({ key, value }));
  for (let cancelled = 0; ;) {
    const standings = await listStandings(context.database.pool, {
      owner,
      tags: wanted,
      standing: { places: [...moves.cancel.from] },
      limit: TASKS_AT_ONCE,
    });
    cancelled += await cancel(
      context,
      standings.map(({ id }) => id),
    );
    if (standings.length < TASKS_AT_ONCE) return cancelled;
  }
}
