/** What an installation offers to tasks, and to whose: by its settings, under their names in Config. */
import { isFolderName, isForOwner, readVolumes } from '../container/volumes.ts';
import { loginsFor } from '../image/logins.ts';
import { isSameQueue } from '../submission/on-demand.ts';

interface OfferSettings {
  jobQueue: string;
  /** '' where there is none. */
  spotQueue: string;
  onDemandQueues: readonly string[];
  /** `zone=queue` each. */
  zoneQueues: readonly string[];
  /** GiB; 0 where it is not known. */
  largestDiskGb: number;
  containerUser: string;
  /** ARNs of secrets that tasks may name; `*` is any text, `{owner}` the owner of the task. */
  allowedSecrets: readonly string[];
  /** Logins to registries that tasks may name, `registry=ARN` each, with the same patterns of ARNs. */
  allowedCredentials: readonly string[];
  volumes: readonly string[];
  taskVolumes: readonly string[];
  /** Folders of the hosts that every task sees at their own paths. */
  sharedFolders: readonly string[];
  /** `key=value` each, of all jobs. */
  jobTags: readonly string[];
  logGroup: string;
  /** Log groups that tasks may name. */
  logGroups: readonly string[];
}

export interface Offers extends OfferSettings {
  /** Of the caller's tasks. */
  owner: string;
}

const OWNER = '{owner}';

/** Before the values of a secret's JSON, its stages and its versions. */
const SECRET_FIELDS = 7;

/** Whether an owner's task may name a secret. A part of an allowed secret is allowed too. */
export const mayUseSecret = (arn: string, patterns: readonly string[], owner: string): boolean =>
  patterns.some((pattern) => {
    const matcher = patternOf(pattern, owner);
    const whole = arn.split(':').slice(0, SECRET_FIELDS).join(':');
    return matcher !== undefined && (matcher.test(arn) || matcher.test(whole));
  });

/**
 * Whether an owner's task may have its image pulled with a login. A login is for the registries that
 * the setting names: another registry would be told the password.
 */
export const mayUseLogin = (
  arn: string,
  image: string,
  { allowedCredentials, owner }: Pick<Offers, 'allowedCredentials' | 'owner'>,
): boolean =>
  mayUseSecret(
    arn,
    loginsFor(image, allowedCredentials).map((login) => login.arn),
    owner,
  );

/**
 * Whether `{owner}` is a whole part of an ARN, between slashes or colons: with `{owner}-*` the secrets
 * of `ann-bob` would be ann's.
 */
export const hasWholeOwner = (pattern: string): boolean =>
  pattern.split(/[/:]/).every((part) => !part.includes(OWNER) || part === OWNER);

const escaped = (text: string): string => text.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, String.raw`\$&`);

/**
 * Undefined for an owner whose name could reach what is another's: with a slash in it, `ann` would
 * be above `ann/bob`.
 */
function patternOf(pattern: string, owner: string): RegExp | undefined {
  if (pattern.includes(OWNER) && !isFolderName(owner)) return undefined;
  const parts = pattern.split(OWNER);
  // Before an owner's name, any text within one part: with `*` over several, ann could be a folder of bob's.
  const named = parts.map((part, at) =>
    part
      .split('*')
      .map(escaped)
      .join(at < parts.length - 1 ? '[^/:]*' : '.*'),
  );
  return new RegExp(`^${named.join(escaped(owner))}$`, 's');
}

/** Names of the volumes that an owner's tasks may name. */
export const volumesFor = ({ volumes, owner }: Pick<Offers, 'volumes' | 'owner'>): string[] =>
  [...readVolumes(volumes).values()]
    .filter((volume) => isForOwner(volume, owner))
    .map(({ name }) => name);

/** Whether a token's list of queues has one; any, where there is no list. */
export const allowsQueue = (queue: string, queues: readonly string[] | undefined): boolean =>
  queues === undefined || queues.some((one) => isSameQueue(one, queue));
