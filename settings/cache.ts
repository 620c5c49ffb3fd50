import { HOUR_MS, list, MINUTE_MS, oneOf, whole, type Section } from './setting.ts';

export const cache = {
  heading: 'Call cache',
  settings: {
    cacheDefault: oneOf({
      variable: 'BATCHWELL_CACHE',
      fallback: 'off',
      choices: ['off', 'read', 'write', 'readwrite', 'refresh'],
      effect: 'Call caching for tasks that do not set it.',
    }),
    cacheHit: oneOf({
      variable: 'BATCHWELL_CACHE_HIT',
      fallback: 'copy',
      choices: ['copy', 'reference'],
      effect:
        'What a cache hit does: copy the outputs to the URLs of the new task, or return the ' +
        'URLs of the earlier outputs. Outputs that a bucket keeps no versions of are copied in ' +
        'both cases, because a later task can overwrite them.',
    }),
    cacheUnversioned: oneOf({
      variable: 'BATCHWELL_CACHE_UNVERSIONED',
      fallback: 'copy',
      choices: ['copy', 'reference'],
      effect:
        'What BATCHWELL_CACHE_HIT=reference does with outputs that a bucket keeps no versions ' +
        'of. With reference, such a hit has a warning.',
    }),
    cacheCopyWaitMs: whole({
      variable: 'BATCHWELL_CACHE_COPY_WAIT_MS',
      fallback: HOUR_MS,
      unit: 'ms',
      range: [0, 24 * HOUR_MS],
      effect:
        'How long a cache hit retries while S3 does not copy its outputs, for example because ' +
        'it throttles. After this time the task runs.',
    }),
    cacheDeniedWaitMs: whole({
      variable: 'BATCHWELL_CACHE_DENIED_WAIT_MS',
      fallback: 10 * MINUTE_MS,
      unit: 'ms',
      range: [0, 24 * HOUR_MS],
      effect:
        'How long cache hits wait while access to the earlier outputs is denied. One hit in a ' +
        'tenth of this time tries again. After this time the tasks run.',
    }),
    distrustedEtags: list({
      variable: 'BATCHWELL_DISTRUSTED_ETAGS',
      effect:
        'Buckets whose ETags do not tell contents apart; * for all. What they hold is known by its checksums only.',
    }),
  },
} satisfies Section;
