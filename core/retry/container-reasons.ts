// cspell:ignore dockerapi authori unauthori throttl toomanyrequests
/**
 * What the ECS agent says of a container that did not start or that it lost, and whose fault that
 * is. Sources: the names of the agent's errors (amazon-ecs-agent, dockerapi/errors.go), "Stopped
 * task errors" in the ECS developer guide, and users' issue threads. AWS cuts reasons off, so a
 * cause may be missing at the end of one.
 */
import { HOST_FOLDER } from '../container/container.ts';

/**
 * `host`: the host, its disk, its daemons, or a service that they need. `registry`: the registry
 * does not answer. `pull`: the registry does not give the hosts the image. `image`: there is no such
 * image, or it cannot be started, whatever the hosts may do.
 * `configuration`: a role, a log group or a secret is missing or wrong. `memory`: the container ran
 * out of memory.
 */
export interface ContainerFault {
  of: 'host' | 'registry' | 'pull' | 'image' | 'configuration' | 'memory';
  /** Whether the image was to be pulled. */
  isPull?: true;
  /** Where the usual advice does not fit. */
  advice?: string;
  /** A parameter of the task that can be what is wrong, if the ARN in the words is the task's own. */
  parameter?: TaskParameter;
}

export type TaskParameter = 'job_role' | 'secrets';

const anyOf = (...patterns: string[]): RegExp => new RegExp(patterns.join('|'), 'i');

/** `CannotPullContainerError: …` */
const NAME = /\b(\w+)(?:error|exception)\b(?=:|$)/i;

const OUT_OF_MEMORY = /out ?of ?memory|oom-?killed/i;

const DISK_FULL = anyOf(
  'no space left on device',
  'not enough (free |disk )*space',
  'disk quota exceeded',
  String.raw`\b(ENOSPC|EDQUOT)\b`,
  String.raw`thin pool has \d+ free`,
);

const LOG_DRIVER = anyOf(
  'logging driver',
  'cloudwatch',
  'log ?stream',
  'log ?group',
  'logger args',
);

const ROLE = anyOf('unable to assume', 'sts:AssumeRole', 'proper trust relationship');

const SECRETS = anyOf(
  'pull secrets',
  'registry auth',
  'retrieve secret',
  'fetch secret',
  'secrets? ?manager',
  String.raw`\bssm\b`,
  'resource retrieval',
  'environment file',
  'env file',
  'efs (utils|volume)',
);

const DENIED = anyOf(
  'access ?denied',
  'not authori[sz]ed',
  'unauthori[sz]ed',
  'forbidden',
  'UnrecognizedClient',
  'InvalidClientToken',
  'InvalidSignature',
);

/** A retry on another host does not help: someone must correct a role, a name or a policy. */
const PERMANENT = anyOf(
  DENIED.source,
  'ResourceNotFound',
  'does not exist',
  'ValidationException',
  'InvalidParameter',
  'invalid ssm parameters',
  'find the specified secret',
  'NoSuch(Bucket|Key|Entity)',
  'invalid arn',
);

const THROTTLED = anyOf('rate exceeded', 'throttl', 'request limit exceeded');

/** Words of the agent or the scheduler that come without the name of an error. */
const AGENT_WORDS = anyOf(
  String.raw`^(task ?failed ?to ?start:? ?)?(agent\b|resource:\w)`,
  '^task ?(failed to start|stopped)',
  '^ecs was unable to',
  'agent (was |is )?(disconnected|not connected)',
  'could not transition to',
  'unable to place',
  'bind source path',
  'network interface',
);

const PULL_WORDS = anyOf(
  'pull access denied',
  'failed to (pull|resolve)',
  'toomanyrequests',
  'manifest[ _](unknown|for)',
  'pulling image',
  'ImagePull',
);

const START_WORDS = anyOf(
  'oci runtime',
  'error response from daemon',
  'container process',
  'exec format error',
  'exec: "',
  'create (shim|task)',
);

interface Rule {
  words: RegExp;
  /** The name of an error that means the same. */
  name?: RegExp;
  judge(words: string): ContainerFault;
}

/** Whether an operator must correct the hosts, or a retry on another host may succeed. */
const judgeNeeds = (words: string): ContainerFault => ({
  of: PERMANENT.test(words) ? 'configuration' : 'host',
});

/** A secret that is not there is not the operator's fault; one that a role may not read is. */
const judgeSecrets = (words: string): ContainerFault => {
  const fault = judgeNeeds(words);
  const isMissing = fault.of === 'configuration' && !DENIED.test(words);
  return { ...fault, ...(isMissing && { parameter: 'secrets' }) };
};

const NEVER = /(?!)/;

/** The first rule that applies wins: an error's cause, which is inside, says more than its name. */
const RULES: readonly Rule[] = [
  { words: DISK_FULL, judge: () => ({ of: 'host' }) },
  // Before the words that a name of an image may hold.
  { words: NEVER, name: /pull/i, judge: judgePull },
  { words: OUT_OF_MEMORY, judge: () => ({ of: 'memory' }) },
  { words: LOG_DRIVER, judge: judgeNeeds },
  { words: ROLE, judge: () => ({ of: 'configuration', parameter: 'job_role' }) },
  { words: SECRETS, judge: judgeSecrets },
  { words: PULL_WORDS, judge: judgePull },
  { words: START_WORDS, name: /start|create|runtime|state|resource/i, judge: judgeStart },
  { words: THROTTLED, judge: () => ({ of: 'host' }) },
  { words: AGENT_WORDS, name: /\w/, judge: judgeDenied },
];

