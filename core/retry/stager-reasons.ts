// cspell:ignore scandir ECONN ENOTDIR EISDIR EEXIST ENAMETOOLONG EROFS EACCES ENXIO ENODEV ELOOP EINVAL ENOTFOUND
/**
 * What the stager says of a file that it could not move or of a folder that it could not make, and
 * whose fault that is. Sources: S3's error codes (API reference, "Error responses"), Node's names of
 * the system's errors, and the stager's own sentences.
 */
import type { StagerError } from '../result/result.ts';
import { failureOf, type Failure, type FailureKind } from './failures.ts';

interface Rule {
  words: RegExp;
  kind: FailureKind;
  /** The usual advice of the kind when absent. */
  advice?: string;
}

/** The system's own names for a disk that is full. */
const DISK_FULL: Rule = { words: /\b(ENOSPC|EDQUOT):/, kind: 'disk-full' };

const PERMISSION = /^(AccessDenied|AllAccessDisabled|AccountProblem|Forbidden|Unknown: HTTP 403)/;
const CREDENTIALS =
  /^(ExpiredToken|InvalidAccessKeyId|InvalidToken|SignatureDoesNotMatch|CredentialsProviderError|TokenRefreshRequired)/;
const REGION =
  /^(PermanentRedirect|TemporaryRedirect|AuthorizationHeaderMalformed|IllegalLocationConstraint|Unknown: HTTP 30[17])/;
const KEY = /^(KMS|Kms)\w*|\bkms:/;
const NAME = /^(InvalidBucketName|InvalidURI|KeyTooLong)|\b(bucket name|Bucket name)\b/;

const ASK_FOR_CREDENTIALS = 'Ask the operator to check the credentials of the job role.';
const ASK_FOR_REGION =
  'The bucket is in another region than the requests were sent to. Ask the operator to check the ' +
  'region and the endpoint of S3.';
const ASK_FOR_KEY = 'Check that the job role has permission to use the KMS key of the bucket.';

/** How an error of the system tells that it happened to something that was read, not made. */
const LOOKED = /, (stat|lstat|access|scandir|readlink|realpath|statfs)\b/;

const onDisk = (kind: FailureKind): Rule[] => [
  {
    words: /^(ENOTDIR|EEXIST):|cannot be a folder, because a file is there/,
    kind,
    advice: 'A file is where the path needs a folder. Change one of the two paths in the task.',
  },
  {
    words: /^EISDIR:|^a folder is already at its path/,
    kind,
    advice: 'A folder is where the path needs a file. Change one of the two paths in the task.',
  },
  {
    words: /^ENAMETOOLONG:/,
    kind,
    advice: 'Use shorter names: Linux allows 255 bytes for each, and 4,095 for a path.',
  },
  {
    words: /^(EROFS|EACCES|EPERM|ENOENT|ENXIO|ENODEV|ELOOP|EINVAL|EBUSY|ETXTBSY):/,
    kind,
    advice:
      "Use another path: the task's container does not allow writing to this one. /proc and /sys " +
      'can never be written to, and other folders not by every user of an image.',
  },
];

