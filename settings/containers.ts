import {
  CREDENTIAL_FORM,
  isCredentialArn,
  isLogGroup,
  isLogPrefix,
  isUser,
  IMAGE_USER,
  LOG_GROUP_FORM,
  LOG_PREFIX_FORM,
  MOST_MIB,
  MOST_TAGS,
  readSecret,
  readTag,
  readTmpfs,
  readUlimit,
  SECRET_FORM,
  TAG_FORM,
  TMPFS_FORM,
  ULIMIT_FORM,
  USER_FORM,
} from '../core/container/option-forms.ts';
import { readVolumes } from '../core/container/volumes.ts';
import { hasWholeOwner } from '../core/access/offers.ts';
import { readLogin } from '../core/image/logins.ts';
import { each, list, text, whole, type Section, type Setting } from './setting.ts';

/** A text of a form of its own. */
const formed = (
  { accepts, form }: { accepts: (given: string) => boolean; form: string },
  declared: Parameters<typeof text>[0],
): Setting<string> => ({
  ...text(declared),
  parse(given) {
    if (!accepts(given)) throw new Error(`expected ${form}`);
    return given;
  },
});

const isUserOrImage = (given: string): boolean => given === IMAGE_USER || isUser(given);

const isRole = (given: string): boolean =>
  /^arn:[\w-]+:iam::\d{12}:role\/[\w+=,.@/-]{1,512}$/.test(given);

const isRegistry = (text: string): boolean => /^[\w.:/-]+$/.test(text);

const isCredentialEntry = (entry: string): boolean => {
  const { below, arn } = readLogin(entry);
  return isRegistry(below) && isCredentialArn(arn);
};

const isArnPattern = (entry: string): boolean =>
  /^arn:aws[\w-]*:[\w:/+=.@*{}-]+$/.test(entry) && hasWholeOwner(entry);
const ARN_PATTERN =
  'ARNs, in which * is any text and {owner}, as a whole part between / or :, the owner of the task';

const isLoginPattern = (entry: string): boolean => {
  const { below, arn } = readLogin(entry);
  return isRegistry(below) && isArnPattern(arn);
};

function checkTags(entries: readonly string[]): void {
  each((entry) => readTag(entry.replaceAll('{owner}', 'owner')) !== undefined, TAG_FORM)(entries);
  if (entries.length > MOST_TAGS) throw new Error(`expected at most ${MOST_TAGS} tags`);
}