/** Undefined for words that say nothing of a container's start or of its host. */
export function judgeContainer(words: string): ContainerFault | undefined {
  const said = words.trim();
  const name = NAME.exec(said)?.[1] ?? '';
  return RULES.find((rule) => rule.words.test(said) || rule.name?.test(name))?.judge(said);
}

function judgeDenied(words: string): ContainerFault {
  return { of: DENIED.test(words) ? 'configuration' : 'host' };
}

const MAY_PULL = "Check the image's name, and that the hosts have permission to pull it.";

/** What a registry says of an image that it does not have or does not give. */
const REFUSALS: readonly [RegExp, 'pull' | 'image', string?][] = [
  [
    anyOf(
      'no match(ing manifest)? for',
      'does not match the .*platform',
      'operating system .* cannot be used',
    ),
    'image',
    'Use an image that exists for the architecture of the hosts.',
  ],
  // Docker Hub's words for a name that it does not know.
  [/repository does not exist or may require/i, 'image', MAY_PULL],
  [
    anyOf(
      DENIED.source,
      'denied',
      'no basic auth credentials',
      'authentication required',
      'authorization failed',
      'insufficient[ _]scope',
      'incorrect username or password',
      'execution role',
      String.raw`(?<![\w:.@])(401|403)\b`,
    ),
    'pull',
    MAY_PULL,
  ],
  [
    anyOf(
      '(manifest|name)[ _]unknown',
      'not found',
      'does not exist',
      'no such image',
      'whether the image exists',
      String.raw`(?<![\w:.@])404\b`,
      'invalid (reference|repository|tag)',
      'could not parse',
      'repository name must',
      'unsupported manifest',
      'media ?type',
      'HTTP response to HTTPS',
    ),
    'image',
  ],
];

/**
 * Names of images and addresses of registries may hold any word, such as `lab/denied:404`: what is
 * left are the registry's own words.
 */
const withoutNames = (words: string): string =>
  words
    .split(/\s+/)
    .filter((word) => /^\W*i\/o\b/i.test(word) || !/[^/]\/[^/]|:\/\//.test(word))
    .join(' ');

const REGISTRY_LIMIT = anyOf('too ?many ?requests', 'rate limit', 'token has expired');

/** The registry, or the way to it. */
const NO_ANSWER = anyOf(
  'time(d )?-?out',
  'deadline exceeded',
  String.raw`\bEOF\b`,
  'connection',
  'connect:',
  'name resolution',
  'no such host',
  'misbehaving',
  'unavailable',
  'internal server error',
  'bad gateway',
  String.raw`(?<![\w:.@])50[0234]\b`,
  'certificate',
  'temporar',
);

const CHECK_REGISTRY =
  'Ask the operator to check that the hosts can reach the registry of the image and that it does ' +
  'not limit them.';

/** A cause that is cut off or not known counts as transient: it ends after a few retries. */
function judgePull(words: string): ContainerFault {
  const said = withoutNames(words);
  // Before the refusals: a limit of the registry comes with the advice to log in.
  if (REGISTRY_LIMIT.test(said)) return { of: 'registry', advice: CHECK_REGISTRY };
  if (THROTTLED.test(said)) return { of: 'host' };
  const found = REFUSALS.find(([pattern]) => pattern.test(said));
  if (!found) return { of: 'registry', ...(NO_ANSWER.test(said) && { advice: CHECK_REGISTRY }) };
  const [, of, advice] = found;
  return { of, ...(advice !== undefined && { advice }), isPull: true };
}

/** What only the image can cause, or what it is told to run. */
const UNFIT: readonly [RegExp, string][] = [
  [/exec format error/i, 'Use an image that is built for the architecture of the hosts.'],
  [
    anyOf('unable to find (user|group)', 'no matching entries in (passwd|group)'),
    'Check that the user of the image exists in the image.',
  ],
  [
    anyOf('exec: ', 'exec user process', 'executable file not found', 'chdir to cwd'),
    'Check that the entrypoint of the image exists and that it can be executed.',
  ],
];

const CHECK_START = 'Check the entrypoint, the user and the architecture of the image.';

/** Beside these, a file that is missing or cannot be run is not the image's. */
const HOST_WORDS = anyOf(
  'mount',
  'bind source path',
  'cannot allocate memory',
  'temporarily unavailable',
  'too many open files',
  'input/output error',
  'deadline exceeded',
  'read-only file system',
  'cgroup',
  'nvidia',
  'device',
  '/dev/',
  '/var/lib/',
  '/run/',
  '/proc/',
  '/sys/',
);

/** Docker creates a host folder that is missing, so the stager in it is what is not found. */
function judgeStart(words: string): ContainerFault {
  if (words.includes(HOST_FOLDER)) return { of: 'host' };
  const found = UNFIT.find(([pattern]) => pattern.test(words));
  if (found && !/cannot allocate|temporarily unavailable|input\/output error/i.test(words))
    return { of: 'image', advice: found[1] };
  if (/no such file/i.test(words) && !HOST_WORDS.test(words))
    return { of: 'image', advice: CHECK_START };
  return judgeDenied(words);
}
