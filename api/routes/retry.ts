/** Retries failed tasks: those of a scatter as a new scatter, one alone as a new task. */
import { Type } from 'typebox';
import { problemAt } from '../../core/problems.ts';
import { failureKey } from '../../core/retry/group-failures.ts';
import { readAttempts } from '../../db/attempt-views.ts';
import { readFailedOf, type FailedRow } from '../../db/task-summaries.ts';
import { createTemplateCache } from '../../db/templates.ts';
import type { ApiContext } from '../context.ts';
import type { Api } from '../dependencies.ts';
import { failure, notFound, refusal } from '../http/errors.ts';
import { readRequestKey } from '../http/idempotency.ts';
import { SUBMITS } from '../http/rate-limit.ts';
import { retryAlone, retryAsScatter } from '../intake/retry.ts';
import { failures, TextId } from '../schemas/replies.ts';
import { RetryRequest, RetryScatterReply } from '../schemas/summaries.ts';
import { TesCreateReply } from '../schemas/tes.ts';
import { findScatter } from './scatters.ts';

const LONGEST_NAME = 255;
const SUFFIX = ' (retry)';
const RETRY_OF = 'retry_of';

export function retryRoutes(api: Api, context: ApiContext): void {
  const templates = createTemplateCache();
  scatterRoute(api, context, templates);
  taskRoute(api, context, templates);
}

type Templates = ReturnType<typeof createTemplateCache>;

function scatterRoute(api: Api, context: ApiContext, templates: Templates): void {
  const schema = {
    tags: ['Scatters'],
    summary: 'Retry the failed tasks of a scatter, as a new scatter',
    description:
      'The end of a task is final, so its retry is a new task that does the same. ' +
      `The new scatter has the tag ${RETRY_OF} with the id of this one.`,
    params: TextId,
    body: RetryRequest,
    response: { 200: RetryScatterReply, ...failures },
  };
  api.post('/scatters/:id(^[^:/]+)::retry', { config: SUBMITS, schema }, async (request, reply) => {
    const { access } = request.caller;
    const { id } = request.params;
    const wanted = readGroups(request.body);
    if (wanted === 'malformed')
      return reply.code(400).send(refusal([problemAt('groups', 'an array of keys of groups')]));
    const scatter = await findScatter(context, access.owner, id);
    if (!scatter) return reply.code(404).send(notFound('scatter', id));
    const key = readRequestKey(request, { retry: id, groups: wanted ?? [] });
    if (key && 'problems' in key) return reply.code(400).send(refusal(key.problems));
    const failed = await readFailedOf(context.database.pool, scatter.id);
    const answer = await retryAsScatter(context, {
      templates,
      access,
      key,
      ids: failed.filter((row) => !wanted || wanted.includes(keyOf(row))).map((row) => row.id),
      name: retryName(scatter.name),
      tags: { ...scatter.tags, [RETRY_OF]: id },
    });
    return 'refused' in answer
      ? reply.code(answer.refused.status_code).send(answer.refused)
      : reply.send({ id: answer.id, tasks: answer.taskIds.length });
  });
}

const keyOf = ({ failureCode, failure: sentence }: FailedRow): string =>
  failureKey({ code: failureCode, sentence: sentence ?? '' });

const retryName = (name: string): string =>
  name.endsWith(SUFFIX) ? name : `${name.slice(0, LONGEST_NAME - SUFFIX.length)}${SUFFIX}`;

/** Undefined for all groups. */
function readGroups(body: unknown): string[] | undefined | 'malformed' {
  if (body === null || body === undefined) return undefined;
  if (typeof body !== 'object') return 'malformed';
  const groups = 'groups' in body ? body.groups : undefined;
  if (groups === undefined) return undefined;
  const isList = Array.isArray(groups) && groups.every((one) => typeof one === 'string');
  return isList ? groups : 'malformed';
}

const STILL_ENDING =
  'The task is cancelled, but its job has not ended in AWS Batch yet, and could overwrite the ' +
  'outputs of a retry. Try again in a minute.';

function taskRoute(api: Api, context: ApiContext, templates: Templates): void {
  const schema = {
    tags: ['Tasks'],
    summary: 'Retry a task that failed or was cancelled, as a new task',
    params: TextId,
    body: Type.Object({}),
    response: { 200: TesCreateReply, ...failures },
  };
  api.post('/tasks/:id(^[^:/]+)::retry', { config: SUBMITS, schema }, async (request, reply) => {
    const { access } = request.caller;
    const standing = await context.reader.find(access.owner, request.params.id);
    if (!standing) return reply.code(404).send(notFound('task', request.params.id));
    if (standing.place !== 'failed' && standing.place !== 'cancelled')
      return reply
        .code(409)
        .send(failure(409, 'The task has not failed, so it is not retried. Submit it again.'));
    const [latest] = await readAttempts(context.database.pool, [standing.id]);
    if (latest && latest.outcome === undefined)
      return reply.code(409).send(failure(409, STILL_ENDING));
    const key = readRequestKey(request, { retry: request.params.id });
    if (key && 'problems' in key) return reply.code(400).send(refusal(key.problems));
    const answer = await retryAlone(context, { templates, access, key, ids: [standing.id] });
    return 'refused' in answer
      ? reply.code(answer.refused.status_code).send(answer.refused)
      : reply.send(answer);
  });
}
