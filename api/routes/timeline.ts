/** How long a task spent in each step. */
import { Type } from 'typebox';
import { spanNames, timelineOf } from '../../core/task/timeline.ts';
import { readDetails } from '../../db/task-views.ts';
import { readAttempts } from '../../db/attempt-views.ts';
import { notFound } from '../http/errors.ts';
import type { Api } from '../dependencies.ts';
import { rfc3339 } from '../http/rfc3339.ts';
import { failures } from '../schemas/replies.ts';
import type { ApiContext } from '../context.ts';

export const Timeline = Type.Object({
  spans: Type.Array(
    Type.Object({
      what: Type.Enum(spanNames, {
        description:
          'waited-for-company: until the attempt was packed into a submission. ' +
          'packed: until Batch returned a job id. ' +
          'in-batch: SUBMITTED to STARTING, until the container ran; Batch reports no more. ' +
          'end-unseen: until Batchwell saw the end',
      }),
      attempt: Type.Optional(Type.Integer({ description: 'Number of the attempt, from 1' })),
      from: Type.String({ description: 'RFC 3339' }),
      to: Type.Optional(Type.String({ description: 'RFC 3339. Absent while the span lasts' })),
      ms: Type.Integer({ description: 'Duration; up to now while the span lasts' }),
    }),
    { description: 'In order. Times from inside a container use the clock of its host' },
  ),
});

export function timelineRoutes(api: Api, { database, reader, nowMs }: ApiContext): void {
  const schema = {
    tags: ['Tasks'],
    summary: 'Get how long a task spent in each step',
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
        from: rfc3339(fromMs),
        ...(toMs !== undefined && { to: rfc3339(toMs) }),
        ms: Math.max(0, (toMs ?? now) - fromMs),
      })),
    };
  });
}
