/** Counts every request of the API by the template of its route, whatever became of it. */
import type { ServerResponse } from 'node:http';
import type { Metrics } from '../../telemetry/metrics.ts';
import type { Api } from '../dependencies.ts';

interface OpenRequest {
  startedMs: number;
  metrics: Metrics;
  /** Its reply lasts until something ends, so that its time says nothing. */
  lasts: boolean;
}

const open = new WeakMap<ServerResponse, OpenRequest>();

/** Node's parser takes no other method either; Prometheus keeps a series for each. */
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);
/** Of orchestrators and Prometheus: their answers say nothing of those to callers. */
const PROBES = new Set(['/metrics', '/healthz', '/readyz']);
const FIRST_SERVER_ERROR = 500;

/** The first of these answers must count too, so their series begin at 0. */
const SERVER_ERRORS = ['500', '503'];

export function countRequests(app: Api, metrics: Metrics): void {
  app.addHook('onRoute', ({ url: route, method: methods }) => {
    for (const method of [methods].flat())
      for (const code of SERVER_ERRORS) metrics.httpRequests.inc({ route, method, code }, 0);
  });
  app.addHook('onRequest', (request, { raw }, done) => {
    const one = { startedMs: performance.now(), metrics, lasts: false };
    open.set(raw, one);
    metrics.httpInProgress.inc();
    // It comes after every reply, and also when the client leaves before one.
    raw.once('close', () => {
      const route = request.routeOptions.url ?? '(none)';
      const method = METHODS.has(request.method) ? request.method : 'other';
      if (!one.lasts) metrics.httpInProgress.dec();
      if (raw.statusCode >= FIRST_SERVER_ERROR && !PROBES.has(route)) metrics.httpErrors.inc();
      const code = raw.writableFinished ? String(raw.statusCode) : 'aborted';
      metrics.httpRequests.inc({ route, method, code });
      if (!one.lasts)
        metrics.httpSeconds.observe({ route, method }, (performance.now() - one.startedMs) / 1000);
    });
    done();
  });
}

/** From now on this reply waits for something to end. */
export function noteThatItLasts(raw: ServerResponse): void {
  const one = open.get(raw);
  if (!one || one.lasts) return;
  one.lasts = true;
  one.metrics.httpInProgress.dec();
}
