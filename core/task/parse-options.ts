/** Reads what a task asks for its container from its backend parameters. */
import { mayUseLogin, mayUseSecret, volumesFor, type Offers } from '../access/offers.ts';
import {
  CREDENTIAL_FORM,
  isCredentialArn,
  isLogPrefix,
  isRootOrImage,
  isUser,
  IMAGE_USER,
  LOG_PREFIX_FORM,
  mayBeRoot,
  MOST_MIB,
  MOST_TAGS,
  readSecret,
  readTag,
  readTmpfs,
  readUlimit,
  SECRET_FORM,
  splitList,
  TAG_FORM,
  TMPFS_FORM,
  ULIMIT_FORM,
  USER_FORM,
} from '../container/option-forms.ts';
import { readJobTags } from '../container/job-definition.ts';
import type { ContainerOptions } from '../container/options.ts';
import { readVolumes } from '../container/volumes.ts';
import type { Resources } from './task.ts';

/** Keys of resources.backend_parameters; keys ignore case. */
export const optionParameters = [
  'gpu',
  'gpuCount',
  'shared_memory_mib',
  'sharedMemorySize',
  'ulimits',
  'tmpfs',
  'user',
  'secrets',
  'registry_credentials',
  'volumes',
  'log_group',
  'logGroupName',
  'log_prefix',
  'job_tags',
] as const;
type OptionParameter = (typeof optionParameters)[number];

/** Reports a parameter that cannot be used. */
type RefuseOption = (name: OptionParameter, expected: string, got: string) => void;

/** Of the largest hosts of AWS. */
const MOST_GPUS = 16;

interface Asked {
  /** The value and the name under which it was sent; an empty one counts as absent. */
  valueOf(names: readonly OptionParameter[]): { name: OptionParameter; text: string } | undefined;
  refuse: RefuseOption;
  offers: Offers | undefined;
  /** Of the task's executors; '' where none can be read. */
  image: string;
}

export function parseOptions(asked: Asked): Pick<Resources, 'container' | 'job_tags'> {
  const options: ContainerOptions = {
    ...wholeOf(asked, ['gpu', 'gpuCount'], MOST_GPUS, (gpus) => ({ gpus })),
    ...wholeOf(asked, ['shared_memory_mib', 'sharedMemorySize'], MOST_MIB, (sharedMemoryMib) => ({
      sharedMemoryMib,
    })),
    ...listOf(asked, 'ulimits', { read: readUlimit, form: ULIMIT_FORM }, (ulimits) => ({
      ulimits,
    })),
    ...listOf(asked, 'tmpfs', { read: readTmpfs, form: TMPFS_FORM }, (tmpfs) => ({ tmpfs })),
    ...userOf(asked),
    ...secretsOf(asked),
    ...credentialsOf(asked),
    ...volumesOf(asked),
    ...logGroupOf(asked),
    ...logPrefixOf(asked),
  };
  refuseSharedMounts(asked, options);
  const tags = tagsOf(asked);
  return {
    ...(Object.keys(options).length > 0 && { container: options }),
    ...(tags && { job_tags: tags }),
  };
}

function wholeOf(
  { valueOf, refuse }: Asked,
  names: OptionParameter[],
  most: number,
  made: (value: number) => ContainerOptions,
): ContainerOptions {
  const given = valueOf(names);
  if (!given) return {};
  const value = /^\d{1,9}$/.test(given.text) ? Number(given.text) : Number.NaN;
  if (value >= 0 && value <= most) return made(value);
  refuse(given.name, `a whole number from 0 to ${most}`, given.text);
  return {};
}

function listOf<T>(
  { valueOf, refuse }: Asked,
  name: OptionParameter,
  { read, form }: { read: (text: string) => T | undefined; form: string },
  made: (items: T[]) => ContainerOptions,
): ContainerOptions {
  const given = valueOf([name]);
  if (!given) return {};
  const items = splitList(given.text).map((text) => read(text));
  if (items.length > 0 && !items.includes(undefined))
    return made(items.filter((item): item is T & {} => item !== undefined));
  refuse(name, `items separated by commas, each as ${form}`, given.text);
  return {};
}

/** A user of an operator's choice cannot be replaced by root. */
function userOf({ valueOf, refuse, offers }: Asked): ContainerOptions {
  const user = valueOf(['user'])?.text;
  if (user === undefined) return {};
  if (user !== IMAGE_USER && !isUser(user)) refuse('user', USER_FORM, user);
  else if (
    offers &&
    !isRootOrImage(offers.containerUser) &&
    user !== offers.containerUser &&
    mayBeRoot(user)
  )
    refuse(
      'user',
      `the ID of a user other than root, which BATCHWELL_CONTAINER_USER rules out`,
      user,
    );
  else return { user };
  return {};
}

