import { sharingModes } from '../core/cache/sharing.ts';
import { readQueueArchitectures } from '../core/image/architecture.ts';
import { readRegistryLogin } from '../core/image/registry-login.ts';
import {
  each,
  HOUR_MS,
  list,
  MINUTE_MS,
  oneOf,
  SECOND_MS,
  text,
  whole,
  type Section,
} from './setting.ts';

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
    cacheReadOff: list({
      variable: 'BATCHWELL_CACHE_READ_OFF',
      effect: 'Owners whose tasks never get cache hits, whatever they ask for; * for all.',
    }),
    cacheWriteOff: list({
      variable: 'BATCHWELL_CACHE_WRITE_OFF',
      effect: 'Owners whose tasks leave no cache entries, whatever they ask for; * for all.',
    }),
    cacheMaxAgeMs: whole({
      variable: 'BATCHWELL_CACHE_MAX_AGE_MS',
      fallback: 0,
      unit: 'ms',
      range: [0, 100 * 365 * 24 * HOUR_MS],
      effect:
        'Cache entries older than this give no hits. A task can set a shorter limit with its ' +
        'backend parameter cache_max_age. 0 for any age.',
    }),
    cacheHitPrefixes: list({
      variable: 'BATCHWELL_CACHE_HIT_PREFIXES',
      effect:
        'Only cache entries whose outputs are all below one of these URL prefixes, such as ' +
        's3://lab/prod/, give hits. Empty for all.',
      check: each((entry) => /^s3:\/\/[^/]+\//.test(entry), 'a URL prefix such as s3://lab/prod/'),
    }),
    cacheSharing: oneOf({
      variable: 'BATCHWELL_CACHE_SHARING',
      fallback: 'any',
      choices: sharingModes,
      effect:
        'Which results owners of one cache domain share: any, or only those of calls whose every ' +
        'input is a file that is known by its SHA-256. With sha256, each input file costs a HEAD.',
    }),
    distrustedEtags: list({
      variable: 'BATCHWELL_DISTRUSTED_ETAGS',
      effect:
        'Buckets whose ETags do not tell contents apart; * for all. What they hold is known by its checksums only.',
    }),
    imageIdentity: oneOf({
      variable: 'BATCHWELL_IMAGE_IDENTITY',
      fallback: 'digest',
      choices: ['digest', 'tag'],
      effect:
        'What an image with a tag counts as. With digest, the registry is asked which image the ' +
        'tag names when a cached task is checked, and the task runs that image by its digest. If ' +
        'the registry does not answer, the task runs uncached. With tag, no registry is asked and ' +
        'the name counts, so a hit may come from an image that the tag named earlier.',
    }),
    imageDigestMs: whole({
      variable: 'BATCHWELL_IMAGE_DIGEST_MS',
      fallback: 10 * SECOND_MS,
      unit: 'ms',
      range: [2 * SECOND_MS, HOUR_MS],
      effect:
        'How long the answer of a registry counts for the whole fleet. A task that is checked ' +
        'within this time after an image was pushed may still run the earlier one.',
    }),
    registries: list({
      variable: 'BATCHWELL_REGISTRIES',
      effect:
        'Registries that are asked for digests, as images name them, such as ' +
        'docker.io,quay.io. All when empty.',
    }),
    registryLogins: list({
      variable: 'BATCHWELL_REGISTRY_LOGINS',
      effect:
        'Credentials for registries, each as host=user:password. Put passwords that expire or ' +
        'contain a comma into BATCHWELL_DOCKER_CONFIG. Amazon ECR needs neither: the role of the ' +
        'API and the workers is used, which needs ecr:GetAuthorizationToken and ecr:BatchGetImage.',
      secret: true,
      check: checkLogins,
    }),
    dockerConfig: text({
      variable: 'BATCHWELL_DOCKER_CONFIG',
      fallback: '',
      effect:
        'Path of a config.json with registry credentials as `docker login` writes it. The file ' +
        'is read again when it changes. None when empty.',
    }),
    plainHttpRegistries: list({
      variable: 'BATCHWELL_PLAIN_HTTP_REGISTRIES',
      effect:
        'Registries that are asked over plain HTTP, each as host or host:port. All others are ' +
        'asked over HTTPS, except on loopback.',
    }),
    queueArchitectures: list({
      variable: 'BATCHWELL_QUEUE_ARCHITECTURES',
      effect:
        'CPU architecture of the hosts of Batch job queues, each as queue=arm64 or queue=x86-64, ' +
        'where * is every queue that is not named. x86-64 when empty. It is part of what a hit ' +
        'must agree on, and decides which variant of an image a task runs.',
      check: readQueueArchitectures,
    }),
  },
} satisfies Section;

/** Without the value: it is a secret. */
function checkLogins(entries: readonly string[]): void {
  if (entries.some((entry) => readRegistryLogin(entry) === undefined))
    throw new Error('expected host=user:password in each entry');
}
