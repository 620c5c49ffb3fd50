/** What a task printed, and what it ran, as plain text. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Readable } from 'node:stream';
import { Type } from 'typebox';
import { parsePosition } from '../../core/container/live-log.ts';
import { renderScript, renderValues } from '../../core/container/script.ts';
import { hideSecretValues } from '../../core/task/secrets.ts';
import type { SplitTask } from '../../core/task/template.ts';
import { failure, notFound, refusal } from '../http/errors.ts';
import { followLog, type FollowWish } from '../tasks/follow-log.ts';
import { asLines, asText } from '../tasks/log-reply.ts';
import type { Api } from '../dependencies.ts';
import { LogLine, LogQuery } from '../schemas/logs.ts';
import { failures } from '../schemas/replies.ts';
import type { ApiContext } from '../context.ts';

const tags = ['Tasks'];
const Id = Type.Object({ id: Type.String() });
const PLAIN = 'text/plain; charset=utf-8';
const NDJSON = 'application/x-ndjson';
const plain = {
  200: { description: 'The text', content: { 'text/plain': { schema: Type.String() } } },
  ...failures,
};

/** The text that a task runs, but for secrets. */
export function showScript(task: SplitTask): string {
  const { template, values } = hideSecretValues(task);
  return renderValues(template, values) + renderScript(template);
}

export function taskTextRoutes(api: Api, context: ApiContext): void {
  const { reader } = context;
  const logs = {
    200: {
      description: 'What was printed',
      content: {
        'text/plain': { schema: Type.String() },
        'application/x-ndjson': { schema: LogLine },
      },
    },
    ...failures,
  };
  api.get(
    '/tasks/:id/logs',
    {
      schema: {
        tags,
        summary: 'The end of stdout or stderr of the latest attempt, or all as it comes',
        params: Id,
        querystring: LogQuery,
        response: logs,
      },
    },
    async (request, reply) => {
      const {
        stream = 'stdout',
        executor = 0,
        tail_bytes: mostBytes = 1024 ** 2,
        follow = false,
        from,
      } = request.query;
      const task = await reader.find(request.caller.access.owner, request.params.id);
      if (!task) return reply.code(404).send(notFound('task', request.params.id));
      if (follow)
        return sendFollowed(context, { request, reply }, task.id, {
          stream,
          executor,
          tailBytes: mostBytes,
          from: from === undefined ? undefined : parsePosition(from),
        });
      if (from !== undefined)
        return reply
          .code(400)
          .send(refusal([{ field: 'from', expected: 'to come with follow=true' }]));
      const log = await reader.readLog(task.id, { stream, executor, mostBytes });
      if (!log)
        return reply
          .code(404)
          .send(
            failure(
              404,
              `Executor ${executor} of ${request.params.id} has no ${stream} yet; it is there some seconds after it was printed, and whole when the attempt has ended. A cache hit has none.`,
            ),
          );
      return reply.type(PLAIN).send(log.toString('utf8'));
    },
  );

  api.get(
    '/tasks/:id/script',
    {
      schema: {
        tags,
        summary: 'The exact text that the task runs, but for secrets',
        params: Id,
        response: plain,
      },
    },
    async (request, reply) => {
      const task = await reader.find(request.caller.access.owner, request.params.id);
      const filled = task && (await reader.readFilled(task.id));
      if (!filled) return reply.code(404).send(notFound('task', request.params.id));
      return reply.type(PLAIN).send(showScript(filled));
    },
  );
}

const TRY_AGAIN_SECONDS = 30;

async function sendFollowed(
  context: ApiContext,
  { request, reply }: { request: FastifyRequest; reply: FastifyReply },
  taskId: number,
  wish: FollowWish,
): Promise<FastifyReply> {
  const executors = (await context.reader.readFilled(taskId))?.template.executors.length ?? 0;
  if (wish.executor >= executors)
    return reply.code(400).send(
      refusal([
        {
          field: 'executor',
          expected: `a number below ${executors}, for the task has so many executors`,
          got: String(wish.executor),
        },
      ]),
    );
  const signal = context.logFollows.begin(request, reply);
  if (!signal) {
    const body = failure(
      503,
      `This process follows ${context.logFollows.most} logs already, the most that it does at once. Try again in ${TRY_AGAIN_SECONDS} s, or read the log without follow.`,
    );
    return reply.code(503).header('retry-after', TRY_AGAIN_SECONDS).send(body);
  }
  const pieces = followLog(context, taskId, wish, signal);
  const wantsLines = request.headers.accept?.includes(NDJSON) === true;
  const chunks = wantsLines ? asLines(pieces, context.nowMs) : asText(pieces);
  // Some proxies would gather the reply until it is large.
  reply
    .type(wantsLines ? NDJSON : PLAIN)
    .header('cache-control', 'no-store')
    .header('x-accel-buffering', 'no');
  return reply.send(Readable.from(untilBrokenOff(chunks, reply, signal), { objectMode: false }));
}

async function* untilBrokenOff(
  chunks: AsyncIterable<string | Uint8Array>,
  reply: FastifyReply,
  signal: AbortSignal,
): AsyncGenerator<string | Uint8Array, void, undefined> {
  // A task may print nothing for hours, and its reader wants to know that it is heard.
  reply.raw.flushHeaders();
  yield* chunks;
  // So that nobody takes what they have for all of it.
  if (signal.aborted) throw new Error('The server stops, or the reader went away.');
}