const INPUT: readonly Rule[] = [
  DISK_FULL,
  {
    words: /declared as (FILE|DIRECTORY)/,
    kind: 'input-refused',
    advice: 'Correct the type of the input, then submit the task again.',
  },
  {
    words: /^NoSuchBucket/,
    kind: 'input-missing',
    advice: "Check the name of the bucket in the input's URL, then submit the task again.",
  },
  { words: /^(NoSuchKey|NoSuchVersion|NotFound|HTTP (404|410))\b/, kind: 'input-missing' },
  {
    words: /^InvalidObjectState/,
    kind: 'input-refused',
    advice: 'The object is in an archive. Restore it, then submit the task again.',
  },
  {
    words: /^HTTP (401|403|407)\b/,
    kind: 'input-refused',
    advice:
      'The web server asks for a login or for a URL that has not expired. Use a new presigned URL, ' +
      'or copy the file to S3.',
  },
  {
    words: /^HTTP [34]\d\d\b|^the server redirects/,
    kind: 'input-refused',
    advice: "Check the input's URL in a browser or with curl, then submit the task again.",
  },
  {
    words: PERMISSION,
    kind: 'input-unreadable',
    advice:
      "Check the input's URL, and that the job role can read it. For an object that does not exist " +
      'S3 says the same, unless the role can list the bucket.',
  },
  { words: CREDENTIALS, kind: 'input-unreadable', advice: ASK_FOR_CREDENTIALS },
  { words: REGION, kind: 'input-unreadable', advice: ASK_FOR_REGION },
  { words: KEY, kind: 'input-unreadable', advice: ASK_FOR_KEY },
  {
    words: NAME,
    kind: 'input-refused',
    advice: "Correct the input's URL, then submit the task again.",
  },
  {
    words: /cannot be the path of a file in a folder/,
    kind: 'input-refused',
    advice: 'Declare the files of the folder one by one, or remove this object.',
  },
  {
    words: /^(its URL must be|a DIRECTORY must have)/,
    kind: 'input-refused',
    advice: "Correct the input's URL, then submit the task again.",
  },
  {
    words: /^(ENOTFOUND|EAI_\w+)\b/,
    kind: 'input-unreadable',
    advice: "Check the host in the input's URL, and that the tasks' network can resolve its name.",
  },
  {
    words: /^(ERR_TLS\w*|ERR_SSL\w*|CERT_\w+|DEPTH_ZERO\w*|SELF_SIGNED\w*|UNABLE_TO_\w+)\b/,
    kind: 'input-unreadable',
    advice:
      "The web server's certificate is not accepted. Copy the file to S3, or use another URL.",
  },
  {
    words: /^(ECONN\w+|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|EPIPE)\b|^Error: no answer for/,
    kind: 'input-unreadable',
    advice: 'The server did not answer. Submit the task again when it does.',
  },
  {
    words: /^(HTTP 5\d\d|SlowDown|InternalError|ServiceUnavailable|RequestTimeout|TimeoutError)/,
    kind: 'input-unreadable',
    advice: 'The server failed to answer several times. Submit the task again later.',
  },
];

/** Inputs that the task sees in a shared folder: nothing is made, so a missing one is the caller's. */
const INPUT_IN_PLACE: readonly Rule[] = [
  {
    words: new RegExp(`^(ENOENT|ENOTDIR|ELOOP):.*${LOOKED.source}`),
    kind: 'input-missing',
    advice: 'Check that the path exists in the shared folder, then submit the task again.',
  },
  {
    words: new RegExp(`^(EACCES|EPERM):.*${LOOKED.source}`),
    kind: 'input-unreadable',
    advice: "Check that the task's user has permission to read the path in the shared folder.",
  },
];

const OUTPUT: readonly Rule[] = [
  DISK_FULL,
  {
    words: /its URL ends in '\/'/,
    kind: 'output-refused',
    advice:
      "Remove the '/' at the end of the output's URL: it declares a DIRECTORY, whatever the type.",
  },
  {
    words: /declared as (FILE|DIRECTORY)/,
    kind: 'output-refused',
    advice: 'Correct the type of the output, or what the command writes.',
  },
  {
    words: /does not begin with path_prefix/,
    kind: 'output-refused',
    advice: "Correct the output's path_prefix.",
  },
  {
    words: /^NoSuchBucket/,
    kind: 'output-refused',
    advice: "Check the name of the bucket in the output's URL.",
  },
  {
    words: NAME,
    kind: 'output-refused',
    advice: "Use a shorter or another URL for the output: S3's keys have at most 1,024 bytes.",
  },
  { words: /^an output URL must be/, kind: 'output-refused', advice: "Correct the output's URL." },
  {
    words: /^(EntityTooLarge|InvalidPart)/,
    kind: 'output-refused',
    advice: 'Split the output: an object in S3 has at most 5 TB.',
  },
  {
    words: /^(EACCES|EPERM):/,
    kind: 'output-refused',
    advice: 'Let the command give its files permissions with which their own user can read them.',
  },
  {
    words: /^(ENOENT|ENOTDIR):/,
    kind: 'output-refused',
    advice: 'Let the command end its background processes: the file vanished as it was read.',
  },
  { words: CREDENTIALS, kind: 'output-unwritable', advice: ASK_FOR_CREDENTIALS },
  { words: REGION, kind: 'output-unwritable', advice: ASK_FOR_REGION },
  { words: KEY, kind: 'output-unwritable', advice: ASK_FOR_KEY },
  {
    words: /^(SlowDown|InternalError|ServiceUnavailable|RequestTimeout|TimeoutError|ECONN\w+)/,
    kind: 'output-unwritable',
    advice: 'S3 failed to answer several times. Submit the task again later.',
  },
];

