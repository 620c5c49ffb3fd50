/** Which servers and errors of Redis tell that a connection does not lead to a primary. */
import type { RedisOptions } from 'ioredis';

/**
 * Errors of a server that is not, or no longer, the primary: a command that writes to a replica (in
 * a script, the name is inside the message), one that waited while its server became a replica, a
 * replica without its primary, and one that loads the data of its new primary.
 */
const NOT_PRIMARY = /(^|[\s-])(READONLY|UNBLOCKED|MASTERDOWN|LOADING) /;

export const isNotPrimary = ({ message }: Error): boolean => NOT_PRIMARY.test(message);

/** Errors of messages that were not sent because the connection changed servers. */
export const mayBeSentAgain = (error: Error): boolean =>
  isNotPrimary(error) || /^EXECABORT |Command aborted due to connection close/.test(error.message);

/** Reconnects that found a replica, by the options of their connection. */
const atReplica = new WeakSet<object>();

/**
 * Notes what the server of a connection is. True for one that can be written to.
 * @param info the fields of INFO; none where an ACL forbids it
 */
export function noteRole(options: RedisOptions, info: { role?: string } | undefined): boolean {
  const isReplica = info?.role === 'slave';
  if (isReplica) atReplica.add(options);
  else atReplica.delete(options);
  return !isReplica;
}

export const noteReplica = (options: RedisOptions): void => void atReplica.add(options);

/** Whether the last attempt to connect found a replica. */
export const wasReplica = (options: RedisOptions): boolean => atReplica.has(options);
