import { list, oneOf, type Section } from './setting.ts';

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
        'URLs of the earlier outputs.',
    }),
    distrustedEtags: list({
      variable: 'BATCHWELL_DISTRUSTED_ETAGS',
      effect:
        'Buckets whose ETags do not tell contents apart; * for all. What they hold is known by its checksums only.',
    }),
  },
} satisfies Section;
