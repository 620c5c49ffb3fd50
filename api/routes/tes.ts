/** GA4GH TES 1.1: create, view, list and cancel tasks. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { isEnd } from '../../core/places.ts';
import type { StateVersion } from '../../core/task/tes-state.ts';
import { isDatabaseAway } from '../../db/unavailable.ts';
import type { ApiContext } from '../context.ts';
import { noteThatItLasts } from '../http/request-metrics.ts';
import type { Api } from '../dependencies.ts';
import { notFound, refusal } from '../http/errors.ts';
import { readRequestKey } from '../http/idempotency.ts';
import { LARGEST_TASK_BYTES, SUBMITS } from '../http/rate-limit.ts';
import { submitTask } from '../intake/submit.ts';
import { failures, TextId } from '../schemas/replies.ts';
import {
  StatesQuery,
  TesCancelReply,
  TesCreateReply,
  TesListReply,
  TesTaskReply,
  TesTaskRequest,
  ViewQuery,
  WaitQuery,
  type TesTaskFull,
  type TesTaskMinimal,
  type View,
} from '../schemas/tes.ts';
import { withDatabaseAway } from '../tasks/last-known-views.ts';
import { cancelAndNudge } from '../tasks/cancel.ts';
import { ListQuery, listTasks } from '../tasks/list.ts';

const tags = ['TES'];

export function tesRoutes(api: Api, context: ApiContext): void {
  createRoute(api, context);
  listRoute(api, context);
  viewRoute(api, context);
}

function createRoute(api: Api, context: ApiContext): void {
  const schema = {
    tags,
    summary: 'Create a task',
    body: TesTaskRequest,
    response: { 200: TesCreateReply, ...failures },
  };
  const options = { config: SUBMITS, bodyLimit: LARGEST_TASK_BYTES, schema };
  api.post('/tasks', options, async (request, reply) => {
    const answer = await submitTask(context, request.caller.access, request.body, (asked) =>
      readRequestKey(request, asked),
    );
    return 'refused' in answer
      ? reply.code(answer.refused.status_code).send(answer.refused)
      : reply.send(answer);
  });
}

function listRoute(api: Api, context: ApiContext): void {
  const schema = {
    tags,
    summary: 'List tasks, newest first',
    querystring: ListQuery,
    response: { 200: TesListReply, ...failures },
  };
  api.get('/tasks', { schema }, async (request, reply) => {
    const listed = await listTasks(context, request.caller.access.owner, request.query);
    return 'problems' in listed
      ? reply.code(400).send(refusal(listed.problems))
      : reply.send(listed);
  });
}

function viewRoute(api: Api, context: ApiContext): void {
  const schema = {
    tags,
    summary: 'Get a task',
    params: TextId,
    querystring: Type.Object({ view: ViewQuery, states: StatesQuery, wait: WaitQuery }),
    response: { 200: TesTaskReply, ...failures },
  };
  api.get('/tasks/:id', { schema }, async (request, reply) => {
    await waitForChange(context, request, reply);
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
  });
}

/**
 * Returns at once for a task that has ended or does not exist, and while the database is
 * unavailable.
 */
async function waitForChange(
  { reader, taskWaiter }: ApiContext,
  request: FastifyRequest<{ Params: { id: string }; Querystring: { wait?: string } }>,
  { raw }: Pick<FastifyReply, 'raw'>,
): Promise<void> {
  const seconds = Number.parseInt(request.query.wait ?? '0', 10);
  if (seconds === 0) return;
  const standing = await reader
    .find(request.caller.access.owner, request.params.id)
    .catch(() => undefined);
  if (!standing || isEnd(standing.place)) return;
  noteThatItLasts(raw);
  const disconnected = new AbortController();
  request.raw.socket.once('close', () => disconnected.abort());
  await taskWaiter.untilChanged(standing, seconds * 1000, disconnected.signal);
}

interface ShownTask {
  body: TesTaskFull | TesTaskMinimal;
  /** When the body was current. Only while the database is unavailable. */
  seenMs?: number;
}

interface ViewRequest {
  owner: string;
  id: string;
  view: View;
  states: StateVersion;
}

async function showTask(
  { reader, lastKnownViews, nowMs, database }: ApiContext,
  { owner, id, view, states }: ViewRequest,
): Promise<ShownTask | undefined> {
  try {
    const standing = await reader.find(owner, id);
    const [body] = standing ? await reader.show([standing], view, states) : [];
    if (body) lastKnownViews.remember(owner, view, body, nowMs());
    return body && { body };
  } catch (error) {
    if (!isDatabaseAway(error)) throw error;
    const known = lastKnownViews.recall(owner, view, id);
    const awayMs = database.awaySinceMs() ?? nowMs();
    return known
      ? { ...known, body: withDatabaseAway(known.body, awayMs, nowMs()) }
      : { body: withDatabaseAway(unknownFor(id, view), awayMs, nowMs()), seenMs: 0 };
  }
}

/**
 * For a task that this process has not seen, while the database is unavailable. Any answer other
 * than 2xx makes Cromwell fail the call permanently; every client reads UNKNOWN as not ended, and
 * polls again.
 */
const unknownFor = (id: string, view: View): TesTaskFull | TesTaskMinimal => ({
  id,
  state: 'UNKNOWN',
  ...(view !== 'MINIMAL' && { executors: [], logs: [] }),
});

/** Register this where any body is accepted, or none. @elixir-cloud/tes sends DELETE. */
export function tesCancelRoutes(api: Api, context: ApiContext): void {
  api.route({
    config: { scope: 'cancel' },
    method: ['POST', 'DELETE'],
    url: '/tasks/:id(^[^:/]+)::cancel',
    schema: {
      tags,
      summary: 'Cancel a task; a task that has ended does not change',
      params: TextId,
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
