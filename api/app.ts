/** The HTTP server, put together from its routes. */
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import { TypeBoxValidatorCompiler, type TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import fastify, { type FastifyInstance } from 'fastify';
import packageJson from '../package.json' with { type: 'json' };
import { anonymous } from './access/callers.ts';
import { guardRoutes } from './access/require-token.ts';
import { answerErrors, failure } from './http/errors.ts';
import { consumeIntakeQueue } from './intake/queue-consumer.ts';
import type { Api, ApiDependencies } from './dependencies.ts';
import { allowOtherOrigins, logRequests } from './http/request-hooks.ts';
import { bulkCancelRoutes } from './routes/bulk-cancel.ts';
import { boardRoutes } from './routes/board.ts';
import { cacheRoutes } from './routes/cache.ts';
import { limitPosts } from './http/rate-limit.ts';
import { eventRoutes } from './routes/events.ts';
import { healthRoutes } from './routes/health.ts';
import { scatterCancelRoutes, scatterRoutes } from './routes/scatters.ts';
import { serviceInfoRoutes } from './routes/service-info.ts';
import { taskTextRoutes } from './routes/logs.ts';
import { timelineRoutes } from './routes/timeline.ts';
import { tokenRoutes } from './routes/tokens.ts';
import { validateRoutes } from './routes/validate.ts';
import { tesCancelRoutes, tesRoutes } from './routes/tes.ts';
import { webhookRoutes } from './routes/webhooks.ts';
import { createContext, type ApiContext } from './context.ts';

const TES_PATH = '/ga4gh/tes/v1';
const OWN_PATH = '/v1';
/** For clients that can send no header: the token in the path. */
const TOKEN_PATH = `/t/:token${TES_PATH}`;
const BOARD_PATH = '/board';
/** A close waits so long for messages that are being sent; the sweeper sends what is lost. */
const LAST_WORDS_MS = 2000;
/** A close waits so long for answers that are under way. */
const LAST_ANSWERS_MS = 5000;

/** Not listening yet. `close()` leaves the dependencies it was given open: who made them closes them. */
export async function createApp(dependencies: ApiDependencies): Promise<FastifyInstance> {
  const context = createContext(dependencies);
  const app: Api = fastify({
    logger: false,
    // A client that percent-encodes the colon means the same route.
    rewriteUrl: (request) => (request.url ?? '/').replace(/%3Acancel(?=$|\?)/i, ':cancel'),
    routerOptions: { maxParamLength: 500 },
    forceCloseConnections: 'idle',
    requestTimeout: 300_000,
    // Null is Fastify's word for plain HTTP.
    https: dependencies.tls ?? null,
  }).withTypeProvider<TypeBoxTypeProvider>();

  // Bodies are read by core, which tells every problem at once; what is sent is what the handlers' types say.
  app.setValidatorCompiler((route) =>
    route.httpPart === 'body' ? (value: unknown) => ({ value }) : TypeBoxValidatorCompiler(route),
  );
  app.setSerializerCompiler(() => (value: unknown) => JSON.stringify(value));
  app.setErrorHandler(answerErrors(dependencies.log));
  app.setNotFoundHandler((request, reply) =>
    reply
      .code(404)
      .send(
        failure(
          404,
          `There is no ${request.method} ${request.url.split('?')[0]?.slice(0, 200)} here; /docs lists what there is.`,
        ),
      ),
  );
  app.decorateRequest('caller');
  app.decorateRequest('isStillAllowed', () => Promise.resolve(true));
  logRequests(app, dependencies.log, dependencies.nowMs);
  if (context.callers.tokensRequired) allowOtherOrigins(app);
  // Before the body is read: py-tes tries its next prefix on 404 only, and sends empty bodies that call themselves JSON.
  app.addHook('onRequest', async (request, reply) => {
    request.caller = anonymous;
    if (request.is404) reply.callNotFound();
  });

  await limitPosts(app, dependencies);
  await describe(app);
  await mountRoutes(app, context);
  consumeIntakeQueue(app, context);
  app.addHook('preClose', async () => {
    endConnectionsInTime(app);
    context.taskWaiter.close();
    context.feed.close();
    context.eventStreams.close();
    context.logFollows.close();
  });
  app.addHook('onClose', () => context.nudgeSender.settle(LAST_WORDS_MS));
  return app as unknown as FastifyInstance;
}

/** One that never sent a request is not idle to Node, and would be waited for until its client gives up. */
function endConnectionsInTime(app: Api): void {
  const late = setTimeout(() => app.server.closeAllConnections(), LAST_ANSWERS_MS);
  app.server.once('close', () => clearTimeout(late));
}

async function describe(app: Api): Promise<void> {
  await app.register(swagger, {
    openapi: {
      info: {
        title: 'Batchwell',
        version: packageJson.version,
        description: 'Scientific tasks on AWS Batch: GA4GH TES 1.1 and scatters.',
      },
      components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } },
      security: [{ bearer: [] }],
    },
  });
  await app.register(swaggerUi, { routePrefix: '/docs' });
  app.get('/openapi.json', { schema: { hide: true } }, (_request, reply) =>
    reply.send(app.swagger()),
  );
}

async function mountRoutes(app: Api, context: ApiContext): Promise<void> {
  healthRoutes(app, context);
  for (const prefix of [
    TES_PATH,
    OWN_PATH,
    ...(context.callers.tokensRequired ? [TOKEN_PATH] : []),
  ]) {
    await app.register(async (api: Api) => serviceInfoRoutes(api, context), { prefix });
    await app.register(
      async (api: Api) => {
        guardRoutes(api, context.callers);
        tesRoutes(api, context);
        await api.register(async (cancels: Api) => {
          takeAnyBody(cancels);
          tesCancelRoutes(cancels, context);
        });
      },
      { prefix },
    );
  }
  await app.register(
    async (api: Api) => {
      guardRoutes(api, context.callers);
      scatterRoutes(api, context);
      taskTextRoutes(api, context);
      cacheRoutes(api, context);
      bulkCancelRoutes(api, context);
      timelineRoutes(api, context);
      eventRoutes(api, context);
      validateRoutes(api, context);
      tokenRoutes(api, context);
      webhookRoutes(api, context);
      await api.register(async (cancels: Api) => {
        takeAnyBody(cancels);
        scatterCancelRoutes(cancels, context);
      });
    },
    { prefix: OWN_PATH },
  );
  await app.register(async (api: Api) => boardRoutes(api, context, BOARD_PATH), {
    prefix: BOARD_PATH,
  });
}

/** Clients send all sorts of bodies with a cancel, or none. */
function takeAnyBody(api: Api): void {
  api.removeAllContentTypeParsers();
  api.addContentTypeParser('*', (_request, payload, done) => {
    payload
      .resume()
      .on('end', () => done(null))
      .on('error', done);
  });
}
