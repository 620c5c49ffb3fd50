/** A connection while somebody uses it: every statement ends in time, and no spoiled one comes back. */
import type {
  ExecuteValues,
  FieldPacket,
  PoolConnection,
  QueryResult,
  QueryValues,
} from 'mysql2/promise';
import { within } from './bounded.ts';
import {
  DatabaseUnavailable,
  hadNoAnswer,
  isReadOnly,
  OutcomeUnknown,
  spoilsConnection,
} from './unavailable.ts';

/** A query runs on the pool, or on the connection of an open transaction. */
export interface Session {
  query<T extends QueryResult>(sql: string, values?: QueryValues): Promise<[T, FieldPacket[]]>;
  /** The same with a statement that the server prepares once per connection. No lists in the values. */
  execute<T extends QueryResult>(sql: string, values?: ExecuteValues): Promise<[T, FieldPacket[]]>;
}

/** What had no answer in time: a wait for a connection, a statement, or a commit. */
export type Timeout = 'connection' | 'statement' | 'commit';

export interface LeaseHooks {
  onTimeout(what: Timeout): void;
  /** The server said that it is not the primary. */
  onReadOnly(): void;
}

export interface Lease extends Session {
  begin(): Promise<void>;
  /** @throws OutcomeUnknown when no answer came */
  commit(): Promise<void>;
  /** Never rejects: a connection that cannot roll back is not used again. */
  rollback(): Promise<void>;
  /** Ends the statement that runs now, if it still runs after `limitMs`. */
  hurry(limitMs: number): void;
  /** Ends the statement that runs now: its connection is destroyed. */
  abandon(): void;
  /** Gives the connection back, or destroys it. */
  release(): void;
}

interface Leased extends LeaseHooks {
  connection: PoolConnection;
  /** Undefined: no limit. */
  statementMs: number | undefined;
  /** Of a connection that is not used again. */
  destroy(): void;
  giveBack(): void;
}

/** A transaction that failed need not wait longer for its rollback: the server does it by itself. */
const ROLLBACK_MS = 1000;

const SILENT = 'the server of the connection did not answer';

export function openLease(leased: Leased): Lease {
  const { connection, statementMs } = leased;
  let spoiled = false;
  let running: { fail(error: Error): void } | undefined;

  const run = async <T>(
    what: Timeout,
    start: () => Promise<T>,
    limitMs = statementMs,
  ): Promise<T> => {
    if (spoiled) throw new DatabaseUnavailable('unreachable', 'the connection was given up');
    const { promise: failed, reject: fail } = Promise.withResolvers<never>();
    const mine = { fail };
    running = mine;
    const answer = start();
    answer.catch(() => undefined);
    try {
      return await within(Promise.race([answer, failed]), limitMs, () => {
        leased.onTimeout(what);
        return new DatabaseUnavailable('no-answer', `no answer to a ${what} within ${limitMs} ms`);
      });
    } catch (error) {
      if (spoilsConnection(error)) spoiled = true;
      if (isReadOnly(error)) leased.onReadOnly();
      throw error;
    } finally {
      if (running === mine) running = undefined;
    }
  };

  return {
    query: <T extends QueryResult>(sql: string, values?: QueryValues) =>
      run('statement', () => connection.query<T>(sql, values)),
    execute: <T extends QueryResult>(sql: string, values?: ExecuteValues) =>
      run('statement', () => connection.execute<T>(sql, values)),
    begin: () => run('statement', () => connection.beginTransaction()),
    commit: () =>
      run('commit', () => connection.commit()).catch((error: unknown) => {
        throw hadNoAnswer(error) ? new OutcomeUnknown(error) : error;
      }),
    async rollback() {
      if (spoiled) return;
      const limitMs = Math.min(ROLLBACK_MS, statementMs ?? ROLLBACK_MS);
      await run('statement', () => connection.rollback(), limitMs).catch(() => (spoiled = true));
    },
    hurry(limitMs) {
      const hurried = running;
      if (!hurried) return;
      setTimeout(() => {
        if (running === hurried) hurried.fail(new DatabaseUnavailable('no-answer', SILENT));
      }, limitMs).unref();
    },
    abandon: () => running?.fail(new DatabaseUnavailable('no-answer', SILENT)),
    release: () => (spoiled ? leased.destroy() : leased.giveBack()),
  };
}