const ASK_FOR_WORK_BUCKET =
  'Ask the operator to check that the job role can read and write the work bucket.';
const LOOK_AT_HOST =
  "Nothing is wrong with the task. Ask the operator to look at the stager's folder on the hosts.";

const SCRIPT: readonly Rule[] = [
  DISK_FULL,
  {
    words: /^ENOENT:.*, access /,
    kind: 'path-refused',
    advice:
      "The executor's stdin does not exist. Declare it as an input, or let an earlier executor write it.",
  },
  {
    words: /^(EACCES|EPERM):.*, access /,
    kind: 'path-refused',
    advice: "The executor's stdin cannot be read by the task's user.",
  },
  ...onDisk('path-refused'),
];

const PREPARED = / could not be (?:read|written|started|created): (.*)$/s;

/** The reason at the end of the stager's sentence, without the names before it. */
function reasonIn({ message, subject }: StagerError): string | undefined {
  const at = message.indexOf(subject);
  const rest = at === -1 ? message : message.slice(at + subject.length);
  return PREPARED.exec(` ${rest.trimStart()}`)?.[1];
}

const KINDS = {
  input: { declared: 'input-refused', usual: 'input-unreadable' },
  output: { declared: 'output-refused', usual: 'output-unwritable' },
  script: { declared: 'path-refused', usual: 'script-unreadable' },
} as const;

const usualKind = ({ kind, declared }: StagerError): FailureKind => {
  if (kind === 'forged') return 'script-unreadable';
  return declared ? KINDS[kind].declared : KINDS[kind].usual;
};

/** From the stager's error to a failure: the first rule that applies to its reason wins. */
export function judgeStager(error: StagerError): Failure {
  const { kind, message } = error;
  if (kind === 'forged') return failureOf('script-unreadable', message);
  if (message.startsWith('No output was written'))
    return failureOf('output-unwritable', message, ASK_FOR_WORK_BUCKET);
  const rule = ruleFor(error);
  return failureOf(rule?.kind ?? usualKind(error), message, rule?.advice);
}

function ruleFor(error: StagerError): Rule | undefined {
  const { kind, message } = error;
  const reason = reasonIn(error);
  if (kind === 'script' && !/^(Executor|The folder) /.test(message)) return ofPreparation(message);
  const rules: Record<Exclude<StagerError['kind'], 'forged'>, readonly Rule[]> = {
    input: [...INPUT_IN_PLACE, ...INPUT, ...onDisk('input-refused')],
    output: OUTPUT,
    script: SCRIPT,
  };
  return kind === 'forged'
    ? undefined
    : rules[kind].find(({ words }) => words.test(reason ?? message));
}

/** What went wrong before or beside the task's own files. */
function ofPreparation(message: string): Rule | undefined {
  const all: readonly Rule[] = [
    DISK_FULL,
    {
      words: /^The task's shell ended/,
      kind: 'script-unreadable',
      advice: "Read the container's log in AWS Batch. If memory ran out, request more ram_gb.",
    },
    { words: /^The task's shell .* could not/, kind: 'script-unreadable', advice: LOOK_AT_HOST },
    {
      words: /\b(EROFS|EACCES|EPERM|ENOENT|ENOTDIR):.*, (mkdir|mkdtemp|open)\b/,
      kind: 'script-unreadable',
      advice: "The task's container has no folder that the stager can write to. Ask the operator.",
    },
  ];
  return all.find(({ words }) => words.test(message));
}

/** S3's refusal of a copy to an output's URL. */
export const judgeRefusedCopy = (message: string): Failure =>
  /\b(NoSuchBucket|InvalidBucketName|KeyTooLong\w*)\b/.test(message)
    ? failureOf('output-refused', message, "Check the output's URL, then submit the task again.")
    : failureOf('copy-refused', message);
