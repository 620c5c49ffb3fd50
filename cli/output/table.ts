/** Tables for people; programs use --json. */

export interface Column<Row> {
  heading: string;
  value(row: Row): string | number | undefined;
}

/** Replaces control characters by `?`. One character is assumed to take one terminal cell. */
export const printable = (value: string | number | undefined): string =>
  // oxlint-disable-next-line no-control-regex -- a name from another user must not control this terminal
  String(value ?? '').replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, '?');

const longest = (least: number, texts: readonly string[]): number =>
  texts.reduce((most, { length }) => Math.max(most, length), least);

/**
 * Columns are as wide as their widest cell and two spaces apart; numbers are aligned to the right.
 */
export function formatTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  const cells = rows.map((row) => columns.map((column) => column.value(row)));
  const widths = columns.map((column, at) =>
    longest(
      column.heading.length,
      cells.map((row) => printable(row[at])),
    ),
  );
  const isNumeric = columns.map(
    (_, at) =>
      cells.length > 0 &&
      cells.every((row) => row[at] === undefined || /^\d[\d.,]*$/.test(String(row[at]))),
  );
  const line = (texts: readonly string[]): string =>
    texts
      .map((text, at) =>
        isNumeric[at] ? text.padStart(widths[at] ?? 0) : text.padEnd(widths[at] ?? 0),
      )
      .join('  ')
      .trimEnd();
  return [
    line(columns.map((column) => column.heading)),
    ...cells.map((row) => line(row.map(printable))),
  ].join('\n');
}

/** Lines of `name  value`; those without a value are left out. */
export function formatFacts(
  facts: readonly (readonly [string, string | number | undefined])[],
): string {
  const known = facts.filter(([, value]) => value !== undefined && value !== '');
  const width = longest(
    0,
    known.map(([name]) => name),
  );
  return known.map(([name, value]) => `${name.padEnd(width)}  ${printable(value)}`).join('\n');
}

/** `850 ms`, `12.3 s`, `4 min 05 s`. */
export function formatDuration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, '0')} s`;
}

const thousands = new Intl.NumberFormat('en-US');
/** `1,234,567`. */
export const formatCount = (count: number): string => thousands.format(count);

export const GIB = 1024 ** 3;
const BINARY = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

/** `1.5 GiB`: in the units in which tasks ask for memory. */
export function formatGib(bytes: number): string {
  const power = Math.min(BINARY.length - 1, bytes < 1 ? 0 : Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 1024 ** power;
  return `${power === 0 ? Math.round(value) : value.toFixed(1)} ${BINARY[power]}`;
}
