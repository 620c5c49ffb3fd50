/** GA4GH TES 1.1: make, look at, list and cancel tasks. */
import type { FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { isEnd } from '../../core/places.ts';
import { isDatabaseAway } from '../../db/unavailable.ts';
import { cancelAndNudge } from '../tasks/cancel.ts';
import { notFound, refusal } from '../http/errors.ts';
import { readRequestKey } from '../http/idempotency.ts';
import type { Api } from '../dependencies.ts';
import { failures } from '../schemas/replies.ts';
import {
  TesCancelReply,
  TesCreateReply,
  TesListReply,
  TesTaskReply,
  TesTaskRequest,
  StatesQuery,
  ViewQuery,
  WaitQuery,
  type TesTaskFull,
  type TesTaskMinimal,
  type View,
} from '../schemas/tes.ts';
import type { ApiContext } from '../context.ts';
import { submitTask } from '../intake/submit.ts';
import type { StateVersion } from '../../core/task/tes-state.ts';
import { ListQuery, listTasks } from '../tasks/list.ts';
import { SUBMITS } from '../http/rate-limit.ts';

/** A task may carry file contents and long commands; programs larger than this belong into an object. */
const LARGEST_TASK_BYTES = 4 * 1024 ** 2;

export function tesRoutes(api: Api, context: ApiContext): void {
  const tags = ['TES'];

  api.post(
    '/tasks',
    {
      config: SUBMITS,
      bodyLimit: LARGEST_TASK_BYTES,
      schema: {
        tags,
        summary: 'Create a task',
        body: TesTaskRequest,
        response: { 200: TesCreateReply, ...failures },
      },
    },
    async (request, reply) => {
      const answer = await submitTask(context, request.caller.access, request.body, (asked) =>
        readRequestKey(request, asked),
      );
      return 'refused' in answer
        ? reply.code(answer.refused.status_code).send(answer.refused)
        : reply.send(answer);
    },
  );

  api.get(
    '/tasks',
    {
      schema: {
        tags,
        summary: 'List tasks, newest first',
        querystring: ListQuery,
        response: { 200: TesListReply, ...failures },
      },
    },
    async (request, reply) => {
      const listed = await listTasks(context, request.caller.access.owner, request.query);
      return 'problems' in listed
        ? reply.code(400).send(refusal(listed.problems))
        : reply.send(listed);
    },
  );

  const Id = Type.Object({ id: Type.String() });
  api.get(
    '/tasks/:id',
    {
      schema: {
        tags,
        summary: 'Look at a task',
        params: Id,
        querystring: Type.Object({ view: ViewQuery, states: StatesQuery, wait: WaitQuery }),
        response: { 200: TesTaskReply, ...failures },
      },
    },
    async (request, reply) => {
      await waitForChange(context, request);
      const shown = await showTask(context, {
        owner: request.caller.access.owner,
        id: request.params.id,
        view: request.query.view ?? 'MINIMAL',
        states: request.query.states ?? '1.0',
      });
      if (shown === undefined) return reply.code(404).send(notFound('task', request.params.id));
      if (shown.seenMs !== undefined)
        reply.header('x-batchwell-last-known', new Date(shown.seenMs).toISOString());
      return reply.send(shown.body);
    },
  );
}

/** Returns at once for a task that has ended, one that is not there, and while the database is away. */
async function waitForChange(
  { reader, taskWaiter }: ApiContext,
  request: FastifyRequest<{ Params: { id: string }; Querystring: { wait?: string } }>,
): Promise<void> {
  const seconds = Number.parseInt(request.query.wait ?? '0', 10);
  if (seconds === 0) return;
  const standing = await reader
    .find(request.caller.access.owner, request.params.id)
    .catch(() => undefined);
  if (!standing || isEnd(standing.place)) return;
  const gone = new AbortController();
  request.raw.socket.once('close', () => gone.abort());
  await taskWaiter.untilChanged(standing, seconds * 1000, gone.signal);
}

interface Shown {
  body: TesTaskFull | TesTaskMinimal;
  /** When it was seen, if the database could not be asked now. */
  seenMs?: number;
}

async function showTask(
  { reader, lastKnownViews, nowMs }: ApiContext,
  { owner, id, view, states }: { owner: string; id: string; view: View; states: StateVersion },
): Promise<Shown | undefined> {
  try {
    const standing = await reader.find(owner, id);
    const [body] = standing ? await reader.show([standing], view, states) : [];
    if (body) lastKnownViews.remember(owner, view, body, nowMs());
    return body && { body };
  } catch (error) {
    if (!isDatabaseAway(error)) throw error;
    return lastKnownViews.recall(owner, view, id) ?? { body: unknownFor(id, view), seenMs: 0 };
  }
}

/**
 * Of a task that this process has not seen, while the database cannot be asked: TES has a state for that. Any answer but
 * 2xx would make Cromwell fail the call for good; every client takes UNKNOWN for not ended and asks again.
 */
const unknownFor = (id: string, view: View): TesTaskFull | TesTaskMinimal => ({
  id,
  state: 'UNKNOWN',
  ...(view !== 'MINIMAL' && { executors: [], logs: [] }),
});

/** Registered where any body or none is taken. DELETE is what @elixir-cloud/tes sends. */
export function tesCancelRoutes(api: Api, context: ApiContext): void {
  api.route({
    config: { scope: 'cancel' },
    method: ['POST', 'DELETE'],
    url: '/tasks/:id(^[^:/]+)::cancel',
    schema: {
      tags: ['TES'],
      summary: 'Cancel a task; one that has ended is left as it is',
      params: Type.Object({ id: Type.String() }),
      response: { 200: TesCancelReply, ...failures },
    },
    async handler(request, reply) {
      const standing = await context.reader.find(request.caller.access.owner, request.params.id);
      if (!standing) return reply.code(404).send(notFound('task', request.params.id));
      await cancelAndNudge(context, context.nudgeSender, [standing.id]);
      return reply.send({});
    },
  });
}
