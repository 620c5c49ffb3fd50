/**
 * The only reader of the environment. Each item explains itself; all wrong items are reported together.
 * `npm run generate` writes .env.example from this table.
 */

import { scopes } from './core/access/access.ts';
import { LIVE_LOGS_VARIABLE } from './core/container/container.ts';
import { containerPath } from './core/container/container-path.ts';
import { isOriginRule } from './core/access/origins.ts';
import { readPathMap } from './core/files/path-map.ts';
import { SHORTEST_WEBHOOK_KEY } from './core/notify/webhooks.ts';

interface Item<T> {
  variable: string;
  /** What it changes, for a reader of .env.example. */
  effect: string;
  unit?: string;
  secret?: boolean;
  fallback: T;
  /** Returns the value, or throws an Error that says what was expected. */
  parse(text: string): T;
}

const text = (
  variable: string,
  fallback: string,
  effect: string,
  more: { secret?: boolean } = {},
): Item<string> => ({
  variable,
  fallback,
  effect,
  ...more,
  parse: (given) => given,
});

const longSecret = (variable: string, shortest: number, effect: string): Item<string> => ({
  variable,
  fallback: '',
  effect: `${effect} At least ${shortest} characters.`,
  secret: true,
  parse(given) {
    if (given.length < shortest) throw new Error(`expected at least ${shortest} characters`);
    return given;
  },
});

const whole = (
  variable: string,
  fallback: number,
  unit: string,
  range: [number, number],
  effect: string,
): Item<number> => ({
  variable,
  fallback,
  unit,
  effect,
  parse(given) {
    const value = Number(given);
    if (given.trim() === '' || !Number.isInteger(value) || value < range[0] || value > range[1]) {
      throw new Error(`expected a whole number from ${range[0]} to ${range[1]} (${unit})`);
    }
    return value;
  },
});

const oneOf = <const C extends readonly string[]>(
  variable: string,
  fallback: C[number],
  choices: C,
  effect: string,
): Item<C[number]> => ({
  variable,
  fallback,
  effect: `${effect} One of: ${choices.join(', ')}.`,
  parse(given) {
    const found = choices.find((choice) => choice === given);
    if (found === undefined) throw new Error(`expected one of ${choices.join(', ')}`);
    return found;
  },
});

const url = (
  variable: string,
  fallback: string,
  protocols: string[],
  effect: string,
  secret = false,
): Item<string> => ({
  variable,
  fallback,
  effect,
  secret,
  parse(given) {
    if (!URL.canParse(given) || !protocols.includes(new URL(given).protocol))
      throw new Error(
        `expected a URL that begins with ${protocols.map((one) => `${one}//`).join(' or ')}`,
      );
    return given;
  },
});

const list = (variable: string, effect: string, secret = false): Item<string[]> => ({
  variable,
  fallback: [],
  effect: `${effect} Separated by commas.`,
  secret,
  parse: (given) =>
    given
      .split(',')
      .map((part) => part.trim())
      .filter(Boolean),
});

const someOf = <const C extends string>(
  variable: string,
  fallback: readonly C[],
  choices: readonly C[],
  effect: string,
): Item<C[]> => ({
  variable,
  fallback: [...fallback],
  effect: `${effect} Some of: ${choices.join(', ')}, separated by commas.`,
  parse(given) {
    const items = given
      .split(',')
      .map((part) => part.trim())
      .filter(Boolean);
    const wrong = items.find((item) => !choices.some((choice) => choice === item));
    if (wrong !== undefined)
      throw new Error(`expected some of ${choices.join(', ')}, got ${JSON.stringify(wrong)}`);
    return items as C[];
  },
});

/** `name=number` items. */
const numbersByName = (variable: string, effect: string): Item<string[]> => ({
  variable,
  fallback: [],
  effect: `${effect} Each as name=number, separated by commas.`,
  parse(given) {
    const items = given
      .split(',')
      .map((part) => part.trim())
      .filter(Boolean);
    const wrong = items.find((item) => !/^[^=]+=\d{1,9}$/.test(item));
    if (wrong !== undefined) throw new Error(`expected name=number, got ${JSON.stringify(wrong)}`);
    return items;
  },
});

