/** Distinguishes a database that cannot be reached from one that refuses a statement. */
import { errorCode } from './client.ts';

const AWAY = new Set([
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
  'ER_CON_COUNT_ERROR',
  'ER_SERVER_SHUTDOWN',
  'ER_CONNECTION_KILLED',
  'ER_OPTION_PREVENTS_STATEMENT',
  'ER_READ_ONLY_MODE',
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

/** True when the same statement may succeed later: no connection, a failover, or a full server. */
export function isDatabaseAway(error: unknown): boolean {
  if (AWAY.has(errorCode(error))) return true;
  return (
    error instanceof Error &&
    /closed state|Pool is closed|Connection lost|Queue limit/.test(error.message)
  );
}
