/**
 * `db/` holds everything that speaks SQL: one named query per function. This file opens connections and
 * transactions, and runs the migrations that drizzle makes from `schema/`.
 */
import { createPool, type Pool } from 'mysql2/promise';
import { fileURLToPath } from 'node:url';
import type { Lease, Session, Timeout } from './borrowed-connection.ts';
import { connectionOptions, openPool, type BoundedPool, type PoolCounts } from './pool.ts';
import { selectFirst } from './rows.ts';
import { openTrips, type Trips } from './trips.ts';
import { DatabaseUnavailable, errorCode, hadNoAnswer, OutcomeUnknown } from './unavailable.ts';
import { openWatch, type Standing } from './watch.ts';

export type { Session };

export interface Database {
  /** Runs single statements, each on a connection of its own. */
  pool: Session;
  /** For statements that belong together. @throws DatabaseUnavailable */
  lease(): Promise<Lease>;
  /** For a transaction whose statements travel together (trips.ts). @throws DatabaseUnavailable */
  leaseForTrips(): Promise<Lease>;
  /** Whether a primary answers now. */
  look(): Promise<Standing>;
  /** As it was when last looked at: every 2 s, and after a statement without an answer. */
  standing(): Standing;
  /** Of the pool for single statements and transactions. */
  connections(): PoolCounts;
  /** Since when no primary answers, by this host's clock; undefined while one does. */
  awaySinceMs(): number | undefined;
  close(): Promise<void>;
}

export interface DatabaseOptions {
  url: string;
  connections: number;
  /** Longest time for a statement, and for a wait for a connection. Absent: no limit. */
  statementMs?: number;
  onTimeout?: (what: Timeout) => void;
  /** Called when the database becomes available or unavailable. */
  onChange?: (standing: Standing) => void;
}

declare const open: unique symbol;
/** The connection of an open transaction, for statements that must be committed together. */
export type Transaction = Session & { readonly [open]: true };

/** Time left to statements at a server that was lost. */
const LAST_MS = 2000;

/** Opened when they are first needed. */
const CONNECTIONS_FOR_TRIPS = 4;

/** Opens pools, and watches whether their server is a primary that answers. */
export function openDatabase(options: DatabaseOptions): Database {
  let standing: Standing = { up: true };
  let awayMs: number | undefined;
  const hooks = {
    onTimeout(what: Timeout) {
      options.onTimeout?.(what);
      retire();
      watch.suspect();
    },
    onReadOnly() {
      retire();
      // In a failover, some of the old connections may never be answered.
      hurry();
      watch.suspect();
    },
  };
  const pool = openPool(options, hooks);
  const tripsPool = openPool(
    { ...options, connections: CONNECTIONS_FOR_TRIPS, takesMany: true },
    hooks,
  );
  const pools = [pool, tripsPool];
  const retire = (): void => pools.forEach((one) => one.retire());
  const hurry = (): void => pools.forEach((one) => one.hurry(LAST_MS));
  const watch = openWatch(options.url, {
    onChange(changed) {
      standing = changed;
      awayMs = changed.up ? undefined : (awayMs ?? Date.now());
      if (!changed.up)
        for (const one of pools)
          one.refuse(new DatabaseUnavailable(changed.outage, changed.message));
      options.onChange?.(changed);
    },
    onLost: retire,
    onAnswerElsewhere: hurry,
    async askPool() {
      (await pool.lease()).release();
    },
  });
  const leaseOf = async (one: BoundedPool): Promise<Lease> => {
    await watch.requireUp();
    return one.lease();
  };
  return {
    pool: singleStatements(() => leaseOf(pool)),
    lease: () => leaseOf(pool),
    leaseForTrips: () => leaseOf(tripsPool),
    look: () => watch.look(),
    standing: () => standing,
    connections: () => pool.counts(),
    awaySinceMs: () => awayMs,
    async close() {
      watch.close();
      await Promise.all(pools.map((one) => one.end()));
    },
  };
}

/** @throws where no primary answers now */
export async function requirePrimaryNow(database: Pick<Database, 'look'>): Promise<void> {
  const standing = await database.look();
  if (!standing.up) throw new DatabaseUnavailable(standing.outage, standing.message);
}

