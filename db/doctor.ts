/** What a database server says of itself, for `batchwell doctor`. */
import { readFile } from 'node:fs/promises';
import type { DatabaseFacts } from '../core/doctor/check-database.ts';
import type { Session } from './client.ts';
import { fromJson, select, selectFirst } from './rows.ts';

const VARIABLES = [
  'sql_mode',
  'read_only',
  'super_read_only',
  'innodb_read_only',
  'max_allowed_packet',
  'max_connections',
  'innodb_buffer_pool_size',
  'innodb_flush_log_at_trx_commit',
  'sync_binlog',
  'log_bin',
];

export interface SeenDatabase extends DatabaseFacts {
  /** Its clock, epoch ms. */
  nowMs: number;
}

export async function readDatabaseFacts(session: Session): Promise<SeenDatabase> {
  const [server, variables, expected] = await Promise.all([
    selectFirst<{ version: string; collation: string; nowMs: number }>(
      session,
      `SELECT VERSION() AS version, @@collation_database AS collation,
         CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS UNSIGNED) AS nowMs`,
    ),
    select<{ Variable_name: string; Value: string }>(
      session,
      'SHOW GLOBAL VARIABLES WHERE Variable_name IN (?)',
      [VARIABLES],
    ),
    countMigrations(),
  ]);
  const applied = await countApplied(session);
  return {
    version: server?.version ?? '',
    collation: server?.collation ?? '',
    nowMs: server?.nowMs ?? 0,
    variables: Object.fromEntries(
      variables.map(({ Variable_name: name, Value }) => [name.toLowerCase(), Value]),
    ),
    applied,
    expected,
    stopReason: applied === undefined ? null : await readStopReason(session),
  };
}

/** How many migrations this version has. */
async function countMigrations(): Promise<number> {
  const journal = await readFile(new URL('migrations/meta/_journal.json', import.meta.url), 'utf8');
  return fromJson<{ entries: unknown[] }>(journal).entries.length;
}

const hasTable = async (session: Session, name: string): Promise<boolean> =>
  (await selectFirst(
    session,
    `SELECT table_name FROM information_schema.tables
      WHERE table_schema = DATABASE() AND table_name = ?`,
    [name],
  )) !== undefined;

async function countApplied(session: Session): Promise<number | undefined> {
  if (!(await hasTable(session, '__drizzle_migrations'))) return undefined;
  const row = await selectFirst<{ count: number }>(
    session,
    'SELECT COUNT(*) AS count FROM __drizzle_migrations',
  );
  return row?.count ?? 0;
}

async function readStopReason(session: Session): Promise<string | null> {
  if (!(await hasTable(session, 'installation'))) return null;
  const row = await selectFirst<{ stopReason: string | null }>(
    session,
    'SELECT stop_reason AS stopReason FROM installation WHERE one = 1',
  );
  return row?.stopReason ?? null;
}
