import type { Registry } from 'prom-client';
import { counter, gauge, withLabel } from '../series.ts';

export const dependencies = ['mysql', 'redis'] as const;

/** What MySQL did not answer in time. */
const unanswered = ['connection', 'statement', 'commit'] as const;

export const processMetrics = (registers: Registry[]) => ({
  dependencyUp: gauge({
    name: 'batchwell_dependency_up',
    help: '1 if the dependency answered this process at the last check, else 0.',
    labels: ['dependency'],
    registers,
  }),
  clockSkewSeconds: gauge({
    name: 'batchwell_clock_skew_seconds',
    help: "The wall clock of this process's host minus the database's clock, which the fleet goes by.",
    registers,
  }),
  dependencyReadOnly: gauge({
    name: 'batchwell_dependency_read_only',
    help: '1 while the name of the dependency leads this process to a server that is not a primary.',
    labels: ['dependency'],
    startsAt: withLabel('dependency', dependencies),
    registers,
  }),
  databaseTimeouts: counter({
    name: 'batchwell_database_timeouts_total',
    help: 'Waits for a connection, statements and commits that MySQL did not answer in time.',
    labels: ['what'],
    startsAt: withLabel('what', unanswered),
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
