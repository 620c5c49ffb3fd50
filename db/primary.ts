/** Whether a server takes writes. */
import type { QueryResult } from 'mysql2/promise';
import { DatabaseUnavailable } from './unavailable.ts';

/** `innodb_read_only` is 1 on a reader of Aurora. MariaDB 12 has words in place of 0 and 1. */
const ASK = 'SELECT @@global.read_only AS readOnly, @@global.innodb_read_only AS innodbReadOnly';

const isOff = (value: unknown): boolean => /^(0|off|)$/i.test(String(value ?? ''));

/**
 * A name that still leads to the demoted server, or to a reader, would serve old rows without an
 * error. It would even take writes from a user who may ignore read_only, and lose them.
 * @throws DatabaseUnavailable
 */
export async function requirePrimary(
  query: (sql: string) => Promise<[QueryResult, unknown]>,
): Promise<void> {
  const [rows] = await query(ASK);
  const [row] = (Array.isArray(rows) ? rows : []) as {
    readOnly?: unknown;
    innodbReadOnly?: unknown;
  }[];
  const set = [
    ...(isOff(row?.readOnly) ? [] : ['read_only']),
    ...(isOff(row?.innodbReadOnly) ? [] : ['innodb_read_only']),
  ];
  if (set.length > 0)
    throw new DatabaseUnavailable(
      'read-only',
      `The server is not a primary: ${set.join(' and ')} is set.`,
    );
}
