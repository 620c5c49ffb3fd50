/**
 * Each migration runs on a filled database of every version before: the rows of a real stack of that
 * version (test/fixtures/migrations), which `npm run migrations:record` writes.
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createConnection, type Connection, type RowDataPacket } from 'mysql2/promise';
import { expect, it } from 'vitest';
import { migrateDatabase, openDatabase } from '../../db/client.ts';
import { listStandings } from '../../db/task-lists.ts';
import { readDetails } from '../../db/task-views.ts';
import { readMigrations } from '../migration-record.ts';
import { freshDatabase } from '../world.ts';

const SLOW_MS = 60_000;
const migrations = readMigrations();
const filledOf = (tag: string): string =>
  new URL(`../fixtures/migrations/${tag}.sql`, import.meta.url).pathname;
const filled = migrations.filter(({ tag }) => existsSync(filledOf(tag)));

/** As drizzle does, up to and including that migration. */
async function migrateTo(connection: Connection, last: string): Promise<void> {
  await connection.query(
    `CREATE TABLE __drizzle_migrations (id SERIAL PRIMARY KEY, hash TEXT NOT NULL, created_at BIGINT)`,
  );
  for (const { tag, when, sql, sha256 } of migrations) {
    for (const statement of sql.split('--> statement-breakpoint'))
      await connection.query(statement);
    await connection.query('INSERT INTO __drizzle_migrations (hash, created_at) VALUES (?, ?)', [
      sha256,
      when,
    ]);
    if (tag === last) return;
  }
}

async function countRows(connection: Connection): Promise<Record<string, number>> {
  const [tables] = await connection.query<RowDataPacket[]>(
    `SELECT TABLE_NAME AS name FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()`,
  );
  const counts: Record<string, number> = {};
  for (const { name } of tables) {
    if (name === '__drizzle_migrations') continue;
    const [[row]] = await connection.query<RowDataPacket[]>(
      `SELECT COUNT(*) AS n FROM \`${name}\``,
    );
    counts[String(name)] = Number(row?.['n']);
  }
  return counts;
}

it('there is a filled database of the newest recorded version', () => {
  expect(filled.map(({ tag }) => tag)).toContain(migrations.at(-1)?.tag);
});

it.for(filled)(
  'a filled database of $tag is migrated to the newest version: no row is lost, and tasks are read',
  { timeout: SLOW_MS },
  async ({ tag }) => {
    const { url } = await freshDatabase();
    const connection = await createConnection({ uri: url, multipleStatements: true });
    try {
      await connection.query('ALTER DATABASE CHARACTER SET utf8mb4 COLLATE utf8mb4_bin');
      await migrateTo(connection, tag);
      await connection.query('SET FOREIGN_KEY_CHECKS = 0');
      await connection.query(await readFile(filledOf(tag), 'utf8'));
      const before = await countRows(connection);
      expect(before['tasks']).toBeGreaterThan(5);

      await migrateDatabase(url);

      const after = await countRows(connection);
      const kept = Object.keys(before).filter((name) => name in after);
      expect(Object.fromEntries(kept.map((name) => [name, after[name]]))).toEqual(
        Object.fromEntries(kept.map((name) => [name, before[name]])),
      );
      const [[ran]] = await connection.query<RowDataPacket[]>(
        'SELECT COUNT(*) AS n FROM __drizzle_migrations',
      );
      expect(Number(ran?.['n'])).toBe(migrations.length);
    } finally {
      await connection.end();
    }
    const database = openDatabase({ url, connections: 2 });
    try {
      const [row] = await listStandings(database.pool, { owner: 'anyone', tags: [], limit: 1 });
      expect(row).toBeUndefined();
      const ids = (await database.pool.query('SELECT id FROM tasks', [])) as unknown;
      expect(await readDetails(database.pool, idsIn(ids))).not.toEqual([]);
    } finally {
      await database.close();
    }
  },
);

/** The rows of mysql2, which come with the columns. */
const idsIn = (answer: unknown): number[] =>
  (Array.isArray(answer) && Array.isArray(answer[0]) ? (answer[0] as { id: number }[]) : []).map(
    ({ id }) => id,
  );