const READS = /^[\s(]*(SELECT|SHOW|SET|EXPLAIN|WITH)\b/i;

const singleStatements = (lease: Database['lease']): Session => {
  const single = async <T>(sql: string, run: (connection: Lease) => Promise<T>): Promise<T> => {
    const connection = await lease();
    try {
      return await run(connection);
    } catch (error) {
      // It commits by itself.
      throw hadNoAnswer(error) && !READS.test(sql) ? new OutcomeUnknown(error) : error;
    } finally {
      connection.release();
    }
  };
  return {
    query: (sql, values) => single(sql, (connection) => connection.query(sql, values)),
    execute: (sql, values) => single(sql, (connection) => connection.execute(sql, values)),
  };
};

const RETRIED = new Set(['ER_LOCK_DEADLOCK', 'ER_LOCK_WAIT_TIMEOUT']);
const TRANSACTION_TRIES = 5;

/**
 * Runs `work` in a transaction. After a deadlock or a lock timeout it rolls back and runs it again,
 * up to 5 times. @throws OutcomeUnknown when the commit had no answer
 */
export const inTransaction = <T>(
  database: Pick<Database, 'lease'>,
  work: (session: Transaction) => Promise<T>,
): Promise<T> =>
  retried(database.lease, async (connection) => {
    await connection.begin();
    const value = await work(connection as Session as Transaction);
    await connection.commit();
    return value;
  });

/** The same; `work` ends with `commit`. */
export const inTrips = <T>(
  database: Pick<Database, 'leaseForTrips'>,
  work: (trips: Trips) => Promise<T>,
): Promise<T> => retried(database.leaseForTrips, (connection) => work(openTrips(connection)));

async function retried<T>(
  lease: () => Promise<Lease>,
  work: (connection: Lease) => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    const connection = await lease();
    try {
      return await work(connection);
    } catch (error) {
      await connection.rollback();
      if (attempt >= TRANSACTION_TRIES || !RETRIED.has(errorCode(error))) throw error;
    } finally {
      connection.release();
    }
  }
}

const COLLATION = 'utf8mb4_bin';
const MIGRATION_LOCK = 'batchwell-migrate';
const MIGRATION_WAIT_SECONDS = 120;
const CONNECT_MS = 10_000;

/**
 * Updates the schema. Processes that start at the same time wait for each other on a named lock.
 * Its statements have no time limit: an ALTER of a large table takes as long as it takes.
 */
export async function migrateDatabase(url: string): Promise<void> {
  const pool = createPool({ ...connectionOptions(url, CONNECT_MS), connectionLimit: 2 });
  try {
    const connection = await pool.getConnection();
    try {
      await lockMigration(connection);
      await setCollation(connection);
      await runMigrations(pool);
      await connection.query('SELECT RELEASE_LOCK(?)', [MIGRATION_LOCK]);
    } finally {
      connection.release();
    }
  } finally {
    await pool.end();
  }
}

async function lockMigration(connection: Session): Promise<void> {
  const row = await selectFirst<{ got: number | null }>(
    connection,
    'SELECT GET_LOCK(?, ?) AS got',
    [MIGRATION_LOCK, MIGRATION_WAIT_SECONDS],
  );
  if (row?.got !== 1)
    throw new Error(
      `Another process has been migrating the database for over ${MIGRATION_WAIT_SECONDS} s. ` +
        'Find it with SHOW PROCESSLIST.',
    );
}

/**
 * Tables take their collation from the database when they are created. Text compares byte by byte, so
 * that the owners "ann" and "Ann" are two, and a database created as latin1 loses no characters.
 */
async function setCollation(connection: Session): Promise<void> {
  const row = await selectFirst<{ collation: string }>(
    connection,
    'SELECT @@collation_database AS collation',
  );
  if (row?.collation !== COLLATION)
    await connection.query(`ALTER DATABASE CHARACTER SET utf8mb4 COLLATE ${COLLATION}`);
}

/**
 * Drizzle is loaded here alone: its modules cost a process 180 MB and 0.7 s (measured), and its rows
 * 3 to 4 times mysql2's CPU.
 */
async function runMigrations(pool: Pool): Promise<void> {
  const [{ drizzle }, { migrate }] = await Promise.all([
    import('drizzle-orm/mysql2'),
    import('drizzle-orm/mysql2/migrator'),
  ]);
  await migrate(drizzle(pool, { casing: 'snake_case' }), {
    migrationsFolder: fileURLToPath(new URL('migrations', import.meta.url)),
  });
}
