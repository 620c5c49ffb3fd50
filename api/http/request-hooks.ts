/** What happens around every request. */
import type { Log } from '../../telemetry/log.ts';
import type { Api } from '../dependencies.ts';

/** The route, not the url: urls can hold a token, and routes are few. */
export function logRequests(app: Api, log: Log, nowMs: () => number): void {
  const started = new WeakMap<object, number>();
  app.addHook('onRequest', (request, _reply, done) => {
    started.set(request, nowMs());
    done();
  });
  app.addHook('onResponse', (request, reply, done) => {
    // Polls are most of the traffic, and Cromwell's alone are thousands a minute.
    const level = request.method === 'GET' && reply.statusCode < 400 ? 'debug' : 'info';
    log[level](
      {
        event: 'request',
        method: request.method,
        route: request.routeOptions.url ?? '(none)',
        status: reply.statusCode,
        ms: nowMs() - (started.get(request) ?? nowMs()),
        owner: request.caller.access.owner,
      },
      'request',
    );
    done();
  });
  // Such a request has no response that could end, so it would be seen nowhere.
  app.addHook('onRequestAbort', (request, done) => {
    log.info(
      {
        event: 'request-broken-off',
        method: request.method,
        route: request.routeOptions.url ?? '(none)',
        owner: request.caller.access.owner,
      },
      'request-broken-off',
    );
    done();
  });
}

/**
 * CORS, for pages that hold a token. Without tokens it stays off: then any page that a user of this machine opens
 * could run tasks here. Credentials are never allowed, since the token is in a header that the page sets itself.
 */
export function allowOtherOrigins(app: Api): void {
  app.addHook('onRequest', async (request, reply) => {
    if (request.headers.origin === undefined) return undefined;
    reply
      .header('access-control-allow-origin', '*')
      .header('access-control-expose-headers', 'retry-after, x-batchwell-last-known');
    if (
      request.method !== 'OPTIONS' ||
      request.headers['access-control-request-method'] === undefined
    )
      return undefined;
    return reply
      .code(204)
      .header('access-control-allow-methods', 'GET, POST, DELETE')
      .header(
        'access-control-allow-headers',
        'authorization, content-type, idempotency-key, last-event-id',
      )
      .header('access-control-max-age', '600')
      .send();
  });
}
