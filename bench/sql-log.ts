/**
 * Where MariaDB's time goes, by statement: every statement goes to its slow log, which is a table.
 */
import type { Pool, RowDataPacket } from 'mysql2/promise';

const SHOWN = 40;

export async function startSqlLog(pool: Pool): Promise<void> {
  for (const statement of [
    `SET GLOBAL log_output = 'TABLE'`,
    'TRUNCATE mysql.slow_log',
    'SET GLOBAL long_query_time = 0',
    'SET GLOBAL slow_query_log = 1',
  ])
    await pool.query(statement);
}

export async function printSqlLog(pool: Pool): Promise<void> {
  await pool.query('SET GLOBAL slow_query_log = 0');
  // Statements alike up to their values; long_query_time is a session's from its connect on, so
  // those before are missing.
  const [rows] = await pool.query<RowDataPacket[]>(
    `SELECT REGEXP_REPLACE(REGEXP_REPLACE(LEFT(CONVERT(sql_text USING utf8mb4), 400),
      '[[:space:]]+', ' '), '([(]\\\\[?[(]?[0-9x''"\\\\[{]).*$', '\\\\1…') AS statement,
       COUNT(*) AS count, SUM(TIME_TO_SEC(query_time)) AS seconds, MAX(TIME_TO_SEC(query_time)) AS
       most, SUM(rows_examined) AS examined
     FROM mysql.slow_log GROUP BY 1 ORDER BY seconds DESC LIMIT ?`,
    [SHOWN],
  );
  for (const row of rows) {
    console.log(
      `${Number(row['seconds']).toFixed(3)} s  ×${row['count']}  most ${Number(row['most']).toFixed(3)} s  examined ${row['examined']}  ${String(row['statement']).slice(0, 160)}`,
    );
  }
}
