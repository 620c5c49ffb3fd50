/**
 * A TES endpoint on Cromwell's host: Batchwell's own, but that inputs are brought to S3 before a task is sent on, and
 * outputs to the mount before its end is shown. Everything else is passed on as it is.
 */
import fastify, {
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
} from 'fastify';
import { setTimeout as sleep } from 'node:timers/promises';
import { bringsHome, planUploads, type MountedInput } from '../../core/files/cromwell-proxy.ts';
import type { PathMap } from '../../core/files/path-map.ts';
import { problemSentence, type Problem } from '../../core/problems.ts';
import type { Log } from '../../telemetry/log.ts';
import { reasonOf } from '../../stager/s3.ts';
import { backoffMs } from './backoff.ts';
import type { BringHome } from './bring-home.ts';
import type { BringUp, BroughtUp } from './bring-up.ts';
import { rememberStates } from './last-states.ts';
import type { Answer, Upstream } from './upstream.ts';

export interface ProxyParts {
  map: PathMap;
  upstream: Upstream;
  bringUp: BringUp;
  bringHome: BringHome;
  log: Log;
  /** Sent for callers that send none of their own. */
  token: string | undefined;
  nowMs: () => number;
}

/** As the API takes it. */
const LARGEST_TASK_BYTES = 4 * 1024 ** 2;
const PASSED_ON = ['authorization', 'content-type', 'accept', 'idempotency-key'];
const PASSED_BACK = ['content-type', 'www-authenticate', 'x-batchwell-last-known'];
/** The API gives it instead of what it cannot read now: it may be short of the outputs. */
const LAST_KNOWN = 'x-batchwell-last-known';

/** Not listening yet. */
export function createProxy(parts: ProxyParts): FastifyInstance {
  const app = fastify({
    logger: false,
    rewriteUrl: (request) => (request.url ?? '/').replace(/%3Acancel(?=$|\?)/i, ':cancel'),
    routerOptions: { maxParamLength: 500 },
    forceCloseConnections: 'idle',
    bodyLimit: LARGEST_TASK_BYTES,
  });
  const closing = new AbortController();
  app.addHook('preClose', async () => closing.abort());
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body));
  app.setNotFoundHandler((request, reply) =>
    reply.code(404).send({
      status_code: 404,
      message: `There is no ${request.method} ${request.url.split('?')[0]?.slice(0, 200)} here: this is the proxy between Cromwell and Batchwell, with /ga4gh/tes/v1 and /healthz.`,
    }),
  );
  app.setErrorHandler(async (error: FastifyError, request, reply) => {
    const status = error.statusCode ?? 500;
    if (status >= 500)
      parts.log.error(
        {
          event: 'request-failed',
          method: request.method,
          route: request.routeOptions.url,
          error: error.message,
          stack: error.stack,
        },
        'request-failed',
      );
    return reply.code(status).send({
      status_code: status,
      message: status >= 500 ? 'A defect in the proxy; its log has the cause.' : error.message,
    });
  });
  app.get('/healthz', async () => ({ status: 'ok' }));
  app.register(async (tes) => routes(tes, parts, closing.signal), { prefix: '/ga4gh/tes/v1' });
  return app;
}

type WithId = FastifyRequest<{ Params: { id: string } }>;

function routes(tes: FastifyInstance, parts: ProxyParts, closing: AbortSignal): void {
  const states = rememberStates();
  const respond =
    (
      handle: (
        request: FastifyRequest,
        reply: FastifyReply,
        waits: AbortSignal,
      ) => Promise<unknown>,
    ) =>
    async (request: FastifyRequest, reply: FastifyReply) => {
      const waits = whileWaitedFor(request, closing);
      try {
        return await handle(request, reply, waits.signal);
      } catch (error) {
        if (!waits.signal.aborted) throw error;
        // Cut, not refused: Cromwell sends again what got no answer, and fails a call for good on any that is not 2xx.
        reply.hijack();
        request.raw.socket.destroy();
        return reply;
      } finally {
        waits.end();
      }
    };
  const passOn = (path: (request: FastifyRequest) => string) =>
    respond(async (request, reply, waits) =>
      relay(
        reply,
        await parts.upstream.askUntilAnswered(
          {
            method: request.method,
            path: path(request),
            headers: headersOf(request, parts),
            body: bodyOf(request),
          },
          waits,
        ),
      ),
    );

  tes.post(
    '/tasks',
    respond((request, reply, waits) => postTask(parts, request, reply, waits)),
  );
  tes.get(
    '/tasks/:id',
    respond((request, reply, waits) =>
      showTask({ ...parts, states }, request as WithId, reply, waits),
    ),
  );
  tes.get(
    '/tasks',
    passOn((request) => `/tasks${queryOf(request)}`),
  );
  tes.get(
    '/service-info',
    passOn(() => '/service-info'),
  );
  tes.route({
    method: ['POST', 'DELETE'],
    url: '/tasks/:id(^[^:/]+)::cancel',
    handler: passOn(
      (request) => `/tasks/${encodeURIComponent((request as WithId).params.id)}:cancel`,
    ),
  });
}

