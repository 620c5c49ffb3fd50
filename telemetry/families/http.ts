import type { Registry } from 'prom-client';
import { counter, DURATION_BUCKETS_S, gauge, histogram } from '../series.ts';

/** The route is the template, never the path: `/v1/scatters/:id`. Unknown paths are `(none)`. */
export const httpMetrics = (registers: Registry[]) => ({
  httpRequests: counter({
    name: 'batchwell_http_requests_total',
    help:
      'Requests that the API answered, by route, method and status code. The code `aborted`: the ' +
      'client left before the reply.',
    labels: ['route', 'method', 'code'],
    registers,
  }),
  httpErrors: counter({
    name: 'batchwell_http_errors_total',
    help: 'Requests that the API answered with 5xx, without those to /readyz and its like.',
    startsAt: [{}],
    registers,
  }),
  httpSeconds: histogram({
    name: 'batchwell_http_request_seconds',
    help:
      'Time from the arrival of a request to the end of its reply. Replies that last until ' +
      'something ends (event streams, followed logs, waits) are left out.',
    labels: ['route', 'method'],
    buckets: DURATION_BUCKETS_S,
    registers,
  }),
  httpInProgress: gauge({
    name: 'batchwell_http_requests_in_progress',
    help: 'Requests that this API process has not answered yet, without those that last.',
    startsAt: [{}],
    registers,
  }),
});
