/** MariaDB's time by statement: it writes every statement to its slow log, which is a table. */
import type { Pool } from 'mysql2/promise';
import { select } from '../db/rows.ts';

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

/** SUM gives DECIMAL, which arrives as text. */
interface Statement {
  statement: string;
  count: number;
  seconds: number | string;
  most: number | string;
  examined: number | string;
}

export async function printSqlLog(pool: Pool): Promise<void> {
  await pool.query('SET GLOBAL slow_query_log = 0');
  // Grouped by text without values.
  const rows = await select<Statement>(
    pool,
    `SELECT REGEXP_REPLACE(REGEXP_REPLACE(REGEXP_REPLACE(LEFT(CONVERT(sql_text USING utf8mb4), 900),
      '[[:space:]]+', ' '), '([(]\\[?[(]?[0-9x''"\\[{]).*?($|[)](?=[[:space:]]))', '\\1…)'),
      '= [0-9]+', '= N') AS statement,
       COUNT(*) AS count, SUM(TIME_TO_SEC(query_time)) AS seconds,
       MAX(TIME_TO_SEC(query_time)) AS most, SUM(rows_examined) AS examined
     FROM mysql.slow_log GROUP BY 1 ORDER BY seconds DESC LIMIT ?`,
    [SHOWN],
  );
  for (const { statement, count, seconds, most, examined } of rows)
    console.log(
      [
        `${Number(seconds).toFixed(3)} s`,
        `×${count}`,
        `most ${Number(most).toFixed(3)} s`,
        `examined ${examined}`,
        statement.slice(0, 220),
      ].join('  '),
    );
}
