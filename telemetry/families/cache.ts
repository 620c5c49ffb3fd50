import type { Registry } from 'prom-client';
import type { NotKept } from '../../core/cache/keep-run.ts';
import { counter, gauge, withLabel } from '../series.ts';

const cacheResults = [
  'hit',
  'miss',
  'wait',
  'fail',
  'off',
  'read-off',
  'unreadable-input',
  'image-not-resolved',
  'entry-too-old',
  'entry-elsewhere',
] as const;
const registryOperations = ['manifest', 'token'] as const;

/** See core/cache/keep-run.ts. */
const runResults = [
  'kept',
  'off',
  'no-fingerprint',
  'no-outputs',
  'executor-failed',
  'output-missing',
  'client-failed',
  'input-changed',
  'input-overwritten',
] as const satisfies ('kept' | NotKept['because'])[];

export const cacheMetrics = (registers: Registry[]) => ({
  cacheLookups: counter({
    name: 'batchwell_cache_lookups_total',
    help: 'Call-cache decisions, by result.',
    labels: ['result'],
    startsAt: withLabel('result', cacheResults),
    registers,
  }),
  cacheRuns: counter({
    name: 'batchwell_cache_runs_total',
    help: 'Successful runs, by whether the call cache keeps their outputs, or why not.',
    labels: ['result'],
    startsAt: withLabel('result', runResults),
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
  etagsDistrusted: gauge({
    name: 'batchwell_etags_distrusted',
    help: '1 where the ETags of S3 do not tell contents apart, as a worker found at its start.',
    registers,
  }),
  cacheSavedVcpuSeconds: counter({
    name: 'batchwell_cache_saved_vcpu_seconds_total',
    help: 'vCPU time that cache hits saved: the time of the first run, with the vCPUs of the hit.',
    registers,
  }),
  cacheSavedGibSeconds: counter({
    name: 'batchwell_cache_saved_gib_seconds_total',
    help: 'Memory time that cache hits saved, in GiB-seconds.',
    registers,
  }),
  cacheCopiedBytes: counter({
    name: 'batchwell_cache_copied_bytes_total',
    help: 'Bytes of outputs that were copied for cache hits.',
    registers,
  }),
});
