import type { Registry } from 'prom-client';
import { counter, gauge } from '../series.ts';

export const processMetrics = (registers: Registry[]) => ({
  dependencyUp: gauge({
    name: 'batchwell_dependency_up',
    help: '1 if the dependency answered this process at the last check, else 0.',
    labels: ['dependency'],
    registers,
  }),
  bodyBytes: gauge({
    name: 'batchwell_body_bytes',
    help: 'Bytes of request bodies that this API process holds.',
    registers,
  }),
  bodiesRefused: counter({
    name: 'batchwell_bodies_refused_total',
    help: 'Requests that got 503 because there was no room for their bodies.',
    startsAt: [{}],
    registers,
  }),
  logFollows: gauge({
    name: 'batchwell_log_follows',
    help: 'Open requests that follow a log on this process.',
    registers,
  }),
});
