/** Scatters: many tasks in one request, counted and cancelled together. */
import { Type } from 'typebox';
import { parseId, publicId } from '../../core/ids.ts';
import { problemAt } from '../../core/problems.ts';
import { viewHead, viewScatter, type ScatterView } from '../../core/scatter/scatter-view.ts';
import { readCancellable } from '../../db/cancel.ts';
import { countScatter, listScatters, readScatter } from '../../db/scatter-views.ts';
import type { ApiContext } from '../context.ts';
import type { Api } from '../dependencies.ts';
import { notFound, refusal } from '../http/errors.ts';
import { readRequestKey } from '../http/idempotency.ts';
import { cutPage, PAGE_TOKEN_EXPECTED, readPageToken } from '../http/pages.ts';
import { SUBMITS } from '../http/rate-limit.ts';
import { submitScatter } from '../intake/submit.ts';
import { failures, PageQuery, TextId } from '../schemas/replies.ts';
import {
  ScatterAccepted,
  ScatterCancelled,
  ScatterList,
  ScatterQuery,
  ScatterReply,
  ScatterRequest,
} from '../schemas/scatters.ts';
import { TesListReply } from '../schemas/tes.ts';
import { cancelAndNudge } from '../tasks/cancel.ts';
import { asList, ListQuery, listTasks } from '../tasks/list.ts';

/** 10,000 rows of 6 kB. A larger scatter comes as NDJSON, which is never held whole in memory. */
const LARGEST_JSON_BYTES = 64 * 1024 ** 2;

const tags = ['Scatters'];

export async function findScatter(
  { database }: ApiContext,
  owner: string,
  id: string,
): Promise<ScatterView | undefined> {
  const key = parseId('scatter', id)?.key;
  const scatter = key === undefined ? undefined : await readScatter(database.pool, key);
  return scatter?.owner === owner && publicId('scatter', scatter) === id ? scatter : undefined;
}

export function scatterRoutes(api: Api, context: ApiContext): void {
  api.addContentTypeParser('application/x-ndjson', (_request, payload, done) =>
    done(null, payload),
  );
  createRoute(api, context);
  listRoute(api, context);
  countRoute(api, context);
  taskListRoute(api, context);
}

function createRoute(api: Api, context: ApiContext): void {
  const schema = {
    tags,
    summary: 'Create a scatter: all of its tasks or none',
    consumes: ['application/json', 'application/x-ndjson'],
    body: ScatterRequest,
    querystring: ScatterQuery,
    response: { 200: ScatterAccepted, ...failures },
  };
  const options = { config: SUBMITS, bodyLimit: LARGEST_JSON_BYTES, schema };
  api.post('/scatters', options, async (request, reply) => {
    const { ids, ...query } = request.query;
    const answer = await submitScatter(
      context,
      request.caller.access,
      { body: request.body, query: { ...query, tag: asList(query.tag) } },
      (asked) => readRequestKey(request, asked),
    );
    if ('refused' in answer) return reply.code(answer.refused.status_code).send(answer.refused);
    const { id, taskIds, equalRows } = answer;
    context.log.info(
      {
        event: 'scatter-accepted',
        scatter: id,
        owner: request.caller.access.owner,
        tasks: taskIds.length,
        requestId: request.id,
      },
      'scatter-accepted',
    );
    return reply.send({
      id,
      tasks: taskIds.length,
      equal_rows: equalRows,
      ...(ids && { task_ids: taskIds }),
    });
  });
}

function listRoute(api: Api, { database }: ApiContext): void {
  const schema = {
    tags,
    summary: 'List scatters, newest first',
    querystring: Type.Object(PageQuery),
    response: { 200: ScatterList, ...failures },
  };
  api.get('/scatters', { schema }, async (request, reply) => {
    const { page_token: token, page_size: size = 256 } = request.query;
    const beforeId = readPageToken(token);
    if (beforeId === 'malformed')
      return reply.code(400).send(refusal([problemAt('page_token', PAGE_TOKEN_EXPECTED, token)]));
    const { owner } = request.caller.access;
    const read = await listScatters(database.pool, { owner, beforeId, limit: size + 1 });
    const { items, next } = cutPage(read, size);
    return reply.send({
      scatters: items.map(viewHead),
      ...(next !== undefined && { next_page_token: next }),
    });
  });
}

function countRoute(api: Api, context: ApiContext): void {
  const schema = {
    tags,
    summary: 'Get a scatter, with the number of its tasks in each place and state',
    params: TextId,
    response: { 200: ScatterReply, ...failures },
  };
  api.get('/scatters/:id', { schema }, async (request, reply) => {
    const scatter = await findScatter(context, request.caller.access.owner, request.params.id);
    if (!scatter) return reply.code(404).send(notFound('scatter', request.params.id));
    return reply.send(viewScatter(scatter, await countScatter(context.database.pool, scatter.id)));
  });
}

function taskListRoute(api: Api, context: ApiContext): void {
  const schema = {
    tags,
    summary: 'List the tasks of a scatter, newest first',
    params: TextId,
    querystring: ListQuery,
    response: { 200: TesListReply, ...failures },
  };
  api.get('/scatters/:id/tasks', { schema }, async (request, reply) => {
    const { owner } = request.caller.access;
    const scatter = await findScatter(context, owner, request.params.id);
    if (!scatter) return reply.code(404).send(notFound('scatter', request.params.id));
    const listed = await listTasks(context, owner, { ...request.query, scatterId: scatter.id });
    return 'problems' in listed
      ? reply.code(400).send(refusal(listed.problems))
      : reply.send(listed);
  });
}

/** Register this where any body is accepted, or none, as for tasks. */
export function scatterCancelRoutes(api: Api, context: ApiContext): void {
  const schema = {
    tags,
    summary: 'Cancel all tasks of a scatter that have not ended',
    params: TextId,
    response: { 200: ScatterCancelled, ...failures },
  };
  const options = { config: { scope: 'cancel' }, schema } as const;
  api.post('/scatters/:id(^[^:/]+)::cancel', options, async (request, reply) => {
    const scatter = await findScatter(context, request.caller.access.owner, request.params.id);
    if (!scatter) return reply.code(404).send(notFound('scatter', request.params.id));
    const ids = await readCancellable(context.database.pool, scatter.id);
    return reply.send({ cancelled: await cancelAndNudge(context, context.nudgeSender, ids) });
  });
}
