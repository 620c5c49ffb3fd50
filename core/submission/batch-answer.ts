/**
 * What an error of AWS means for whoever waits for the request: whose mistake it is, and whether
 * time or an operator corrects it. One table, for Batch and for S3.
 */

/** An error as the AWS SDK throws it. */
export interface AwsError {
  /** AWS's code, such as `ClientException`, or the code of the connection's error. */
  name: string;
  message: string;
  /** HTTP status; 0 when there was no answer. */
  status: number;
}

/**
 * - throttled: too many requests; later.
 * - not-sent: the request never left; the network or the name server fails.
 * - denied: a permission or valid credentials are missing, or the bucket does not exist. An
 *   operator corrects it, and no task is at fault.
 * - queue-off: an operator disabled the job queue.
 * - queue-unknown: Batch knows no such job queue.
 * - definition-unknown: Batch does not know the job definition, or not yet.
 * - definition-inactive: the job definition was deregistered.
 * - refused: the request itself is not accepted and never will be.
 * - ambiguous: it may have been carried out.
 */
export type AwsAnswer =
  | 'throttled'
  | 'not-sent'
  | 'denied'
  | 'queue-off'
  | 'queue-unknown'
  | 'definition-unknown'
  | 'definition-inactive'
  | 'refused'
  | 'ambiguous';

const THROTTLED =
  /^(TooManyRequests|Throttling|Throttled|RequestLimitExceeded|SlowDown|RequestThrottled|PriorRequestNotComplete)/;
const NOT_SENT = /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN)$/;

/** Codes of AWS for missing permissions and bad credentials, whatever HTTP status they come with. */
const DENIED_NAMES = new RegExp(
  `^(${[
    'AccessDenied(Exception)?',
    'AllAccessDisabled',
    'AuthFailure',
    'CredentialsProviderError',
    'ExpiredToken(Exception)?',
    'IncompleteSignature(Exception)?',
    'InvalidAccessKeyId',
    'InvalidClientTokenId',
    'InvalidSignature(Exception)?',
    'InvalidToken(Exception)?',
    'MissingAuthenticationToken(Exception)?',
    'NoSuchBucket',
    'NotAuthorized(Exception)?',
    'OptInRequired',
    'RequestExpired',
    'RequestTimeTooSkewed',
    'SignatureDoesNotMatch',
    'SubscriptionRequiredException',
    'TokenRefreshRequired',
    'UnauthorizedOperation',
    'UnrecognizedClient(Exception)?',
  ].join('|')})$`,
);

/** Batch reports a missing iam:PassRole as a ClientException. */
const DENIED_WORDS =
  /is not authorized to perform|explicit deny|security token .*(expired|invalid)|cannot be assumed|unable to assume/i;
const UNKNOWN = /not (be )?found|does ?n['o]t exist|do(es)? not exist|no such|not known|unknown/i;
const INACTIVE = /not (in )?(an? )?active|inactive|deregistered/i;
const OFF = /not (in )?(an? )?enabled|disabled|not (in )?(an? )?valid state/i;
const DEFINITION = /job[ -]?definition/i;
/** Also as part of an ARN. */
const QUEUE = /job[ -]?queue/i;

export function readAwsError({ name, message, status }: AwsError): AwsAnswer {
  if (THROTTLED.test(name) || status === 429) return 'throttled';
  if (NOT_SENT.test(name)) return 'not-sent';
  if (DENIED_NAMES.test(name)) return 'denied';
  if (status < 400 || status >= 500) return 'ambiguous';
  if (status === 401 || status === 403 || DENIED_WORDS.test(message)) return 'denied';
  return readRefusal(message, status);
}

/** Batch says with one code, ClientException, what is wrong with a definition, a queue or a job. */
function readRefusal(message: string, status: number): AwsAnswer {
  const isUnknown = status === 404 || UNKNOWN.test(message);
  if (DEFINITION.test(message)) {
    if (INACTIVE.test(message)) return 'definition-inactive';
    if (isUnknown) return 'definition-unknown';
  } else if (QUEUE.test(message)) {
    if (isUnknown) return 'queue-unknown';
    if (OFF.test(message)) return 'queue-off';
  }
  return 'refused';
}
