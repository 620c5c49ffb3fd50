/** Scatters: many tasks in one request, counted and cancelled together. */
import { Type } from 'typebox';
import { parseId, publicId } from '../../core/ids.ts';
import { problemAt } from '../../core/problems.ts';
import { readCancellable } from '../../db/cancel.ts';
import { viewHead, viewScatter, type ScatterView } from '../../core/scatter/scatter-view.ts';
import { countScatter, listScatters, readScatter } from '../../db/scatter-views.ts';
import { cancelAndNudge } from '../tasks/cancel.ts';
import { notFound, refusal } from '../http/errors.ts';
import { readRequestKey } from '../http/idempotency.ts';
import { cutPage, PAGE_TOKEN_EXPECTED, readPageToken } from '../http/pages.ts';
import type { Api } from '../dependencies.ts';
import { failures, PageQuery } from '../schemas/replies.ts';
import {
  ScatterAccepted,
  ScatterCancelled,
  ScatterList,
  ScatterQuery,
  ScatterReply,
  ScatterRequest,
} from '../schemas/scatters.ts';
import { TesListReply } from '../schemas/tes.ts';
import { SUBMITS } from '../http/rate-limit.ts';
import type { ApiContext } from '../context.ts';
import { submitScatter } from '../intake/submit.ts';
import { asList, ListQuery, listTasks } from '../tasks/list.ts';

/** 10,000 rows of 6 kB. Larger ones come as NDJSON, which is not held whole. */
const LARGEST_JSON_BYTES = 64 * 1024 ** 2;

const tags = ['Scatters'];
const Id = Type.Object({ id: Type.String() });

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
  const { database } = context;
  api.addContentTypeParser('application/x-ndjson', (_request, payload, done) =>
    done(null, payload),
  );

  const create = {
    tags,
    summary: 'Create a scatter, all of it or nothing',
    consumes: ['application/json', 'application/x-ndjson'],
    body: ScatterRequest,
    querystring: ScatterQuery,
    response: { 200: ScatterAccepted, ...failures },
  };
  api.post(
    '/scatters',
    { config: SUBMITS, bodyLimit: LARGEST_JSON_BYTES, schema: create },
    async (request, reply) => {
      const { ids, ...query } = request.query;
      const answer = await submitScatter(
        context,
        request.caller.access,
        { body: request.body, query: { ...query, tag: asList(query.tag) } },
        (asked) => readRequestKey(request, asked),
      );
      if ('refused' in answer) return reply.code(answer.refused.status_code).send(answer.refused);
      const { id, taskIds } = answer;
      return reply.send({ id, tasks: taskIds.length, ...(ids && { task_ids: taskIds }) });
    },
  );

  api.get(
    '/scatters',
    {
      schema: {
        tags,
        summary: 'List scatters, newest first',
        querystring: Type.Object(PageQuery),
        response: { 200: ScatterList, ...failures },
      },
    },
    async (request, reply) => {
      const beforeId = readPageToken(request.query.page_token);
      if (beforeId === 'malformed')
        return reply
          .code(400)
          .send(refusal([problemAt('page_token', PAGE_TOKEN_EXPECTED, request.query.page_token)]));
      const size = request.query.page_size ?? 256;
      const { items, next } = cutPage(
        await listScatters(database.pool, {
          owner: request.caller.access.owner,
          beforeId,
          limit: size + 1,
        }),
        size,
      );
      return reply.send({
        scatters: items.map(viewHead),
        ...(next !== undefined && { next_page_token: next }),
      });
    },
  );

  api.get(
    '/scatters/:id',
    {
      schema: {
        tags,
        summary: 'Where the tasks of a scatter stand',
        params: Id,
        response: { 200: ScatterReply, ...failures },
      },
    },
    async (request, reply) => {
      const scatter = await findScatter(context, request.caller.access.owner, request.params.id);
      if (!scatter) return reply.code(404).send(notFound('scatter', request.params.id));
      return reply.send(viewScatter(scatter, await countScatter(database.pool, scatter.id)));
    },
  );

  api.get(
    '/scatters/:id/tasks',
    {
      schema: {
        tags,
        summary: 'The tasks of a scatter, newest first',
        params: Id,
        querystring: ListQuery,
        response: { 200: TesListReply, ...failures },
      },
    },
    async (request, reply) => {
      const scatter = await findScatter(context, request.caller.access.owner, request.params.id);
      if (!scatter) return reply.code(404).send(notFound('scatter', request.params.id));
      const listed = await listTasks(context, request.caller.access.owner, {
        ...request.query,
        scatterId: scatter.id,
      });
      return 'problems' in listed
        ? reply.code(400).send(refusal(listed.problems))
        : reply.send(listed);
    },
  );
}

/** Registered where any body or none is taken, as for tasks. */
export function scatterCancelRoutes(api: Api, context: ApiContext): void {
  api.post(
    '/scatters/:id(^[^:/]+)::cancel',
    {
      config: { scope: 'cancel' },
      schema: {
        tags,
        summary: 'Cancel what has not ended of a scatter',
        params: Id,
        response: { 200: ScatterCancelled, ...failures },
      },
    },
    async (request, reply) => {
      const scatter = await findScatter(context, request.caller.access.owner, request.params.id);
      if (!scatter) return reply.code(404).send(notFound('scatter', request.params.id));
      const cancelled = await cancelAndNudge(
        context,
        context.nudgeSender,
        await readCancellable(context.database.pool, scatter.id),
      );
      return reply.send({ cancelled });
    },
  );
}
