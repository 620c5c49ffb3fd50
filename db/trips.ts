/**
 * Transactions whose statements travel together: one round trip for many of them, and one for the commit. docs/adr/0032-two-round-trips.md has
 * the reasons, and what such a connection must not be used for.
 */
import type { QueryResult, ResultSetHeader } from 'mysql2/promise';
import type { Lease } from './borrowed-connection.ts';

/** Text that stands in the statement as it is, such as a variable of the session. */
export interface Verbatim {
  toSqlString(): string;
}

/** Never an object of a request: mysql2 would write its members as assignments. */
type Value = string | number | boolean | null | Buffer | Verbatim;

export interface Statement {
  sql: string;
  /** A list of rows stands for the `?` of `VALUES ?`, a list of values for that of `IN (?)`. */
  values: readonly (Value | readonly Value[] | readonly (readonly Value[])[])[];
}

/** A transaction that begins with the first statements and ends with the last. */
export interface Trips {
  /** One round trip. A result per statement. */
  send(statements: readonly Statement[]): Promise<QueryResult[]>;
  /** The same, and then the commit. @throws OutcomeUnknown when the commit had no answer */
  commit(statements: readonly Statement[]): Promise<QueryResult[]>;
}

const BEGIN: Statement = { sql: 'START TRANSACTION', values: [] };

/** @param connection one that takes several statements at once */
export function openTrips(connection: Lease): Trips {
  let hasBegun = false;
  const send: Trips['send'] = async (statements) => {
    const opening = hasBegun ? [] : [BEGIN];
    const results = await run(connection, [...opening, ...statements]);
    hasBegun = true;
    return results.slice(opening.length);
  };
  return {
    send,
    // By itself: only a commit that had no answer leaves it unknown whether anything was stored.
    async commit(statements) {
      const results = statements.length === 0 ? [] : await send(statements);
      await connection.commit();
      return results;
    },
  };
}

async function run(connection: Lease, statements: readonly Statement[]): Promise<QueryResult[]> {
  const [results] = await connection.query<ResultSetHeader[]>(
    statements.map(({ sql }) => sql).join('; '),
    statements.flatMap(({ values }) => values),
  );
  // mysql2 gives the result of a single statement bare.
  return statements.length === 1 ? [results as QueryResult] : (results as QueryResult[]);
}

export const verbatim = (text: string): Verbatim => ({ toSqlString: () => text });

/** The id that the INSERT before it gave to its first row. */
export const firstId = (results: readonly QueryResult[], position: number): number => {
  const result = results[position];
  return result && 'insertId' in result ? result.insertId : 0;
};
