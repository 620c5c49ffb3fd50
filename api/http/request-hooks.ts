/** Hooks that run for every request. */
import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { Log } from '../../telemetry/log.ts';
import type { Api } from '../dependencies.ts';

/** What a caller may name a request: it goes into lines of the log. */
const REQUEST_ID = /^[\w.:/+=@-]{1,128}$/;

/** The caller's own name for the request, or a random one. */
export function nameRequest({ headers }: { headers: IncomingHttpHeaders }): string {
  const given = headers['x-request-id'];
  return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID();
}

/** Logs the route, not the URL: a URL can hold a token, and routes are few. */
export function logRequests(app: Api, log: Log, nowMs: () => number): void {
  const started = new WeakMap<object, number>();
  app.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id);
    started.set(request, nowMs());
    done();
  });
  app.addHook('onResponse', (request, reply, done) => {
    // Most of the traffic is polls; Cromwell alone sends thousands a minute.
    const level = request.method === 'GET' && reply.statusCode < 400 ? 'debug' : 'info';
    log[level](
      {
        event: 'request',
        method: request.method,
        route: request.routeOptions.url ?? '(none)',
        status: reply.statusCode,
        ms: nowMs() - (started.get(request) ?? nowMs()),
        owner: request.caller.access.owner,
        requestId: request.id,
      },
      'request',
    );
    done();
  });
  // An aborted request has no response, so onResponse does not see it.
  app.addHook('onRequestAbort', (request, done) => {
    log.info(
      {
        event: 'request-broken-off',
        method: request.method,
        route: request.routeOptions.url ?? '(none)',
        owner: request.caller.access.owner,
        requestId: request.id,
      },
      'request-broken-off',
    );
    done();
  });
}

/**
 * CORS, for pages that hold a token. It stays off where no token is required: any page that a user
 * of this machine opens could run tasks. Credentials are never allowed, since the page itself sends
 * the token in a header.
 */
export function allowOtherOrigins(app: Api): void {
  app.addHook('onRequest', async (request, reply) => {
    if (request.headers.origin === undefined) return undefined;
    reply
      .header('access-control-allow-origin', '*')
      .header('access-control-expose-headers', 'retry-after, x-batchwell-last-known, x-request-id');
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
        'authorization, content-type, idempotency-key, last-event-id, x-request-id',
      )
      .header('access-control-max-age', '600')
      .send();
  });
}
