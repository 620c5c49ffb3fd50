import type { Registry } from 'prom-client';
import { counter, withLabel } from '../series.ts';

const cacheResults = ['hit', 'miss', 'wait', 'off', 'unreadable-input'] as const;

export const cacheMetrics = (registers: Registry[]) => ({
  cacheLookups: counter({
    name: 'batchwell_cache_lookups_total',
    help: 'Call-cache decisions, by result.',
    labels: ['result'],
    startsAt: withLabel('result', cacheResults),
    registers,
  }),
  cacheInvalidations: counter({
    name: 'batchwell_cache_invalidations_total',
    help: 'Cache entries invalidated because their outputs were missing.',
    registers,
  }),
});