const pathPairs = (variable: string, effect: string): Item<string[]> => ({
  variable,
  fallback: [],
  effect: `${effect} Each as /path=s3://bucket/prefix, separated by commas.`,
  parse(given) {
    const items = given
      .split(',')
      .map((part) => part.trim())
      .filter(Boolean);
    readPathMap(items);
    return items;
  },
});

const folders = (variable: string, effect: string): Item<string[]> => ({
  variable,
  fallback: [],
  effect: `${effect} Separated by commas.`,
  parse(given) {
    const items = given
      .split(',')
      .map((part) => part.trim())
      .filter(Boolean);
    const wrong = items.find((item) => item === '/' || containerPath(item) !== item);
    if (wrong !== undefined)
      throw new Error(
        `expected an absolute path below /, without ".." or a slash at the end, got ${JSON.stringify(wrong)}`,
      );
    return items;
  },
});

const origins = (variable: string, effect: string): Item<string[]> => ({
  variable,
  fallback: [],
  effect: `${effect} Separated by commas.`,
  parse(given) {
    const items = given
      .split(',')
      .map((part) => part.trim())
      .filter(Boolean);
    const wrong = items.find((item) => !isOriginRule(item));
    if (wrong !== undefined)
      throw new Error(
        `expected https://host, https://*.domain or http://host:port, without a path, got ${JSON.stringify(wrong)}`,
      );
    return items;
  },
});

const SECOND = 1000;
const HOUR = 3_600_000;

