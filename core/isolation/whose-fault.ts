/**
 * Whether an error concerns every task alike, or may be of one task's own. Only the second kind may ever fail a task:
 * trouble of a store, of AWS or of a network ends by itself, and it fails nothing.
 */

/** What is read of an error; none of it is there for certain. */
interface ErrorFacts {
  name?: unknown;
  code?: unknown;
  message?: unknown;
  /** Of a failed system call. */
  syscall?: unknown;
  /** Of MySQL. */
  sqlState?: unknown;
  /** Of AWS's SDK. */
  $metadata?: { httpStatusCode?: unknown };
  $fault?: unknown;
  cause?: unknown;
}

/** A chain of causes has no end that is known. */
const DEEPEST = 6;

/** Of the connection, the process or the clock: no task can cause them. */
const OF_ALL_NAMES =
  /Timeout|Abort|Credential|Token|Signature|Expired|Throttl|SlowDown|TooManyRequests|Unavailable|InternalError|InternalFailure|RequestTime|AccessDenied|Unauthorized|Forbidden|InvalidAccessKey|NoSuchBucket|MaxRetriesPerRequest|ReplyError|ClusterAllFailed|Networking|ProviderUnavailable/;

const OF_ALL_CODES =
  /^(E[A-Z0-9]+|EAI_\w+|UND_ERR\w*|POOL_CLOSED|PROTOCOL_\w+|ERR_(SSL|TLS|SOCKET|STREAM|HTTP2?)_?\w*|CERT_\w+)$/;

const OF_ALL_MESSAGES =
  /Connection is closed|closed state|Pool is closed|Connection lost|Queue limit|socket hang up|READONLY|LOADING |CLUSTERDOWN|MASTERDOWN|NOAUTH|WRONGPASS|allocation failed|out of memory/i;

/** MySQL's data exceptions (22) and broken constraints (23): the values of a row. */
const OF_ROW_STATES = /^2[23]/;

/** The same without such a state: HY000 on one server or the other. */
const OF_ROW_CODES =
  /^(ER_NET_PACKET_TOO_LARGE|ER_DATA_\w+|ER_\w*JSON\w*|ER_JT_\w+|ER_WARN_DATA_OUT_OF_RANGE|WARN_DATA_TRUNCATED|ER_TRUNCATED_WRONG_VALUE\w*|ER_CHECK_CONSTRAINT_VIOLATED|ER_CONSTRAINT_FAILED|ER_INVALID_CHARACTER_STRING|ER_CANNOT_CONVERT_STRING|ER_TOO_BIG_ROWSIZE|ER_TOO_LONG_\w+|ER_WARN_ALLOWED_PACKET_OVERFLOWED|ER_BAD_NULL_ERROR|ER_WRONG_VALUE\w*)$/;

/** S3 and Batch refuse what one task asked for. 403 may be a role that was changed for all. */
const OF_REQUEST_STATUSES = new Set([400, 404, 409, 411, 412, 413, 414, 416]);

/** True when it is not for certain of one task's own. */
export function concernsAll(error: unknown): boolean {
  let one = error as ErrorFacts | undefined;
  for (let depth = 0; depth < DEEPEST && typeof one === 'object' && one !== null; depth += 1) {
    if (isOfAll(one)) return true;
    one = one.cause as ErrorFacts | undefined;
  }
  return false;
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '');

function isOfAll(error: ErrorFacts): boolean {
  if (text(error.sqlState) !== '')
    return !OF_ROW_STATES.test(text(error.sqlState)) && !OF_ROW_CODES.test(text(error.code));
  if (OF_ROW_CODES.test(text(error.code))) return false;
  if (OF_ALL_NAMES.test(text(error.name)) || OF_ALL_NAMES.test(text(error.code))) return true;
  if (error.$metadata !== undefined || error.$fault !== undefined)
    return !OF_REQUEST_STATUSES.has(Number(error.$metadata?.httpStatusCode ?? 0));
  return (
    error.syscall !== undefined ||
    OF_ALL_CODES.test(text(error.code)) ||
    OF_ALL_MESSAGES.test(text(error.message))
  );
}

const LONGEST_MESSAGE = 500;

/** What an operator reads of an error: not its statement, which holds the values of tasks. */
export function describeError(error: unknown): string {
  const { name, message } =
    error instanceof Error ? error : { name: 'Error', message: String(error) };
  const said = message === '' ? 'no message' : message;
  const short = said.length > LONGEST_MESSAGE ? `${said.slice(0, LONGEST_MESSAGE)} …` : said;
  return `${name}: ${short.toWellFormed().replaceAll('\0', '')}`;
}
