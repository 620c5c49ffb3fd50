/** Where a task's time went. */
import { Type } from 'typebox';
import { spanNames, timelineOf } from '../../core/task/timeline.ts';
import { readAttempts, readDetails } from '../../db/task-views.ts';
import { notFound } from '../http/errors.ts';
import type { Api } from '../dependencies.ts';
import { failures } from '../schemas/replies.ts';
import type { ApiContext } from '../context.ts';

export const Timeline = Type.Object({
  spans: Type.Array(
    Type.Object({
      what: Type.Enum(spanNames, {
        description:
          'waited-for-company: until it was packed into a submission. packed: until Batch gave a job id. in-batch: SUBMITTED to STARTING, until the container ran; Batch tells no more. end-unseen: until its end was noticed',
      }),
      attempt: Type.Optional(Type.Integer()),
      from: Type.String({ description: 'RFC 3339' }),
      to: Type.Optional(Type.String({ description: 'Absent while it lasts' })),
      ms: Type.Integer({ description: 'So far, while it lasts' }),
    }),
    { description: 'One after the other. What a container tells is by its host’s clock' },
  ),
});

export function timelineRoutes(api: Api, { database, reader, nowMs }: ApiContext): void {
  const schema = {
    tags: ['Tasks'],
    summary: 'Where the time of a task went',
    params: Type.Object({ id: Type.String() }),
    response: { 200: Timeline, ...failures },
  };
  api.get('/tasks/:id/timeline', { schema }, async (request, reply) => {
    const task = await reader.find(request.caller.access.owner, request.params.id);
    const [detail] = task ? await readDetails(database.pool, [task.id]) : [];
    if (!detail) return reply.code(404).send(notFound('task', request.params.id));
    const attempts = (await readAttempts(database.pool, [detail.id])).toReversed();
    const spans = timelineOf({
      ...detail,
      isHit: detail.hitEntryId !== undefined,
      attempts: attempts.map(({ result, ...attempt }) => ({
        ...attempt,
        ran: result && { startedMs: result.startedMs, endedMs: result.endedMs },
      })),
    });
    const now = nowMs();
    return {
      spans: spans.map(({ what, attempt, fromMs, toMs }) => ({
        what,
        ...(attempt !== undefined && { attempt }),
        from: new Date(fromMs).toISOString(),
        ...(toMs !== undefined && { to: new Date(toMs).toISOString() }),
        ms: Math.max(0, (toMs ?? now) - fromMs),
      })),
    };
  });
}