export const items = {
  databaseUrl: url(
    'DATABASE_URL',
    'mysql://batchwell:batchwell@127.0.0.1:3306/batchwell',
    ['mysql:'],
    'MySQL 8, Aurora MySQL or MariaDB 10.11.',
    true,
  ),
  databaseConnections: whole(
    'BATCHWELL_DATABASE_CONNECTIONS',
    8,
    'connections',
    [1, 200],
    'Size of each process’s pool.',
  ),
  redisUrl: url(
    'REDIS_URL',
    'redis://127.0.0.1:6379',
    ['redis:', 'rediss:'],
    'Redis or Valkey with maxmemory-policy noeviction.',
    true,
  ),
  redisPrefix: text(
    'BATCHWELL_REDIS_PREFIX',
    'batchwell',
    'Prefix of every key in Redis, so that several fleets can share one.',
  ),
  bucket: text(
    'BATCHWELL_BUCKET',
    'batchwell',
    'Bucket that holds scripts, manifests, logs and result records.',
  ),
  s3PathStyle: oneOf(
    'BATCHWELL_S3_PATH_STYLE',
    'no',
    ['yes', 'no'] as const,
    'Whether buckets go into the path of S3 urls, for endpoints without a host name per bucket.',
  ),
  bucketPrefix: text(
    'BATCHWELL_BUCKET_PREFIX',
    '',
    'Prefix of Batchwell’s own keys in that bucket; ends in / when not empty.',
  ),
  jobQueue: text(
    'BATCHWELL_JOB_QUEUE',
    'batchwell',
    'Batch job queue (name or ARN) of tasks that name none.',
  ),
  share: text(
    'BATCHWELL_SHARE',
    '',
    'Share identifier of tasks that name none, for job queues with a fair-share policy; {owner} stands for the task’s owner. Empty for queues without such a policy.',
  ),
  jobRole: text(
    'BATCHWELL_JOB_ROLE',
    '',
    'IAM role ARN of the tasks’ containers; none when empty.',
  ),
  jobRoles: list(
    'BATCHWELL_JOB_ROLES',
    'IAM role ARNs that tasks may ask for by the parameter job_role, where their token does not say.',
  ),
  sharedFolders: folders(
    'BATCHWELL_SHARED_FOLDERS',
    'Folders of the hosts (a mounted EFS or FSx, say) that every task of every owner sees under the same paths and may write to; paths and file:// urls below them may be inputs. Without any such urls are refused, but for those that BATCHWELL_PATH_MAP maps.',
  ),
  hostFolder: text(
    'BATCHWELL_HOST_FOLDER',
    '/opt/batchwell',
    'Where hosts keep the stager; mounted read-only into every task at /opt/batchwell.',
  ),
  liveLogsMs: whole(
    LIVE_LOGS_VARIABLE,
    30 * SECOND,
    'ms',
    [0, HOUR],
    'While a task runs, the newest part of its stdout and stderr is written to S3 where it grew: 5 s after the start, then after pauses that double up to this. 0 for never; then logs are there once the attempt has ended.',
  ),
  host: text('HOST', '127.0.0.1', 'Address the API listens on.'),
  port: whole('PORT', 8000, 'port', [0, 65_535], 'Port of the API.'),
  metricsHost: text(
    'BATCHWELL_METRICS_HOST',
    '127.0.0.1',
    'Address a worker’s metrics listen on; 0.0.0.0 where Prometheus is on another machine.',
  ),
  metricsPort: whole(
    'BATCHWELL_METRICS_PORT',
    9464,
    'port',
    [0, 65_535],
    'Port of a worker’s /metrics, /healthz and /readyz.',
  ),
  tlsKey: text(
    'BATCHWELL_TLS_KEY',
    '',
    'PEM file of the key with which the API speaks HTTPS; HTTP when empty.',
  ),
  tlsCert: text(
    'BATCHWELL_TLS_CERT',
    '',
    'PEM file of its certificate, and of those that vouch for it.',
  ),
  tokens: list(
    'BATCHWELL_TOKENS',
    'Bearer tokens that may do everything of their owner’s and make other tokens, each as owner:token. Anyone may call when neither this nor an OpenID provider is given.',
    true,
  ),
  oidcIssuer: url(
    'BATCHWELL_OIDC_ISSUER',
    '',
    ['https:', 'http:'],
    'OpenID provider whose JWTs are taken as bearer tokens; none when empty.',
  ),
  oidcAudience: text('BATCHWELL_OIDC_AUDIENCE', '', 'What the claim aud of such a JWT must hold.'),
  oidcOwnerClaim: text(
    'BATCHWELL_OIDC_OWNER_CLAIM',
    'sub',
    'Claim of such a JWT that says whose tasks they are; one that users cannot choose themselves.',
  ),
  oidcScopes: someOf(
    'BATCHWELL_OIDC_SCOPES',
    ['submit', 'read', 'cancel'],
    scopes,
    'What such a JWT allows.',
  ),
  oidcUrls: list(
    'BATCHWELL_OIDC_URLS',
    'Prefixes that the urls of such a caller’s files must have; {owner} stands for the owner. Not limited when empty.',
  ),
  webhookOrigins: origins(
    'BATCHWELL_WEBHOOK_ORIGINS',
    'Where webhooks may go, as https://hooks.example.org or https://*.example.org; http:// only where it is said so. Nobody may have webhooks when empty.',
  ),
  webhookKey: longSecret(
    'BATCHWELL_WEBHOOK_KEY',
    SHORTEST_WEBHOOK_KEY,
    'What the secrets are made of by which webhooks are signed: the same in all processes. A new one makes all of those secrets new.',
  ),
  intake: oneOf(
    'BATCHWELL_INTAKE',
    'no',
    ['yes', 'no'] as const,
    'Whether the API takes tasks from the BullMQ queue intake, too.',
  ),
  postsPerMinute: whole(
    'BATCHWELL_POSTS_PER_MINUTE',
    0,
    'requests',
    [0, 10_000_000],
    'How many tasks, scatters and dry runs a token may POST in a minute, a scatter counting once; more get 429. 0 for no limit.',
  ),
  logLevel: oneOf(
    'BATCHWELL_LOG_LEVEL',
    'info',
    ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const,
    'Least level that is logged.',
  ),
  cacheDefault: oneOf(
    'BATCHWELL_CACHE',
    'off',
    ['off', 'read', 'write', 'readwrite', 'refresh'] as const,
    'Call caching of tasks that do not say.',
  ),
  cacheHit: oneOf(
    'BATCHWELL_CACHE_HIT',
    'copy',
    ['copy', 'reference'] as const,
    'What a hit does: copy the outputs to the new task’s URLs, or point at the prior ones.',
  ),
  pathMap: pathPairs(
    'BATCHWELL_PATH_MAP',
    'Where paths of clients lie in S3, for clients that send paths of their own file system.',
  ),
  chunkSize: whole(
    'BATCHWELL_CHUNK_SIZE',
    500,
    'tasks',
    [1, 1000],
    'Tasks carried by one queue message.',
  ),
  arraySize: whole('BATCHWELL_ARRAY_SIZE', 10_000, 'attempts', [1, 10_000], 'Largest array job.'),
  packIdleMs: whole(
    'BATCHWELL_PACK_IDLE_MS',
    200,
    'ms',
    [0, 60_000],
    'Attempts are packed once none of their shape arrived for so long.',
  ),
  packLongestMs: whole(
    'BATCHWELL_PACK_LONGEST_MS',
    2 * SECOND,
    'ms',
    [0, 600_000],
    'Attempts are packed at the latest after so long.',
  ),
  ownerLimit: whole(
    'BATCHWELL_OWNER_LIMIT',
    0,
    'attempts',
    [0, 10_000_000],
    'How many attempts of one owner may be in Batch at once; what is over waits at submit. 0 for no limit.',
  ),
  ownerLimits: numbersByName(
    'BATCHWELL_OWNER_LIMITS',
    'Limits of owners that have one of their own.',
  ),
  pollMs: whole(
    'BATCHWELL_POLL_MS',
    SECOND,
    'ms',
    [50, 600_000],
    'Time between two looks at a job queue in which something happens.',
  ),
  pollSlowestMs: whole(
    'BATCHWELL_POLL_SLOWEST_MS',
    30 * SECOND,
    'ms',
    [50, 600_000],
    'The same at most, after nothing has happened for long.',
  ),
  jobEventsUrl: text(
    'BATCHWELL_JOB_EVENTS_URL',
    '',
    'Url of an SQS queue that gets Batch’s job events from EventBridge; looks are then made when Batch says so, and at the slowest pace otherwise. None when empty.',
  ),
  settleMs: whole(
    'BATCHWELL_SETTLE_MS',
    5 * SECOND,
    'ms',
    [0, 600_000],
    'How long a job just submitted may be missing from Batch’s listings.',
  ),
  submitTimeoutMs: whole(
    'BATCHWELL_SUBMIT_TIMEOUT_MS',
    15 * SECOND,
    'ms',
    [100, 600_000],
    'How long an answer of Batch is awaited; after it a SubmitJob counts as perhaps heard, and is looked for by its name.',
  ),
  lockMs: whole(
    'BATCHWELL_LOCK_MS',
    30 * SECOND,
    'ms',
    [500, HOUR],
    'A message whose worker died is given to another after so long.',
  ),
  stallMs: whole(
    'BATCHWELL_STALL_MS',
    60 * SECOND,
    'ms',
    [500, HOUR],
    'A row that stood still so long gets a new message.',
  ),
  sweepMs: whole('BATCHWELL_SWEEP_MS', 5 * SECOND, 'ms', [100, HOUR], 'Time between two sweeps.'),
  janitorMs: whole(
    'BATCHWELL_JANITOR_MS',
    600 * SECOND,
    'ms',
    [0, 24 * HOUR],
    'Time between two searches of the fleet for Batch jobs that no row wants; they are ended once they are older than this. 0 for never.',
  ),
  hostLossTries: whole(
    'BATCHWELL_HOST_LOSS_TRIES',
    5,
    'tries',
    [0, 100],
    'How often a task is run again after a spot or host loss; these do not count as failures.',
  ),
  memoryGrowthTries: whole(
    'BATCHWELL_MEMORY_GROWTH_TRIES',
    2,
    'tries',
    [0, 10],
    'How often a task’s memory is doubled after an out-of-memory end.',
  ),
  transientTries: whole(
    'BATCHWELL_TRANSIENT_TRIES',
    3,
    'tries',
    [0, 100],
    'How often a task is run again after its image or its files could not be fetched for a reason that passes by itself.',
  ),
  batchPerSecond: whole(
    'BATCHWELL_BATCH_PER_SECOND',
    45,
    'requests/s',
    [1, 1000],
    'SubmitJob calls per second of the whole fleet, and again so many of all other Batch requests; AWS allows 50 SubmitJob.',
  ),
  idempotencyMs: whole(
    'BATCHWELL_IDEMPOTENCY_MS',
    7 * 24 * HOUR,
    'ms',
    [60 * SECOND, 365 * 24 * HOUR],
    'How long a request with an Idempotency-Key is remembered.',
  ),
  keepChangesMs: whole(
    'BATCHWELL_KEEP_CHANGES_MS',
    24 * HOUR,
    'ms',
    [60 * SECOND, 30 * 24 * HOUR],
    'How long a client that was away can have the events told that it missed.',
  ),
  keepFinishedMs: whole(
    'BATCHWELL_KEEP_FINISHED_MS',
    HOUR,
    'ms',
    [0, 30 * 24 * HOUR],
    'How long the queue board shows finished messages.',
  ),
  clientUrl: url(
    'BATCHWELL_URL',
    'http://127.0.0.1:8000',
    ['http:', 'https:'],
    'Where the CLI finds the API.',
  ),
  clientToken: text('BATCHWELL_TOKEN', '', 'Bearer token that the CLI sends; none when empty.', {
    secret: true,
  }),
} satisfies Record<string, Item<unknown>>;

