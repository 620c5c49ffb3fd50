/**
 * How the options of a container are written, in settings and in backend parameters alike. Each
 * reader returns the value, or undefined where the text has another form.
 */
import { containerPath } from './container-path.ts';

export interface Ulimit {
  name: string;
  /** -1 for no limit. */
  soft: number;
  hard: number;
}

export interface Tmpfs {
  /** Absolute path in the container. */
  path: string;
  sizeMib: number;
}

/** A variable of the container, which AWS fills with the value of a secret. */
export interface SecretVariable {
  name: string;
  arn: string;
}

/** Of setrlimit(2), as Docker names them. */
const ULIMITS = [
  'core',
  'cpu',
  'data',
  'fsize',
  'locks',
  'memlock',
  'msgqueue',
  'nice',
  'nofile',
  'nproc',
  'rss',
  'rtprio',
  'rttime',
  'sigpending',
  'stack',
];

/** Of Batch's `Integer`. */
const LARGEST_INTEGER = 2_147_483_647;

export const ULIMIT_FORM =
  'name=soft or name=soft:hard, such as nofile=65536:65536; -1 for no limit';

export function readUlimit(text: string): Ulimit | undefined {
  const [, name = '', soft = '', hard = soft] =
    /^([a-z]+)=(-1|\d{1,10})(?::(-1|\d{1,10}))?$/.exec(text) ?? [];
  const limit = { name, soft: Number(soft), hard: Number(hard) };
  const isInOrder =
    limit.hard === -1 || (limit.soft !== -1 && limit.soft <= limit.hard && soft !== '');
  return ULIMITS.includes(name) &&
    isInOrder &&
    limit.soft <= LARGEST_INTEGER &&
    limit.hard <= LARGEST_INTEGER
    ? limit
    : undefined;
}

/** One MiB to 1 TiB. */
export const MOST_MIB = 1024 * 1024;

export const TMPFS_FORM = '/path=MiB, such as /fast=512';

/** Not the root, and nothing that Batchwell itself or the system mounts. */
export function readTmpfs(text: string): Tmpfs | undefined {
  const [, path = '', size = ''] = /^(\/[^,]*)=(\d{1,7})$/.exec(text) ?? [];
  const sizeMib = Number(size);
  return isMountable(path) && sizeMib >= 1 && sizeMib <= MOST_MIB ? { path, sizeMib } : undefined;
}

const TAKEN = ['/opt/batchwell', '/proc', '/sys', '/dev'];

/** Whether something of an option can be mounted at a path of the container. */
export const isMountable = (path: string): boolean =>
  path !== '/' &&
  containerPath(path) === path &&
  !TAKEN.some(
    (taken) => path === taken || path.startsWith(`${taken}/`) || taken.startsWith(`${path}/`),
  );

export const SECRET_FORM =
  'NAME=ARN with the ARN of a secret of Secrets Manager or of a parameter of Systems Manager; ' +
  'the name is a variable that does not begin with AWS_, BATCHWELL_, ECS_, LD_ or NODE_';

const SECRET_ARN =
  /^arn:aws[\w-]*:(?:secretsmanager:[\w-]+:\d{12}:secret:[\w/+=.@-]+(?::[\w/+=.@-]*){0,3}|ssm:[\w-]+:\d{12}:parameter\/[\w/.-]+)$/;

/** They would change what the stager does. */
const RESERVED = /^(?:AWS_|BATCHWELL_|ECS_|LD_|NODE_)|^PATH$/;

export function readSecret(text: string): SecretVariable | undefined {
  const at = text.indexOf('=');
  const [name, arn] = [text.slice(0, at), text.slice(at + 1)];
  const isName = /^[A-Za-z_]\w{0,254}$/.test(name) && !RESERVED.test(name);
  return at > 0 && isName && SECRET_ARN.test(arn) && arn.length <= 1024 ? { name, arn } : undefined;
}

/** Of a secret that holds the user name and the password of a registry. */
export const isCredentialArn = (text: string): boolean =>
  /^arn:aws[\w-]*:secretsmanager:[\w-]+:\d{12}:secret:[\w/+=.@-]{1,512}$/.test(text);

export const CREDENTIAL_FORM = 'the ARN of a secret of Secrets Manager';

export const USER_FORM =
  'a user ID or name, with a group after a colon where needed (1000 or 1000:1000), or image for ' +
  'the USER of the image';

/** The value that leaves the image's own USER in place. */
export const IMAGE_USER = 'image';

const USER_PART = '(?:\\d{1,10}|[a-z_][a-z0-9_-]{0,31})';
const USER = new RegExp(`^${USER_PART}(?::${USER_PART})?$`);
/** Docker takes no larger one; other programs cut it, down to 0, which is root. */
const LARGEST_ID = 2_147_483_647;
export const isUser = (text: string): boolean =>
  USER.test(text) &&
  text.split(':').every((part) => !/^\d/.test(part) || Number(part) <= LARGEST_ID);

/** Whether the user is root, or the image decides. */
export const isRootOrImage = (user: string): boolean =>
  user === IMAGE_USER || /^(?:0+|root)(?::|$)/.test(user);

/** Whether a container of this user can be root's: the image decides what a name means. */
export const mayBeRoot = (user: string): boolean => !/^0*[1-9]/.test(user);

/** Of a log stream: CloudWatch allows no colon and no asterisk. */
export const LOG_PREFIX_FORM = "1 to 128 letters, digits, '.', '_', '-' and '/'";
export const isLogPrefix = (text: string): boolean => /^[\w./-]{1,128}$/.test(text);
export const LOG_GROUP_FORM = "1 to 512 letters, digits, '.', '_', '-', '/' and '#'";
export const isLogGroup = (text: string): boolean => /^[\w./#-]{1,512}$/.test(text);

export const TAG_FORM =
  'key=value with up to 128 and 256 letters, digits, spaces and + - = . _ : / @; the key does ' +
  'not begin with aws: or batchwell:';

/** Source: "Tag restrictions" in the user guide of AWS Batch. */
export function readTag(text: string): [key: string, value: string] | undefined {
  const at = text.indexOf('=');
  const [key, value] = [text.slice(0, at).trim(), text.slice(at + 1).trim()];
  const fits =
    at > 0 &&
    /^[\p{L}\p{N} +\-=._:/@]{1,128}$/u.test(key) &&
    /^[\p{L}\p{N} +\-=._:/@]{0,256}$/u.test(value) &&
    !/^(?:aws|batchwell):/i.test(key);
  return fits ? [key, value] : undefined;
}

/** Batch allows 50 on a job; Batchwell and the job definition have their own among them. */
export const MOST_TAGS = 45;

export const splitList = (text: string): string[] =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter(Boolean);