async function postTask(
  parts: ProxyParts,
  request: FastifyRequest,
  reply: FastifyReply,
  waits: AbortSignal,
): Promise<FastifyReply> {
  const startMs = parts.nowMs();
  const body = bodyOf(request) ?? '';
  const plan = planUploads(parsed(body), parts.map);
  if ('problems' in plan) return reply.code(400).send(refusal(plan.problems));
  const brought = await bringUntilDone(parts, plan.inputs, waits);
  if ('problems' in brought) return reply.code(400).send(refusal(brought.problems));
  const sent = plan.task === undefined ? body : JSON.stringify(plan.task);
  const answer = await parts.upstream.askUntilAnswered(
    { method: 'POST', path: '/tasks', headers: headersOf(request, parts), body: sent },
    waits,
  );
  const { id } = (parsed(answer.text) ?? {}) as { id?: string };
  parts.log.info(
    {
      event: 'brought-up',
      task: id,
      status: answer.status,
      ...brought,
      ms: parts.nowMs() - startMs,
    },
    'brought-up',
  );
  return relay(reply, answer);
}

/** Trouble that may pass is waited for as long as Cromwell waits: an answer that tells of it would fail the call for good. */
async function bringUntilDone(
  { bringUp, log }: ProxyParts,
  inputs: readonly MountedInput[],
  waits: AbortSignal,
): Promise<BroughtUp | { problems: Problem[] }> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await untilAborted(bringUp.bring(inputs), waits);
    } catch (error) {
      waits.throwIfAborted();
      log.error(
        { event: 'not-brought-up', tries, nextInMs: backoffMs(tries), error: reasonOf(error) },
        'not-brought-up',
      );
    }
    await sleep(backoffMs(tries), undefined, { signal: waits });
  }
}

/** A large file goes on its way also when its POST is given up: the next one finds it there. */
function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const giveUp = (): void => reject(signal.reason as Error);
    if (signal.aborted) giveUp();
    signal.addEventListener('abort', giveUp, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', giveUp));
  });
}

async function showTask(
  { states, ...parts }: ProxyParts & { states: ReturnType<typeof rememberStates> },
  request: WithId,
  reply: FastifyReply,
  waits: AbortSignal,
): Promise<FastifyReply> {
  const { id } = request.params;
  const headers = headersOf(request, parts);
  const path = `/tasks/${encodeURIComponent(id)}`;
  const owner = headers['authorization'] ?? '';
  const answer = await parts.upstream.ask(
    { method: 'GET', path: path + queryOf(request), headers },
    waits,
  );
  // Any answer but 2xx would make Cromwell fail the call for good.
  if (!answer)
    return reply.send({
      id,
      state: states.recall(owner, id) ?? 'UNKNOWN',
      ...(/[?&]view=(?:FULL|BASIC)\b/.test(queryOf(request)) && { executors: [], logs: [] }),
    });
  const task = parsed(answer.text) as { state?: string } | undefined;
  if (answer.status >= 300 || task?.state === undefined) return relay(reply, answer);

  const readTask = async (): Promise<unknown> => {
    // Without a signal: what is brought home goes on when the poll that started it is over.
    const full = await parts.upstream.ask({ method: 'GET', path: `${path}?view=FULL`, headers });
    return full?.status === 200 && !full.headers.has(LAST_KNOWN) ? parsed(full.text) : undefined;
  };
  const isShown = !bringsHome(task.state) || (await parts.bringHome.isHome(id, readTask, waits));
  const state = isShown ? task.state : 'RUNNING';
  states.remember(owner, id, state);
  return isShown ? relay(reply, answer) : reply.send({ ...task, state });
}

/** Aborted once the answer has nobody who waits for it: the caller hung up, or the proxy is closing. Not by AbortSignal.any, of which Node keeps some while `closing` lives. */
function whileWaitedFor(
  request: FastifyRequest,
  closing: AbortSignal,
): { signal: AbortSignal; end(): void } {
  const { socket } = request.raw;
  const controller = new AbortController();
  const giveUp = (): void =>
    controller.abort(new DOMException('Nobody waits for the answer any more', 'AbortError'));
  if (closing.aborted || socket.destroyed) giveUp();
  socket.once('close', giveUp);
  closing.addEventListener('abort', giveUp, { once: true });
  return {
    signal: controller.signal,
    end() {
      socket.removeListener('close', giveUp);
      closing.removeEventListener('abort', giveUp);
    },
  };
}

const queryOf = (request: FastifyRequest): string => /\?.*$/s.exec(request.url)?.[0] ?? '';

const bodyOf = (request: FastifyRequest): string | undefined =>
  typeof request.body === 'string' ? request.body : undefined;

function headersOf(request: FastifyRequest, { token }: ProxyParts): Record<string, string> {
  const sent = Object.fromEntries(
    PASSED_ON.flatMap((name) => {
      const value = request.headers[name];
      return typeof value === 'string' ? [[name, value]] : [];
    }),
  );
  return { ...(token !== undefined && { authorization: `Bearer ${token}` }), ...sent };
}

function relay(reply: FastifyReply, answer: Answer): FastifyReply {
  for (const name of PASSED_BACK) {
    const value = answer.headers.get(name);
    if (value !== null) reply.header(name, value);
  }
  return reply.code(answer.status).send(answer.text);
}

/** Undefined when it is no JSON. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** In the API's form. Cromwell shows the body of a refusal as the reason of the call's failure. */
function refusal(problems: readonly Problem[]): {
  status_code: 400;
  message: string;
  problems: readonly Problem[];
} {
  const [first] = problems;
  const others = problems.length > 1 ? ` (and ${problems.length - 1} more)` : '';
  return {
    status_code: 400,
    message: first ? `${problemSentence(first)}${others}` : 'The request is malformed.',
    problems,
  };
}