export type Config = {
  readonly [K in keyof typeof items]: (typeof items)[K]['fallback'] extends infer F
    ? F extends (infer E extends string)[]
      ? readonly E[]
      : F extends number
        ? number
        : ReturnType<(typeof items)[K]['parse']>
    : never;
};

/** Names of every wrong item, with what was expected. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/** Reads and checks the whole configuration. Throws one ConfigError that lists all wrong items; secrets are not shown. */
export function readConfig(environment: Record<string, string | undefined> = process.env): Config {
  const wrong: string[] = [];
  const values = Object.entries(items as Record<string, Item<unknown>>).map(([name, item]) => {
    const given = environment[item.variable];
    if (given === undefined || given === '') return [name, item.fallback];
    try {
      return [name, item.parse(given)];
    } catch (error) {
      const shown = item.secret ? '(not shown)' : JSON.stringify(given);
      wrong.push(
        `${item.variable}=${shown}: ${error instanceof Error ? error.message : String(error)}`,
      );
      return [name, item.fallback];
    }
  });
  if (environment[items.webhookOrigins.variable] && !environment[items.webhookKey.variable])
    wrong.push(
      `${items.webhookKey.variable}: expected with ${items.webhookOrigins.variable}, to sign what webhooks are told`,
    );
  if (wrong.length > 0)
    throw new ConfigError(
      `The configuration is wrong in ${wrong.length === 1 ? 'one item' : `${wrong.length} items`}:\n  ${wrong.join('\n  ')}`,
    );
  return Object.fromEntries(values) as Config;
}

/** The text of .env.example. */
export function envExample(): string {
  const lines = Object.values(items as Record<string, Item<unknown>>).map((item) => {
    const unit = item.unit ? ` Unit: ${item.unit}.` : '';
    const shown = Array.isArray(item.fallback) ? item.fallback.join(',') : String(item.fallback);
    return `# ${item.effect}${unit}\n# ${item.variable}=${shown}\n`;
  });
  return `# Every setting of Batchwell, with its default. Generated from config.ts by \`npm run generate\`.
# AWS itself is set up the AWS SDK's standard way: AWS_REGION, AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL_BATCH,
# AWS_PROFILE or the credential chain.\n\n${lines.join('\n')}`;
}
