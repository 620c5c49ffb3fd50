/**
 * A TES endpoint on Cromwell's host. It works like Batchwell's own, except that inputs are copied
 * to S3 before a task is sent on, and outputs to the mount before its end is shown. Everything else
 * is passed on unchanged.
 */
import fastify, {
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
} from 'fastify';
import { whyFromElsewhere } from '../../core/access/other-sites.ts';
import type { Log } from '../../telemetry/log.ts';
import type { ProxyDependencies } from './dependencies.ts';
import { rememberStates } from './last-states.ts';
import { bodyOf, headersOf, queryOf, relay } from './pass-on.ts';
import { postTask } from './post-task.ts';
import { showTask, type WithId } from './show-task.ts';
import { whileConnected } from './while-connected.ts';

/** As the API accepts it. */
const LARGEST_TASK_BYTES = 4 * 1024 ** 2;

/** Not listening yet. */
export function createProxy(dependencies: ProxyDependencies): FastifyInstance {
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
  // It lends its token to who has none, and so it must know that a page of a browser does not ask.
  app.addHook('onRequest', async (request, reply) => {
    if (request.headers.authorization !== undefined) return undefined;
    const message = whyFromElsewhere(request, dependencies.isLocal);
    return message === undefined ? undefined : reply.code(403).send({ status_code: 403, message });
  });
  app.setNotFoundHandler(answerNotFound);
  app.setErrorHandler(answerError(dependencies.log));
  app.get('/healthz', async () => ({ status: 'ok' }));
  app.register(async (tes) => routes(tes, dependencies, closing.signal), {
    prefix: '/ga4gh/tes/v1',
  });
  return app;
}

const answerNotFound = (request: FastifyRequest, reply: FastifyReply): FastifyReply => {
  const path = request.url.split('?')[0]?.slice(0, 200);
  return reply.code(404).send({
    status_code: 404,
    message:
      `${request.method} ${path} does not exist. This is the proxy between Cromwell and Batchwell; ` +
      'it serves /ga4gh/tes/v1 and /healthz.',
  });
};

const answerError =
  (log: Log) => async (error: FastifyError, request: FastifyRequest, reply: FastifyReply) => {
    const status = error.statusCode ?? 500;
    if (status >= 500)
      log.error(
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
      message:
        status >= 500
          ? 'The proxy failed. The cause is in its log (request-failed).'
          : error.message,
    });
  };

function routes(tes: FastifyInstance, dependencies: ProxyDependencies, closing: AbortSignal): void {
  const states = rememberStates();
  const passOn = (path: (request: FastifyRequest) => string) =>
    whileConnected(
      async (request, reply, connected) =>
        relay(
          reply,
          await dependencies.upstream.askUntilAnswered(
            {
              method: request.method,
              path: path(request),
              headers: headersOf(request, dependencies.token),
              body: bodyOf(request),
            },
            connected,
          ),
        ),
      closing,
    );
  const post = whileConnected(
    (request, reply, connected) => postTask(dependencies, request, reply, connected),
    closing,
  );
  const show = whileConnected(
    (request, reply, connected) =>
      showTask({ ...dependencies, states }, request as WithId, reply, connected),
    closing,
  );

  tes.post('/tasks', post);
  tes.get('/tasks/:id', show);
  const list = passOn((request) => `/tasks${queryOf(request)}`);
  tes.get('/tasks', list);
  const serviceInfo = passOn(() => '/service-info');
  tes.get('/service-info', serviceInfo);
  tes.route({
    method: ['POST', 'DELETE'],
    url: '/tasks/:id(^[^:/]+)::cancel',
    handler: passOn(
      (request) => `/tasks/${encodeURIComponent((request as WithId).params.id)}:cancel`,
    ),
  });
}
