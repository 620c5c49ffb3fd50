/** Keeps statements below what a server takes: max_allowed_packet is 16 MiB on MariaDB, 64 MiB on MySQL 8. */

const ROWS_PER_STATEMENT = 1000;
const CHARACTERS_PER_STATEMENT = 2_000_000;

/** Cuts rows into parts of at most 1,000 rows and, but for a row that is longer by itself, 2 million characters of text. */
export function inParts<T>(rows: readonly (readonly T[])[]): (readonly T[])[][] {
  const parts: (readonly T[])[][] = [];
  let part: (readonly T[])[] = [];
  let characters = 0;
  for (const row of rows) {
    const length = row.reduce(
      (sum, value) => sum + (typeof value === 'string' ? value.length : 8),
      0,
    );
    if (
      part.length > 0 &&
      (part.length >= ROWS_PER_STATEMENT || characters + length > CHARACTERS_PER_STATEMENT)
    ) {
      parts.push(part);
      [part, characters] = [[], 0];
    }
    part.push(row);
    characters += length;
  }
  return part.length > 0 ? [...parts, part] : parts;
}

const LONGEST_TEXT = 8000;

/** A sentence for a TEXT column (64 KiB, strict): nobody reads on after 8,000 characters. */
export const clip = (sentence: string): string =>
  sentence.length <= LONGEST_TEXT
    ? sentence
    : `${sentence.slice(0, LONGEST_TEXT)} … (${sentence.length} characters)`;
