/**
 * InnoDB removes what updates and deletes leave behind after their commit, in threads of its own. A short run ends
 * before that work does, a long one pays for it while it runs: to compare the two, wait for it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Pool } from 'mysql2/promise';
import { selectFirst } from '../db/rows.ts';

/** Transactions whose old rows are kept: a quiet server keeps some. */
const QUIET = 50;
const LONGEST_MS = 60_000;

export async function untilPurged(pool: Pool): Promise<void> {
  const untilMs = Date.now() + LONGEST_MS;
  while ((await readHistory(pool)) > QUIET) {
    if (Date.now() > untilMs) {
      console.error(
        'InnoDB has not purged its history within a minute; its CPU is not all counted.',
      );
      return;
    }
    await sleep(200);
  }
}

async function readHistory(pool: Pool): Promise<number> {
  const row = await selectFirst<{ count: number | string }>(
    pool,
    `SELECT count FROM information_schema.innodb_metrics WHERE name = 'trx_rseg_history_len'`,
    [],
  );
  return Number(row?.count ?? 0);
}