/** core/container/options.ts makes a job definition of them. */
export const containers = {
  heading: 'Containers of tasks',
  settings: {
    containerUser: formed(
      { accepts: isUserOrImage, form: USER_FORM },
      {
        variable: 'BATCHWELL_CONTAINER_USER',
        fallback: '0',
        effect:
          'User of the task containers: an ID or a name, with a group after a colon where needed. ' +
          'With image they run as the USER of their image, which often cannot write where a task ' +
          'declares its files. A task can name another one with the parameter user, but none of ' +
          'root where this names another.',
      },
    ),
    executionRole: formed(
      { accepts: isRole, form: 'the ARN of an IAM role' },
      {
        variable: 'BATCHWELL_EXECUTION_ROLE',
        fallback: '',
        effect:
          'ARN of the IAM role with which ECS reads secrets and logins to registries for a task. ' +
          'Required for those. No role when empty.',
      },
    ),
    sharedMemoryMib: whole({
      variable: 'BATCHWELL_SHARED_MEMORY_MIB',
      fallback: 0,
      unit: 'MiB',
      range: [0, MOST_MIB],
      effect: 'Size of /dev/shm in task containers. With 0 it is that of Docker, 64 MiB.',
    }),
    ulimits: list({
      variable: 'BATCHWELL_ULIMITS',
      effect: `Limits of processes in task containers. Each as ${ULIMIT_FORM}.`,
      check: each((entry) => readUlimit(entry) !== undefined, ULIMIT_FORM),
    }),
    tmpfs: list({
      variable: 'BATCHWELL_TMPFS',
      effect:
        'Folders in the memory of task containers; what they hold counts as memory of the task. ' +
        `Each as ${TMPFS_FORM}.`,
      check: each((entry) => readTmpfs(entry) !== undefined, TMPFS_FORM),
    }),
    taskSecrets: list({
      variable: 'BATCHWELL_TASK_SECRETS',
      effect:
        'Secrets that every task gets as environment variables. AWS reads them when a container ' +
        `starts; Batchwell never does. Each as ${SECRET_FORM}.`,
      check: each((entry) => readSecret(entry) !== undefined, SECRET_FORM),
    }),
    allowedSecrets: list({
      variable: 'BATCHWELL_ALLOWED_SECRETS',
      effect: `Secrets that tasks can request with the parameter secrets: ${ARN_PATTERN}. None when empty.`,
      check: each(isArnPattern, ARN_PATTERN),
    }),
    registryCredentials: list({
      variable: 'BATCHWELL_REGISTRY_CREDENTIALS',
      effect:
        'Logins with which hosts pull images of private registries. Each as registry=ARN or ' +
        `registry/repository=ARN, with ${CREDENTIAL_FORM}. Every owner can use those images.`,
      check: each(isCredentialEntry, `registry=ARN with ${CREDENTIAL_FORM}`),
    }),
    allowedCredentials: list({
      variable: 'BATCHWELL_ALLOWED_REGISTRY_CREDENTIALS',
      effect:
        'Logins to registries that tasks can request with the parameter registry_credentials, and for ' +
        `images of which registries. Each as registry=ARN or registry/repository=ARN: ${ARN_PATTERN}. ` +
        'None when empty.',
      check: each(isLoginPattern, 'registry=ARN or registry/repository=ARN, with ARNs as above'),
    }),
    volumes: list({
      variable: 'BATCHWELL_VOLUMES',
      effect:
        'Volumes that tasks can request by name with the parameter volumes: file systems of EFS ' +
        'or S3 Files, or folders of the hosts. Each as name=efs:fs-ID:/path, ' +
        'name=s3files:ARN:/path or name=host:/folder:/path. After the file system, @ACCESS_POINT ' +
        'or /FOLDER (for S3 Files #/FOLDER) can follow, and at the end :ro for read-only, and for ' +
        'EFS :iam to mount it with the rights of the role of the task. {owner} in a folder is ' +
        'replaced by the owner of the task.',
      check: (entries) => void readVolumes(entries),
    }),
    taskVolumes: list({
      variable: 'BATCHWELL_TASK_VOLUMES',
      effect: 'Names of the volumes above that every task gets.',
    }),
    logGroup: formed(
      { accepts: isLogGroup, form: LOG_GROUP_FORM },
      {
        variable: 'BATCHWELL_LOG_GROUP',
        fallback: '',
        effect:
          'CloudWatch log group of the task containers, which must exist. They write to it without ' +
          'waiting: while CloudWatch does not answer, log lines may be lost, and the task goes on. ' +
          'The stdout and stderr of tasks are in S3 in any case. When empty, AWS Batch writes to ' +
          '/aws/batch/job.',
      },
    ),
    logGroups: list({
      variable: 'BATCHWELL_LOG_GROUPS',
      effect: 'Log groups that tasks can request with the parameter log_group.',
      check: each(isLogGroup, LOG_GROUP_FORM),
    }),
    logPrefix: formed(
      { accepts: isLogPrefix, form: LOG_PREFIX_FORM },
      {
        variable: 'BATCHWELL_LOG_PREFIX',
        fallback: '',
        effect:
          'Beginning of the names of log streams. When empty, the name of the job definition.',
      },
    ),
    logBuffer: formed(
      { accepts: (given) => /^[1-9]\d{0,5}[km]$/.test(given), form: 'a size such as 512k or 25m' },
      {
        variable: 'BATCHWELL_LOG_BUFFER',
        fallback: '25m',
        effect:
          'How much of the log of a container waits in memory for CloudWatch before lines are lost. ' +
          'Used with a log group or a log prefix.',
      },
    ),
    jobTags: list({
      variable: 'BATCHWELL_JOB_TAGS',
      effect:
        'Tags of all Batch jobs and their ECS tasks, by which AWS divides costs. Each as ' +
        'key=value; {owner} in a value is replaced by the owner of the task. A task adds its own, or ' +
        'replaces those without {owner}, with the parameter job_tags.',
      check: checkTags,
    }),
  },
} satisfies Section;
