/** The HTTP server, assembled from its routes. */
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import { TypeBoxValidatorCompiler, type TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import fastify, { type FastifyReply, type FastifyRequest } from 'fastify';
import packageJson from '../package.json' with { type: 'json' };
import { anonymous } from './access/callers.ts';
import { guardRoutes } from './access/require-token.ts';
import { learnMethods } from './http/allowed-methods.ts';
import { limitBodies } from './http/body-budget.ts';
import { refuseDeepJson } from './http/deep-json.ts';
import { answerClientError, answerErrors, answerFrameworkError, failure } from './http/errors.ts';
import { consumeIntakeQueue } from './intake/queue-consumer.ts';
import type { Api, ApiDependencies } from './dependencies.ts';
import { allowOtherOrigins, logRequests, nameRequest } from './http/request-hooks.ts';
import { countRequests } from './http/request-metrics.ts';
import { bulkCancelRoutes } from './routes/bulk-cancel.ts';
import { boardRoutes } from './routes/board.ts';
import { cacheRoutes } from './routes/cache.ts';
import { cacheEntryRoutes } from './routes/cache-entries.ts';
import { cacheTransferRoutes } from './routes/cache-transfer.ts';
import { limitPosts } from './http/rate-limit.ts';
import { eventRoutes } from './routes/events.ts';
import { healthRoutes } from './routes/health.ts';
import { scatterCancelRoutes, scatterRoutes } from './routes/scatters.ts';
import { serviceInfoRoutes } from './routes/service-info.ts';
import { logLevelRoutes } from './routes/log-level.ts';
import { logRoutes } from './routes/logs.ts';
import { scriptRoutes } from './routes/script.ts';
import { timelineRoutes } from './routes/timeline.ts';
import { usageRoutes } from './routes/usage.ts';
import { tokenRoutes } from './routes/tokens.ts';
import { fleetRoutes } from './routes/fleet.ts';
import { overviewRoutes } from './routes/overview.ts';
import { pageRoutes } from './routes/page.ts';
import { retryRoutes } from './routes/retry.ts';
import { summaryRoutes } from './routes/summaries.ts';
import { validateRoutes } from './routes/validate.ts';
import { tesCancelRoutes, tesRoutes } from './routes/tes.ts';
import { deliveryRoutes } from './routes/deliveries.ts';
import { webhookRoutes } from './routes/webhooks.ts';
import { nameOperations } from './openapi/name-operations.ts';
import { describeWebhooks } from './openapi/webhooks.ts';
import { createContext, type ApiContext } from './context.ts';

const TES_PATH = '/ga4gh/tes/v1';
const OWN_PATH = '/v1';
/** For clients that cannot send headers: the token is in the path. */
const TOKEN_PATH = `/t/:token${TES_PATH}`;
const BOARD_PATH = '/board';
/**
 * Longest time that a close waits for messages being sent; the sweeper sends those that are lost.
 */
const LAST_NUDGES_MS = 2000;
/** Longest time that a close waits for requests in progress. */
const LAST_REPLIES_MS = 5000;

/** Does not listen yet. `close()` leaves the dependencies open: their creator closes them. */
export async function createApp(dependencies: ApiDependencies): Promise<Api> {
  const context = createContext(dependencies);
  const app: Api = fastify({
    logger: false,
    // Some clients percent-encode the colon.
    rewriteUrl: (request) => (request.url ?? '/').replace(/%3Acancel(?=$|\?)/i, ':cancel'),
    routerOptions: { maxParamLength: 500 },
    forceCloseConnections: 'idle',
    requestTimeout: 300_000,
    // A member named __proto__ or constructor is data: bodies are read by their own members only, and
    // JSON.parse sets no prototype.
    onProtoPoisoning: 'ignore',
    onConstructorPoisoning: 'ignore',
    genReqId: nameRequest,
    frameworkErrors: answerFrameworkError,
    clientErrorHandler: answerClientError,
    // Null means plain HTTP.
    https: dependencies.tls ?? null,
  }).withTypeProvider<TypeBoxTypeProvider>();

  // Core reads bodies and reports every problem at once. Replies are checked by the types of the
  // handlers.
  app.setValidatorCompiler((route) =>
    route.httpPart === 'body' ? (value: unknown) => ({ value }) : TypeBoxValidatorCompiler(route),
  );
  app.setSerializerCompiler(() => (value: unknown) => JSON.stringify(value));
  app.setErrorHandler(answerErrors(dependencies.log));
  const answerNoRoute = noRouteAnswer(learnMethods(app));
  app.setNotFoundHandler(answerNoRoute);
  app.decorateRequest('caller');
  app.decorateRequest('isStillAllowed', () => Promise.resolve(true));
  countRequests(app, dependencies.metrics);
  logRequests(app, dependencies.log, dependencies.nowMs);
  if (context.callers.tokensRequired) allowOtherOrigins(app);
  // Before the body is read: py-tes sends empty bodies as JSON, and tries its next prefix only
  // after a 404.
  app.addHook('onRequest', async (request, reply) => {
    request.caller = anonymous;
    // Not callNotFound(): within a route that was not found, it answers in plain text.
    if (request.is404) return answerNoRoute(request, reply);
    return undefined;
  });

  limitBodies(app, {
    mostBytes: dependencies.config.bodyBytes,
    idleMs: dependencies.config.bodyIdleMs,
    metrics: dependencies.metrics,
  });
  refuseDeepJson(app);
  await limitPosts(app, dependencies);
  await describe(app, context.callers.tokensRequired);
  await mountRoutes(app, context);
  consumeIntakeQueue(app, context);
  app.addHook('preClose', async () => {
    endConnectionsInTime(app);
    context.taskWaiter.close();
    context.feed.close();
    context.eventStreams.close();
    context.logFollows.close();
  });
  app.addHook('onClose', () => context.nudgeSender.settle(LAST_NUDGES_MS));
  return app;
}

const LONGEST_SHOWN_PATH = 200;

const noRouteAnswer =
  (methodsOf: (path: string) => string[]) =>
  (request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const [path = ''] = request.url.split('?');
    const shown = path.slice(0, LONGEST_SHOWN_PATH);
    const allowed = request.method === 'OPTIONS' ? [] : methodsOf(path);
    if (allowed.length === 0)
      return reply
        .code(404)
        .send(
          failure(404, `There is no route ${request.method} ${shown}. See /docs for all routes.`),
        );
    const list = allowed.join(', ');
    return reply
      .code(405)
      .header('allow', list)
      .send(
        failure(
          405,
          `${shown} does not take ${request.method}. Use ${list}. See /docs for all routes.`,
        ),
      );
  };

/**
 * Node does not count a connection that never sent a request as idle, and would wait until its
 * client closes it.
 */
function endConnectionsInTime(app: Api): void {
  const late = setTimeout(() => app.server.closeAllConnections(), LAST_REPLIES_MS);
  app.server.once('close', () => clearTimeout(late));
}

async function describe(app: Api, tokensRequired: boolean): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Batchwell',
        version: packageJson.version,
        description: 'Runs scientific tasks on AWS Batch: GA4GH TES 1.1 and scatters.',
      },
      webhooks: describeWebhooks(),
      ...(tokensRequired && {
        components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } },
        security: [{ bearer: [] }],
      }),
    },
    transformObject(document) {
      if (!('openapiObject' in document)) return document.swaggerObject;
      const { openapiObject } = document;
      nameOperations((openapiObject.paths ?? {}) as Parameters<typeof nameOperations>[0]);
      return openapiObject;
    },
  });
  await app.register(swaggerUi, { routePrefix: '/docs' });
  app.get('/openapi.json', { schema: { hide: true } }, (_request, reply) =>
    reply.send(app.swagger()),
  );
}

async function mountRoutes(app: Api, context: ApiContext): Promise<void> {
  healthRoutes(app, context);
  await pageRoutes(app);
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
      logRoutes(api, context);
      scriptRoutes(api, context);
      cacheRoutes(api, context);
      cacheEntryRoutes(api, context);
      cacheTransferRoutes(api, context);
      bulkCancelRoutes(api, context);
      timelineRoutes(api, context);
      usageRoutes(api, context);
      eventRoutes(api, context);
      validateRoutes(api, context);
      tokenRoutes(api, context);
      logLevelRoutes(api, context);
      webhookRoutes(api, context);
      deliveryRoutes(api, context);
      overviewRoutes(api, context);
      summaryRoutes(api, context);
      retryRoutes(api, context);
      await api.register(async (fleet: Api) => fleetRoutes(fleet, context));
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

/** Clients send any kind of body with a cancel, or none. */
function takeAnyBody(api: Api): void {
  api.removeAllContentTypeParsers();
  api.addContentTypeParser('*', (_request, payload, done) => {
    payload
      .resume()
      .on('end', () => done(null))
      .on('error', done);
  });
}
