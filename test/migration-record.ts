/** The migrations, and what is recorded of them. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export interface Recorded {
  /** Its file without `.sql`. */
  tag: string;
  /** Drizzle runs those that are later than the last one that it ran. */
  when: number;
  sha256: string;
}

export interface Migration extends Recorded {
  sql: string;
}

const FOLDER = fileURLToPath(new URL('../db/migrations/', import.meta.url));
export const RECORD_FILE = `${FOLDER}recorded.json`;

export function readMigrations(): Migration[] {
  const journal = JSON.parse(readFileSync(`${FOLDER}meta/_journal.json`, 'utf8')) as {
    entries: { tag: string; when: number }[];
  };
  return journal.entries.map(({ tag, when }) => {
    const sql = readFileSync(`${FOLDER}${tag}.sql`, 'utf8');
    return { tag, when, sql, sha256: createHash('sha256').update(sql).digest('hex') };
  });
}

export const readRecord = (): Recorded[] =>
  JSON.parse(readFileSync(RECORD_FILE, 'utf8')) as Recorded[];

/** Recorded migrations that are gone, have moved or hold something else. */
export const changedMigrations = (
  recorded: readonly Recorded[],
  migrations: readonly Recorded[],
): string[] =>
  recorded
    .filter(({ tag, when, sha256 }, at) => {
      const now = migrations[at];
      return now?.tag !== tag || now.when !== when || now.sha256 !== sha256;
    })
    .map(({ tag }) => tag);
