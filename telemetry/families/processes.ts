import type { Registry } from 'prom-client';
import { gauge } from '../series.ts';

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
  logFollows: gauge({
    name: 'batchwell_log_follows',
    help: 'Open requests that follow a log on this process.',
    registers,
  }),
});
