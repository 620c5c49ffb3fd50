/**
 * What each index of `tasks` costs: the rows of a scatter are inserted and moved to their end on a copy of the table
 * without it. Bytes of the redo log are the same on a busy machine; CPU is the least of several rounds.
 */
import type { Pool } from 'mysql2/promise';
import { select, selectFirst, write } from '../db/rows.ts';
import { inWorld } from './in-world.ts';
import { readUsage } from './meters.ts';
import type { BenchOptions } from './options.ts';
import { untilPurged } from './purge.ts';
import type { Row, Rows } from './report.ts';
import { sampleRow } from './limits.ts';
import type { World } from './world.ts';

const CHUNK = 500;
const TABLE = 'bench_indexes';

export async function indexes(options: BenchOptions): Promise<Rows> {
  return inWorld(options, { workers: 0 }, async (world) => {
    const names = await indexNames(world.pool);
    const variants = new Map<string, readonly string[]>([
      ['all indexes', []],
      ...names.map((name) => [`without ${name}`, [name]] as const),
      ['none', names],
    ]);
    const rows: Rows = {};
    for (const tasks of options.tasks)
      for (let round = 0; round < options.rounds; round += 1)
        for (const [variant, dropped] of variants)
          rows[variant] = least(rows[variant], await costOf(world, dropped, tasks));
    return rows;
  });
}

const least = (known: Row | undefined, row: Row): Row =>
  Object.fromEntries(
    Object.entries(row).map(([name, value]) => [name, Math.min(value, known?.[name] ?? value)]),
  );

async function indexNames(pool: Pool): Promise<string[]> {
  const rows = await select<{ name: string }>(
    pool,
    `SELECT DISTINCT index_name AS name FROM information_schema.statistics
      WHERE table_schema = DATABASE() AND table_name = 'tasks' AND index_name <> 'PRIMARY'
      ORDER BY 1`,
  );
  return rows.map(({ name }) => name);
}

async function costOf(world: World, dropped: readonly string[], tasks: number): Promise<Row> {
  const { pool } = world;
  await pool.query(`DROP TABLE IF EXISTS ${TABLE}`);
  await pool.query(`CREATE TABLE ${TABLE} LIKE tasks`);
  for (const index of dropped) await pool.query(`ALTER TABLE ${TABLE} DROP INDEX ${index}`);
  const before = await measure(world);
  await insert(pool, tasks);
  const inserted = await measure(world);
  await moveToEnd(pool, tasks);
  await untilPurged(pool);
  const ended = await measure(world);
  await pool.query(`DROP TABLE ${TABLE}`);
  return {
    'redo bytes/task': (ended.redoBytes - before.redoBytes) / tasks,
    'CPU µs/task, insert': ((inserted.cpuSeconds - before.cpuSeconds) * 1e6) / tasks,
    'CPU µs/task, five moves': ((ended.cpuSeconds - inserted.cpuSeconds) * 1e6) / tasks,
  };
}

async function measure(world: World): Promise<{ cpuSeconds: number; redoBytes: number }> {
  const { cpuSeconds } = await readUsage(world.pids()['mariadb'] ?? 0);
  const row = await selectFirst<{ Value: string }>(
    world.pool,
    `SHOW GLOBAL STATUS WHERE Variable_name = 'Innodb_os_log_written'`,
  );
  return { cpuSeconds, redoBytes: Number(row?.Value ?? 0) };
}

async function insert(pool: Pool, tasks: number): Promise<void> {
  const row = sampleRow(Date.now());
  for (let start = 0; start < tasks; start += CHUNK) {
    const rows = Array.from({ length: Math.min(CHUNK, tasks - start) }, (_, position) =>
      Object.values({ ...row, scatter_row: start + position, name: `sample-${start + position}` }),
    );
    await write(pool, `INSERT INTO ${TABLE} (${Object.keys(row).join(', ')}) VALUES ?`, [rows]);
  }
}

/** As the fleet moves a miss whose script is in S3. */
async function moveToEnd(pool: Pool, tasks: number): Promise<void> {
  const nowMs = Date.now();
  const moves: [set: string, values: unknown[]][] = [
    [`place = 'submit', moved_ms = ?, shape = UNHEX(REPEAT('ab', 16))`, [nowMs]],
    ['submission_id = ?, attempt = attempt + 1, due_ms = NULL', [1]],
    [`place = 'poll', moved_ms = ?`, [nowMs]],
    [`place = 'finalize', moved_ms = ?, due_ms = ?`, [nowMs, nowMs + 60_000]],
    [`place = 'done', moved_ms = ?, due_ms = NULL, ended_ms = ?`, [nowMs, nowMs]],
  ];
  for (let start = 1; start <= tasks; start += CHUNK) {
    const ids = Array.from({ length: Math.min(CHUNK, tasks - start + 1) }, (_, at) => start + at);
    for (const [set, values] of moves)
      await write(pool, `UPDATE ${TABLE} SET ${set} WHERE id IN (?)`, [...values, ids]);
  }
}
