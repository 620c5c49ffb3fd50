/** Tables for people, as wide as the terminal at most; programs use --json. */
import cliui from 'cliui';
import stringWidth from 'string-width';
import { paint, type Paint } from './paint.ts';
import { printable } from './printable.ts';

export interface Column<Row> {
  heading: string;
  value(row: Row): string | number | undefined;
  paint?(row: Row): Paint | undefined;
}

/** What a text has to fit. */
export interface Look {
  columns: number;
  colour: boolean;
}

const PLAIN: Look = { columns: 80, colour: false };

const GAP = 2;
/** A column is not made narrower, even where its words are longer. */
const NARROWEST = 12;

const longest = (texts: readonly string[]): number =>
  texts.reduce((most, text) => Math.max(most, stringWidth(text)), 0);

const longestWord = (texts: readonly string[]): number =>
  longest(texts.flatMap((text) => text.split(' ')));

/**
 * Takes what is too much from the widest column again and again: first down to its longest word, so
 * that lines break between words, then, where that is not enough, further.
 */
function fitWidths(wanted: readonly { natural: number; word: number }[], room: number): number[] {
  const widths = wanted.map(({ natural }) => natural);
  const shrink = (least: readonly number[]): void => {
    for (;;) {
      const excess = widths.reduce((sum, width) => sum + width, 0) - room;
      const [at, width] = [...widths.entries()]
        .filter(([index, size]) => size > (least[index] ?? 0))
        .reduce(([a, most], [index, size]) => (size > most ? [index, size] : [a, most]), [-1, 0]);
      if (excess <= 0 || at < 0) return;
      const next = widths.reduce(
        (most, size, index) => (index !== at && size < width ? Math.max(most, size) : most),
        0,
      );
      widths[at] = Math.max(least[at] ?? 0, Math.min(width - 1, Math.max(next, width - excess)));
    }
  };
  shrink(wanted.map(({ word }) => word));
  shrink(wanted.map(({ natural }) => Math.min(natural, NARROWEST)));
  return widths;
}

/**
 * Columns are as wide as their widest cell and two spaces apart; numbers are aligned to the right.
 * What does not fit is continued on the next line.
 */
export function formatTable<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  look: Look = PLAIN,
): string {
  const cells = rows.map((row) => columns.map((column) => printable(column.value(row))));
  const isNumeric = columns.map(
    (_, at) => cells.length > 0 && cells.every((row) => /^(?:\d[\d.,]*)?$/.test(row[at] ?? '')),
  );
  const texts = columns.map((column, at) => [column.heading, ...cells.map((row) => row[at] ?? '')]);
  const widths = fitWidths(
    texts.map((column) => ({ natural: longest(column), word: longestWord(column) })),
    look.columns - GAP * (columns.length - 1),
  );
  const painted = rows.map((row, line) =>
    columns.map((column, at) => paint(cells[line]?.[at] ?? '', column.paint?.(row), look)),
  );
  const headings = columns.map(({ heading }) => paint(heading, 'bold', look));
  return layOut([headings, ...painted], widths, isNumeric);
}

function layOut(
  lines: readonly (readonly string[])[],
  widths: readonly number[],
  toTheRight: readonly boolean[] = [],
): string {
  const gaps = widths.map((_, at) => (at === widths.length - 1 ? 0 : GAP));
  const width = widths.reduce((sum, one, at) => sum + one + (gaps[at] ?? 0), 0);
  const ui = cliui({ width, wrap: true });
  for (const cells of lines)
    ui.div(
      ...cells.map((text, at) => ({
        text,
        width: (widths[at] ?? 0) + (gaps[at] ?? 0),
        padding: [0, gaps[at] ?? 0, 0, 0],
        ...(toTheRight[at] && { align: 'right' as const }),
      })),
    );
  return ui
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}

/** Lines of `name  value`; those without a value are left out. */
export function formatFacts(
  facts: readonly (readonly [string, string | number | undefined])[],
  look: Look = PLAIN,
): string {
  const known = facts.flatMap(([name, value]) =>
    value === undefined || value === '' ? [] : [[name, printable(value)] as const],
  );
  if (known.length === 0) return '';
  const names = longest(known.map(([name]) => name));
  // A word is never broken here: people copy URLs, ids and paths.
  const values = Math.max(
    Math.min(longest(known.map(([, value]) => value)), look.columns - names - GAP),
    longestWord(known.map(([, value]) => value)),
  );
  return layOut(known, [names, values]);
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
