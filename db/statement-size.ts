/**
 * Keeps statements below what a server takes: max_allowed_packet is 16 MiB on MariaDB, 64 MiB on
 * MySQL 8.
 */

const ROWS_PER_STATEMENT = 1000;
const CHARACTERS_PER_STATEMENT = 2_000_000;
const CHARACTERS_OF_A_NUMBER = 8;

type Row<T> = readonly T[];

interface Part<T> {
  rows: Row<T>[];
  characters: number;
}

/**
 * Splits rows into parts of at most 1,000 rows and 2 million characters. A row that is longer by
 * itself is a part.
 */
export function inParts<T>(rows: readonly Row<T>[]): Row<T>[][] {
  const parts: Part<T>[] = [];
  for (const row of rows) {
    const characters = charactersOf(row);
    const last = parts.at(-1);
    if (last && hasRoom(last, characters)) addRow(last, row, characters);
    else parts.push({ rows: [row], characters });
  }
  return parts.map((part) => part.rows);
}

/** Whether rows leave room for other statements beside them. */
export const isShort = (rows: readonly Row<unknown>[]): boolean =>
  rows.reduce((sum, row) => sum + charactersOf(row), 0) <= CHARACTERS_PER_STATEMENT / 2;

const charactersOf = (row: Row<unknown>): number =>
  row.reduce<number>(
    (sum, value) => sum + (typeof value === 'string' ? value.length : CHARACTERS_OF_A_NUMBER),
    0,
  );

const hasRoom = <T>(part: Part<T>, characters: number): boolean =>
  part.rows.length < ROWS_PER_STATEMENT && part.characters + characters <= CHARACTERS_PER_STATEMENT;

function addRow<T>(part: Part<T>, row: Row<T>, characters: number): void {
  part.rows.push(row);
  part.characters += characters;
}

const LONGEST_TEXT = 8000;

/**
 * A sentence for a TEXT column, which holds 64 KiB and is strict. Longer ones are cut after 8,000
 * characters. Half of a surrogate pair, which no server stores, is replaced.
 */
export const clip = (sentence: string): string =>
  sentence.length <= LONGEST_TEXT
    ? sentence.toWellFormed()
    : `${sentence.slice(0, LONGEST_TEXT)} … (${sentence.length} characters)`.toWellFormed();
