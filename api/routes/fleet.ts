/** What an operator does with the fleet: pause a stage, drain a worker, retry laid-aside messages. */
import { Type } from 'typebox';
import { problemAt } from '../../core/problems.ts';
import { stages, type Stage } from '../../core/places.ts';
import { readTaskIds } from '../../db/task-views.ts';
import { requireRedis } from '../../queues/connect.ts';
import { listWorkers, setDrained, type SeenWorker } from '../../queues/fleet-workers.ts';
import { listLaidAside, retryLaidAside, type LaidAside } from '../../queues/operate.ts';
import { setPaused } from '../../queues/pauses.ts';
import type { ApiContext } from '../context.ts';
import type { Api } from '../dependencies.ts';
import { messageOf } from '../error-message.ts';
import { failure, refusal } from '../http/errors.ts';
import { rfc3339 } from '../http/rfc3339.ts';
import {
  LaidAsideList,
  RetryMessagesReply,
  RetryMessagesRequest,
  StageParams,
  WorkerList,
  type LaidAsideMessage,
  type WorkerStatus,
} from '../schemas/fleet.ts';
import { failures, TextId } from '../schemas/replies.ts';
import { isSilent } from '../tasks/fleet-state.ts';

const tags = ['Fleet'];
const ADMIN = { scope: 'admin' } as const;
const LISTED_PER_STAGE = 100;
const LISTED_TASKS = 20;
const RETRY_AFTER_S = 5;

export function fleetRoutes(api: Api, context: ApiContext): void {
  // A command would wait until Redis is back.
  api.addHook('preHandler', async (_request, reply) => {
    const error = await requireRedis(context.queues.redis).catch(messageOf);
    if (error === undefined) return undefined;
    const body = failure(503, `Redis is unavailable: ${error}. Try again in ${RETRY_AFTER_S} s.`);
    return reply.code(503).header('retry-after', RETRY_AFTER_S).send(body);
  });
  pauseRoutes(api, context);
  workerRoutes(api, context);
  messageRoutes(api, context);
}

function pauseRoutes(api: Api, { queues, log }: ApiContext): void {
  const route = (path: string, paused: boolean, summary: string): void => {
    const schema = {
      tags,
      summary,
      params: StageParams,
      response: { 200: Type.Object({}), ...failures },
    };
    api.post(path, { config: ADMIN, schema }, async (request, reply) => {
      const { stage } = request.params;
      const by = request.caller.access.owner;
      await setPaused(queues, stage, paused, { by });
      if (paused) log.warn({ event: 'stage-paused', stage, by }, 'stage-paused');
      else log.info({ event: 'stage-resumed', stage, by }, 'stage-resumed');
      return reply.send({});
    });
  };
  route(
    '/stages/:stage(^[^:/]+)::pause',
    true,
    'Pause a stage: no worker takes its messages; those in progress are finished',
  );
  route('/stages/:stage(^[^:/]+)::resume', false, 'Resume a paused stage');
}

function workerRoutes(api: Api, { queues, config, log }: ApiContext): void {
  const list = {
    tags,
    summary: 'List the workers of the fleet',
    response: { 200: WorkerList, ...failures },
  };
  api.get('/workers', { config: ADMIN, schema: list }, async () => ({
    workers: (await listWorkers(queues.redis, config.redisPrefix)).map(viewWorker),
  }));
  const route = (path: string, drained: boolean, summary: string): void => {
    const schema = {
      tags,
      summary,
      params: TextId,
      response: { 200: Type.Object({}), ...failures },
    };
    api.post(path, { config: ADMIN, schema }, async (request, reply) => {
      const { id } = request.params;
      const by = request.caller.access.owner;
      if (!(await setDrained(queues.redis, config.redisPrefix, { id, drained })))
        return reply
          .code(404)
          .send(
            failure(404, `There is no worker ${JSON.stringify(id)}. GET /v1/workers lists all.`),
          );
      log.info({ event: 'worker-drain-asked', worker: id, drained, by }, 'worker-drain-asked');
      return reply.send({});
    });
  };
  route(
    '/workers/:id(^[^:/]+)::drain',
    true,
    'Drain a worker: it takes no new messages, and finishes those that it has',
  );
  route('/workers/:id(^[^:/]+)::resume', false, 'Let a drained worker take messages again');
}

function viewWorker(worker: SeenWorker): WorkerStatus {
  const { id, host, pid, version, startedMs, state, silentMs, stages: shares } = worker;
  return {
    id,
    host,
    pid,
    version,
    started: rfc3339(startedMs),
    state: isSilent(worker) ? 'silent' : state,
    silent_seconds: silentMs / 1000,
    stages: shares,
  };
}

function messageRoutes(api: Api, { queues, database, log }: ApiContext): void {
  const list = {
    tags,
    summary: 'List messages that failed too many times and were laid aside, latest first',
    response: { 200: LaidAsideList, ...failures },
  };
  api.get('/messages', { config: ADMIN, schema: list }, async () => {
    const laid = await listLaidAside(queues, LISTED_PER_STAGE);
    const named = laid.flatMap(({ tasks }) => tasks.slice(0, LISTED_TASKS));
    const ids = await readTaskIds(database.pool, named);
    return { messages: laid.map((message) => viewMessage(message, ids)) };
  });
  const retry = {
    tags,
    summary: 'Retry messages that were laid aside',
    body: RetryMessagesRequest,
    response: { 200: RetryMessagesReply, ...failures },
  };
  api.post('/messages::retry', { config: ADMIN, schema: retry }, async (request, reply) => {
    const wanted = readRetry(request.body);
    if ('problem' in wanted) return reply.code(400).send(refusal([wanted.problem]));
    const { stage, ids } = wanted;
    const retried = await retryLaidAside(queues.byStage[stage], { ids });
    const by = request.caller.access.owner;
    log.info({ event: 'messages-retried', stage, retried, by }, 'messages-retried');
    return reply.send({ retried });
  });
}

const MOST_IDS = 1000;

function readRetry(
  body: unknown,
): { stage: Stage; ids?: string[] } | { problem: ReturnType<typeof problemAt> } {
  const given: Record<string, unknown> =
    typeof body === 'object' && body !== null ? { ...body } : {};
  const stage = stages.find((one) => one === given['stage']);
  if (!stage) return { problem: problemAt('stage', `one of ${stages.join(', ')}`, given['stage']) };
  const ids = given['ids'];
  if (ids === undefined) return { stage };
  const isList =
    Array.isArray(ids) && ids.length <= MOST_IDS && ids.every((id) => typeof id === 'string');
  return isList
    ? { stage, ids }
    : { problem: problemAt('ids', `an array of up to ${MOST_IDS} ids of messages`) };
}

function viewMessage(message: LaidAside, ids: ReadonlyMap<number, string>): LaidAsideMessage {
  const { stage, id, tries, error, failedMs, tasks, data } = message;
  return {
    stage,
    id,
    tries,
    error,
    failed: rfc3339(failedMs),
    tasks: tasks.length,
    task_ids: tasks.slice(0, LISTED_TASKS).flatMap((task) => ids.get(task) ?? []),
    ...(tasks.length === 0 && { subject: JSON.stringify(data) }),
  };
}
