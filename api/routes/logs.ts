/** What a task printed, as plain text or NDJSON. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Readable } from 'node:stream';
import { Type, type Static } from 'typebox';
import { parsePosition } from '../../core/container/live-log.ts';
import { publicId } from '../../core/ids.ts';
import { sayLostSource } from '../../core/cache/hit-source.ts';
import { readHitSource } from '../../db/task-views.ts';
import type { ApiContext } from '../context.ts';
import type { Api } from '../dependencies.ts';
import { failure, notFound, refusal } from '../http/errors.ts';
import { LogLine, LogQuery } from '../schemas/logs.ts';
import { failures, PLAIN_TEXT, TextId } from '../schemas/replies.ts';
import { followLog, type FollowRequest } from '../tasks/follow-log.ts';
import { asLines, asText } from '../tasks/log-reply.ts';

/** Names the task that printed a log, where a cache hit shows that of another task. */
const SOURCE_HEADER = 'x-batchwell-log-of';

const NDJSON = 'application/x-ndjson';
const RETRY_AFTER_S = 30;
const DEFAULT_TAIL_BYTES = 1024 ** 2;

export function logRoutes(api: Api, context: ApiContext): void {
  const schema = {
    tags: ['Tasks'],
    summary: 'Get the end of stdout or stderr of the latest attempt, or follow the log',
    params: TextId,
    querystring: LogQuery,
    response: {
      200: {
        description: 'What the task printed',
        content: {
          'text/plain': { schema: Type.String() },
          'application/x-ndjson': { schema: LogLine },
        },
      },
      ...failures,
    },
  };
  api.get('/tasks/:id/logs', { schema }, async (request, reply) => {
    const task = await context.reader.find(request.caller.access.owner, request.params.id);
    if (!task) return reply.code(404).send(notFound('task', request.params.id));
    const source = await readHitSource(context.database.pool, task.id);
    if (source?.state === 'deleted')
      return reply.code(404).send(failure(404, sayLostSource(source)));
    if (source) reply.header(SOURCE_HEADER, publicId('task', source));
    return sendLog(context, { request, reply }, source?.id ?? task.id);
  });
}

type LogRequest = FastifyRequest<{
  Params: Static<typeof TextId>;
  Querystring: Static<typeof LogQuery>;
}>;

async function sendLog(
  context: ApiContext,
  { request, reply }: { request: LogRequest; reply: FastifyReply },
  printedBy: number,
): Promise<FastifyReply> {
  if (request.query.follow === true)
    return sendFollowed(context, { request, reply }, printedBy, followRequest(request.query));
  if (request.query.from !== undefined)
    return reply
      .code(400)
      .send(refusal([{ field: 'from', expected: 'follow=true in the same request' }]));
  const { stream = 'stdout', executor = 0, tail_bytes: mostBytes } = request.query;
  const log = await context.reader.readLog(printedBy, {
    stream,
    executor,
    mostBytes: mostBytes ?? DEFAULT_TAIL_BYTES,
  });
  if (!log)
    return reply
      .code(404)
      .send(failure(404, noLogYet(`Executor ${executor} of ${request.params.id}`, stream)));
  return reply.type(PLAIN_TEXT).send(log.toString('utf8'));
}

const noLogYet = (executor: string, stream: string): string =>
  `${executor} has no ${stream} yet. ` +
  'Output appears some seconds after it is printed, and is complete when the attempt has ended. ' +
  'A cache hit shows the output of the task whose result it took, while that one has it.';

const followRequest = (query: Static<typeof LogQuery>): FollowRequest => ({
  stream: query.stream ?? 'stdout',
  executor: query.executor ?? 0,
  tailBytes: query.tail_bytes ?? DEFAULT_TAIL_BYTES,
  from: query.from === undefined ? undefined : parsePosition(query.from),
});

interface Exchange {
  request: FastifyRequest;
  reply: FastifyReply;
}

async function sendFollowed(
  context: ApiContext,
  { request, reply }: Exchange,
  taskId: number,
  wanted: FollowRequest,
): Promise<FastifyReply> {
  const executors = (await context.reader.readFilled(taskId))?.template.executors.length ?? 0;
  if (wanted.executor >= executors)
    return reply.code(400).send(refusal([noSuchExecutor(wanted.executor, executors)]));
  const signal = context.logFollows.begin(request, reply);
  if (!signal)
    return reply
      .code(503)
      .header('retry-after', RETRY_AFTER_S)
      .send(failure(503, tooManyFollows(context.logFollows.most)));
  const pieces = followLog(context, taskId, wanted, signal);
  const wantsLines = request.headers.accept?.includes(NDJSON) === true;
  const chunks = wantsLines ? asLines(pieces, context.nowMs) : asText(pieces);
  // x-accel-buffering: some proxies collect the reply until it is large.
  reply
    .type(wantsLines ? NDJSON : PLAIN_TEXT)
    .header('cache-control', 'no-store')
    .header('x-accel-buffering', 'no');
  return reply.send(Readable.from(untilCut(chunks, reply, signal), { objectMode: false }));
}

const noSuchExecutor = (executor: number, executors: number) => ({
  field: 'executor',
  expected: `a number below ${executors}, the number of executors of this task`,
  got: String(executor),
});

const tooManyFollows = (most: number): string =>
  `This process already follows ${most} logs, which is its limit. ` +
  `Try again in ${RETRY_AFTER_S} s, or read the log without follow.`;

async function* untilCut(
  chunks: AsyncIterable<string | Uint8Array>,
  reply: FastifyReply,
  signal: AbortSignal,
): AsyncGenerator<string | Uint8Array, void, undefined> {
  // A task may print nothing for hours; the headers tell its reader that the request was accepted.
  reply.raw.flushHeaders();
  yield* chunks;
  // An error, so that a reader does not take an incomplete log for a complete one.
  if (signal.aborted) throw new Error('The server is closing, or the reader disconnected.');
}