function secretsOf(asked: Asked): ContainerOptions {
  const { secrets } = listOf(
    asked,
    'secrets',
    { read: readSecret, form: SECRET_FORM },
    (found) => ({
      secrets: found,
    }),
  );
  const { offers, refuse } = asked;
  if (!secrets) return {};
  const forbidden = secrets.find(
    ({ arn }) => !mayUseSecret(arn, offers?.allowedSecrets ?? [], offers?.owner ?? ''),
  );
  if (!forbidden) return { secrets };
  refuse('secrets', 'secrets that BATCHWELL_ALLOWED_SECRETS names for this owner', forbidden.arn);
  return {};
}

function credentialsOf({ valueOf, refuse, offers, image }: Asked): ContainerOptions {
  const arn = valueOf(['registry_credentials'])?.text;
  if (arn === undefined) return {};
  if (!isCredentialArn(arn)) refuse('registry_credentials', CREDENTIAL_FORM, arn);
  else if (offers && mayUseLogin(arn, image, offers)) return { registryCredentials: arn };
  else
    refuse(
      'registry_credentials',
      `a login that BATCHWELL_ALLOWED_REGISTRY_CREDENTIALS names for this owner and the registry of ${image}`,
      arn,
    );
  return {};
}

function volumesOf({ valueOf, refuse, offers }: Asked): ContainerOptions {
  const text = valueOf(['volumes'])?.text;
  const offered = offers ? volumesFor(offers) : [];
  const lacking = offers?.taskVolumes.find((name) => !offered.includes(name));
  if (lacking !== undefined)
    refuse(
      'volumes',
      `a task of an owner whose name can be that of a folder, because every task gets the volume ${lacking}, which ` +
        "has a folder for each owner: letters, digits and '. _ - + @', at most 64",
      offers?.owner ?? '',
    );
  if (text === undefined) return {};
  const volumes = splitList(text);
  if (volumes.length > 0 && volumes.every((name) => offered.includes(name))) return { volumes };
  refuse('volumes', `names of offered volumes: ${offered.join(', ') || 'there are none'}`, text);
  return {};
}

function logGroupOf({ valueOf, refuse, offers }: Asked): ContainerOptions {
  const given = valueOf(['log_group', 'logGroupName']);
  if (!given) return {};
  const { logGroup = '', logGroups = [] } = offers ?? {};
  const allowed = [logGroup, ...logGroups].filter(Boolean);
  if (allowed.includes(given.text)) return { logGroup: given.text };
  const named = allowed.join(', ') || 'there are none';
  refuse(given.name, `a log group of BATCHWELL_LOG_GROUPS: ${named}`, given.text);
  return {};
}

function logPrefixOf({ valueOf, refuse }: Asked): ContainerOptions {
  const prefix = valueOf(['log_prefix'])?.text;
  if (prefix === undefined) return {};
  if (isLogPrefix(prefix)) return { logPrefix: prefix };
  refuse('log_prefix', LOG_PREFIX_FORM, prefix);
  return {};
}

/** Docker refuses a container with two mounts at one path. */
function refuseSharedMounts({ refuse, offers }: Asked, options: ContainerOptions): void {
  const { tmpfs = [], volumes = [] } = options;
  const offered = readVolumes(offers?.volumes ?? []);
  const names = new Set([...(offers?.taskVolumes ?? []), ...volumes]);
  const mounted = [...names].flatMap((name) => offered.get(name)?.containerPath ?? []);
  const twiceMounted = mounted.find((path, at) => mounted.indexOf(path) < at);
  if (twiceMounted !== undefined)
    refuse('volumes', `volumes at paths of their own, not two at ${twiceMounted}`, volumes.join());
  const taken = [...(offers?.sharedFolders ?? []), ...mounted];
  const paths = [...new Set(taken), ...tmpfs.map(({ path }) => path)];
  const twice = paths.find((path, at) => paths.indexOf(path) < at);
  if (twice !== undefined && twice !== twiceMounted)
    refuse('tmpfs', `paths at which nothing else is mounted, unlike ${twice}`, twice);
}

/** Tags of the settings that name the owner say who pays: a task cannot replace those. */
function tagsOf({ valueOf, refuse, offers }: Asked): Record<string, string> | undefined {
  const text = valueOf(['job_tags'])?.text;
  if (text === undefined) return undefined;
  const configured = readJobTags(offers?.jobTags ?? []);
  const tags = splitList(text).map(readTag);
  const own = new Map(tags.filter((tag) => tag !== undefined));
  const room = MOST_TAGS - [...configured.keys()].filter((key) => !own.has(key)).length;
  const taken = [...own.keys()].find((key) => configured.get(key)?.includes('{owner}'));
  if (taken !== undefined)
    refuse(
      'job_tags',
      `no tag ${taken}, in which BATCHWELL_JOB_TAGS has the owner of the task`,
      text,
    );
  else if (own.size > 0 && !tags.includes(undefined) && own.size <= room)
    return Object.fromEntries(own);
  else refuse('job_tags', `up to ${room} items separated by commas, each as ${TAG_FORM}`, text);
  return undefined;
}
