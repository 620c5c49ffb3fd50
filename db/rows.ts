/** Every statement of `db/` passes through here: the one place where rows get their types. */
import type { ResultSetHeader, RowDataPacket } from 'mysql2/promise';
import type { Session } from './borrowed-connection.ts';

/**
 * The rows of a SELECT. `T` names the columns of the statement beside it and is trusted, not checked:
 * a check would cost each of 10,000 rows something, and both server and schema are our own. A number
 * column gives a number up to 2^53, BINARY a Buffer, and text that holds JSON stays text (`fromJson`).
 */
export async function select<T extends object>(
  session: Session,
  sql: string,
  values: unknown[] = [],
): Promise<T[]> {
  const [rows] = await session.query<(T & RowDataPacket)[]>(sql, values);
  return rows;
}

/** The first row of a SELECT. */
export async function selectFirst<T extends object>(
  session: Session,
  sql: string,
  values: unknown[] = [],
): Promise<T | undefined> {
  const [row] = await select<T>(session, sql, values);
  return row;
}

/**
 * The same for a statement that runs for most requests: the server parses it once per connection.
 * `sql` is one of few texts, since a connection keeps only some.
 */
export async function selectPrepared<T extends object>(
  session: Session,
  sql: string,
  values: (string | number | bigint | Buffer | null)[],
): Promise<T | undefined> {
  const [[row]] = await session.execute<(T & RowDataPacket)[]>(sql, values);
  return row;
}

/** What an INSERT, UPDATE or DELETE did: `affectedRows`, and the first `insertId`. */
export async function write(
  session: Session,
  sql: string,
  values: unknown[] = [],
): Promise<ResultSetHeader> {
  const [result] = await session.query<ResultSetHeader>(sql, values);
  return result;
}

/** The value of a JSON column, which holds what this code wrote there. */
export const fromJson = <T>(text: string): T => JSON.parse(text) as T;

/** A field for a column that may be null. A null column gives no field. */
export const known = <K extends string, V>(key: K, value: V | null): { [P in K]?: V } =>
  value === null ? {} : ({ [key]: value } as { [P in K]?: V });
