import type { Registry } from 'prom-client';
import { counter, withLabel } from '../series.ts';

const cacheResults = [
  'hit',
  'miss',
  'wait',
  'off',
  'unreadable-input',
  'image-not-resolved',
] as const;
const registryOperations = ['manifest', 'token'] as const;

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
  registryRequests: counter({
    name: 'batchwell_registry_requests_total',
    help: 'Requests to image registries. The code is the HTTP status, or timeout, error or refused.',
    labels: ['operation', 'code'],
    startsAt: registryOperations.map((operation) => ({ operation, code: '200' })),
    registers,
  }),
});
