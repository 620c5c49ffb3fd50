/**
 * `db/` holds everything that speaks SQL: one named query per function. This file opens connections and
 * transactions, and runs the migrations that drizzle makes from `schema/`.
 */
import { createPool, type Pool, type PoolConnection } from 'mysql2/promise';
import { fileURLToPath } from 'node:url';
import { selectFirst } from './rows.ts';

export interface Database {
  pool: Pool;
  close(): Promise<void>;
}

/** A query runs on the pool, or on the connection of an open transaction. */
export type Session = Pick<PoolConnection, 'query' | 'execute'>;

declare const open: unique symbol;
/** The connection of an open transaction, for statements that must be committed together. */
export type Transaction = Session & { readonly [open]: true };

const SESSION_SETTINGS = [
  'SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED',
  "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', SESSION time_zone = '+00:00'",
];

/**
 * Opens a pool. Connections run at READ COMMITTED: packing claims rows with SKIP LOCKED, and the gap
 * locks of REPEATABLE READ would make inserts of new tasks wait for it.
 */
export function openDatabase(options: { url: string; connections: number }): Database {
  const pool = createPool({
    uri: options.url,
    connectionLimit: options.connections,
    charset: 'utf8mb4',
    supportBigNumbers: true,
    enableKeepAlive: true,
    maxPreparedStatements: 200,
  });
  pool.pool.on('connection', (connection) => {
    // A failure here shows at the next query of the connection. Without a callback it would end the
    // process.
    for (const statement of SESSION_SETTINGS) connection.query(statement, () => undefined);
  });
  return { pool, close: () => pool.end() };
}

const RETRIED = new Set(['ER_LOCK_DEADLOCK', 'ER_LOCK_WAIT_TIMEOUT']);
const TRANSACTION_TRIES = 5;

/**
 * Runs `work` in a transaction. After a deadlock or a lock timeout it rolls back and runs it again,
 * up to 5 times.
 */
export async function inTransaction<T>(
  database: Database,
  work: (session: Transaction) => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    const connection = await database.pool.getConnection();
    try {
      await connection.beginTransaction();
      const value = await work(connection as Session as Transaction);
      await connection.commit();
      return value;
    } catch (error) {
      await connection.rollback().catch(() => connection.destroy());
      if (attempt >= TRANSACTION_TRIES || !RETRIED.has(errorCode(error))) throw error;
    } finally {
      connection.release();
    }
  }
}

export function errorCode(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : '';
}

const COLLATION = 'utf8mb4_bin';
const MIGRATION_LOCK = 'batchwell-migrate';
const MIGRATION_WAIT_SECONDS = 120;

/**
 * Updates the schema. Processes that start at the same time wait for each other on a named lock.
 */
export async function migrateDatabase(url: string): Promise<void> {
  const database = openDatabase({ url, connections: 2 });
  try {
    const connection = await database.pool.getConnection();
    try {
      await lockMigration(connection);
      await setCollation(connection);
      await runMigrations(database);
      await connection.query('SELECT RELEASE_LOCK(?)', [MIGRATION_LOCK]);
    } finally {
      connection.release();
    }
  } finally {
    await database.close();
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
async function runMigrations({ pool }: Database): Promise<void> {
  const [{ drizzle }, { migrate }] = await Promise.all([
    import('drizzle-orm/mysql2'),
    import('drizzle-orm/mysql2/migrator'),
  ]);
  await migrate(drizzle(pool, { casing: 'snake_case' }), {
    migrationsFolder: fileURLToPath(new URL('migrations', import.meta.url)),
  });
}
