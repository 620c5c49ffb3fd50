/**
 * Distinguishes a database that cannot serve now from one that refuses a statement: no connection,
 * no answer, a server that is not the primary, or a full one.
 */

/**
 * Why there is no connection to a primary. `refused`: the server answered, but not with a
 * connection: wrong credentials, too many connections, an unknown database.
 */
export type Outage = 'unreachable' | 'refused' | 'no-answer' | 'read-only' | 'closed';

/** The statement was not executed, or its transaction was rolled back. */
export class DatabaseUnavailable extends Error {
  override readonly name = 'DatabaseUnavailable';
  readonly outage: Outage;

  constructor(outage: Outage, message: string, cause?: unknown) {
    super(message, { cause });
    this.outage = outage;
  }
}

/** A commit, or a statement that commits by itself, had no answer: it may have been executed. */
export class OutcomeUnknown extends Error {
  override readonly name = 'OutcomeUnknown';

  constructor(cause: unknown) {
    super(`The database did not answer a commit: ${messageOf(cause)}`, { cause });
  }
}

/** For a statement without an effect that anybody could see: its unknown outcome does not matter. */
export function knowOutcome(error: unknown): never {
  throw error instanceof OutcomeUnknown ? error.cause : error;
}

export function errorCode(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : '';
}

export const messageOf = (error: unknown): string =>
  error instanceof Error ? error.message || errorCode(error) || error.name : String(error);

/**
 * A server that is not, or no longer, the primary. Each of them was met on a demoted writer: MySQL
 * and MariaDB under read_only, Aurora's reader, and InnoDB that was started read-only.
 */
const READ_ONLY = new Set([
  'ER_OPTION_PREVENTS_STATEMENT',
  'ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION',
  'ER_READ_ONLY_MODE',
  'ER_INNODB_READ_ONLY',
  'ER_OPEN_AS_READONLY',
]);

/** The server ends the connection, or is about to. */
const ENDING = new Set([
  'ER_SERVER_SHUTDOWN',
  'ER_NORMAL_SHUTDOWN',
  'ER_SESSION_WAS_KILLED',
  'ER_ABORTING_CONNECTION',
  'ER_NEW_ABORTING_CONNECTION',
  'ER_CLIENT_INTERACTION_TIMEOUT',
  'ER_SERVER_ISNT_AVAILABLE',
  // A Galera node that is not ready (WSREP).
  'ER_UNKNOWN_COM_ERROR',
]);

/** MariaDB's ER_CONNECTION_KILLED, which mysql2 does not know by name. */
const CONNECTION_KILLED = 1927;

/** The connection is gone, or its next packet cannot be trusted. */
const LOST = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ETIMEDOUT',
  'EPIPE',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ECONNABORTED',
  'ERR_STREAM_DESTROYED',
  'ERR_STREAM_WRITE_AFTER_END',
  'PROTOCOL_CONNECTION_LOST',
  'PROTOCOL_SEQUENCE_TIMEOUT',
  'PROTOCOL_UNEXPECTED_PACKET',
]);

/** The server cannot execute the statement now, and the connection stays good. */
const BUSY = new Set([
  'ER_CON_COUNT_ERROR',
  'ER_QUERY_INTERRUPTED',
  'ER_LOCK_WAIT_TIMEOUT',
  'ER_LOCK_DEADLOCK',
  'POOL_CLOSED',
  // The disk, a table space or the server's memory is full.
  'ER_DISK_FULL',
  'ER_RECORD_FILE_FULL',
  'ER_OUT_OF_RESOURCES',
  'ER_OUTOFMEMORY',
  'ER_ERROR_ON_WRITE',
]);

/** True when the server that answered is not a primary. */
export const isReadOnly = (error: unknown): boolean =>
  READ_ONLY.has(errorCode(error)) ||
  (error instanceof DatabaseUnavailable && error.outage === 'read-only');

const hasNoConnection = (error: unknown): boolean =>
  error instanceof Error &&
  /closed state|Pool is closed|Connection lost|Queue limit/.test(error.message);

const isFatal = (error: unknown): boolean =>
  typeof error === 'object' &&
  error !== null &&
  (('fatal' in error && error.fatal === true) ||
    ('errno' in error && error.errno === CONNECTION_KILLED));

/** True when no answer came, so that the statement may or may not have been executed. */
export const hadNoAnswer = (error: unknown): boolean =>
  (error instanceof DatabaseUnavailable && error.outage === 'no-answer') ||
  LOST.has(errorCode(error)) ||
  ENDING.has(errorCode(error)) ||
  hasNoConnection(error) ||
  isFatal(error);

/** True when the connection must not be used again after this error. */
export const spoilsConnection = (error: unknown): boolean =>
  hadNoAnswer(error) || isReadOnly(error);

/** True when the same statement may succeed later: no connection, a failover, or a full server. */
export const isDatabaseAway = (error: unknown): boolean =>
  error instanceof DatabaseUnavailable ||
  error instanceof OutcomeUnknown ||
  BUSY.has(errorCode(error)) ||
  spoilsConnection(error);
