/** All rows of a database as SQL, with the names of the columns: later versions can load it. */
import { createConnection, escape, escapeId, type RowDataPacket } from 'mysql2/promise';

const MIGRATIONS = '__drizzle_migrations';

interface ColumnRow extends RowDataPacket {
  tableName: string;
  columnName: string;
}

/**
 * @param replaced texts that must not be in it, such as folders of this machine
 * @param wanted all tables when absent
 */
export async function dumpRows(
  url: string,
  replaced: readonly (readonly [string, string])[] = [],
  wanted?: readonly string[],
): Promise<string> {
  const connection = await createConnection({
    uri: url,
    supportBigNumbers: true,
    bigNumberStrings: true,
  });
  try {
    const [columns] = await connection.query<ColumnRow[]>(
      `SELECT c.TABLE_NAME AS tableName, c.COLUMN_NAME AS columnName
       FROM information_schema.COLUMNS c
       WHERE c.TABLE_SCHEMA = DATABASE() AND c.TABLE_NAME <> ? AND c.EXTRA NOT LIKE '%GENERATED%'
       ORDER BY c.TABLE_NAME, c.ORDINAL_POSITION`,
      [MIGRATIONS],
    );
    const parts: string[] = [];
    for (const [table, own] of Map.groupBy(columns, ({ tableName }) => tableName)) {
      if (wanted && !wanted.includes(table)) continue;
      const names = own.map(({ columnName }) => columnName);
      const [rows] = await connection.query<RowDataPacket[]>(
        `SELECT ${names.map((name) => escapeId(name)).join(', ')} FROM ${escapeId(table)} ORDER BY 1`,
      );
      for (const row of rows)
        parts.push(
          `INSERT INTO ${escapeId(table)} (${names.join(', ')}) VALUES (${names
            .map((name) => escape(row[name]))
            .join(', ')});`,
        );
    }
    const text = `${parts.join('\n')}\n`;
    return replaced.reduce((whole, [from, to]) => whole.replaceAll(from, to), text);
  } finally {
    await connection.end();
  }
}
