/**
 * A scatter as a template and rows: every `{{column}}` in the template's texts becomes the row's
 * value. A value is data: its content is not interpreted.
 */
import { append } from '../append.ts';
import { cacheTag, mergeTag, MOST_TAGS, readTags } from '../task/parse-tags.ts';
import { parseTesTask, type AcceptableTask, type TaskDefaults } from '../task/parse-task.ts';
import { problemAt, shown, type Problem } from '../problems.ts';
import { listOf, rawOf, readObject, textOf, type Source } from '../task/read-fields.ts';
import { cacheModes, mergeModes, type TaskSpec } from '../task/task.ts';

export const LARGEST_SCATTER = 10_000;
/**
 * Characters of a task's texts once filled in: a short template can use a long value many times.
 */
const LONGEST_FILLED_TASK = 2 * 1024 ** 2;
/** The same for all rows together, counting only what is filled in; they share the rest. */
export const LONGEST_FILLED_SCATTER = 128 * 1024 ** 2;
/** Tags of all tasks together: each is a row, and all are one transaction. */
export const MOST_SCATTER_TAGS = 500_000;
/** Texts of all tasks together: 256 MiB of arguments of one letter would take gigabytes once they are read. */
export const MOST_SCATTER_TEXTS = 10_000_000;

/** The texts of a task, counted roughly. */
export const countTexts = ({ inputs, outputs, executors, volumes }: TaskSpec): number =>
  2 * inputs.length +
  2 * outputs.length +
  volumes.length +
  executors.reduce(
    (sum, { command, env }) => sum + command.length + Object.keys(env ?? {}).length,
    0,
  );

/** How many problems one answer lists; the others are only counted. */
export const LISTED_PROBLEMS = 100;

export interface ScatterHead {
  name: string;
  tags: Record<string, string>;
  /** With the scatter's own modes. */
  taskDefaults: TaskDefaults;
}

/** A problem and the row it is in, from 0. Problems of the scatter itself have no row. */
export interface RowProblem extends Problem {
  row?: number;
}

export interface PreparedScatter {
  head: ScatterHead;
  rows: readonly unknown[];
  /** By how many characters a row's task is longer than the template. */
  filledLength(row: unknown): number;
  /** One row's task. */
  expand(row: unknown): AcceptableTask | { problems: Problem[] };
}

/** A scatter that is expanded row by row, so that a server can do other work between rows. */
export function prepareScatter(
  input: unknown,
  defaults: TaskDefaults,
): PreparedScatter | { problems: RowProblem[] } {
  const problems: Problem[] = [];
  const body = readObject(input, '', problems);
  if (!body) return { problems };
  const head = readHead(body, defaults);
  const rows = readRows(body);
  const template = readObject(rawOf(body, 'template'), 'template', problems);
  if (!template) return { problems };

  const compiled = compile(template.value);
  for (const column of unknownColumns(compiled.columns, rows)) {
    problems.push(
      problemAt(`template{{${column}}}`, `a column of the rows; no row has ${shown(column)}`),
    );
  }
  if (compiled.length > LONGEST_FILLED_TASK)
    problems.push(
      problemAt(
        'template',
        `at most ${LONGEST_FILLED_TASK} characters in all its texts, this has ${compiled.length}`,
      ),
    );
  if (problems.length > 0) return { problems };
  return {
    head,
    rows,
    filledLength: (row) => filledLength(compiled, row),
    expand: (row) => expandRow(compiled, head, row),
  };
}

/** All tasks of a scatter, or every problem of every row. */
export function expandScatter(
  input: unknown,
  defaults: TaskDefaults,
): { head: ScatterHead; tasks: AcceptableTask[] } | { problems: RowProblem[] } {
  const prepared = prepareScatter(input, defaults);
  if ('problems' in prepared) return prepared;
  const problems: RowProblem[] = [];
  const tasks: AcceptableTask[] = [];
  prepared.rows.forEach((row, number) => {
    const task = prepared.expand(row);
    if ('problems' in task)
      append(
        problems,
        task.problems.map((problem) => ({ row: number, ...problem })),
      );
    else tasks.push(task);
  });
  return problems.length > 0 ? { problems } : { head: prepared.head, tasks };
}

/** What applies to all tasks of a scatter, from a body or from a query. */
export function readHead(from: Source, defaults: TaskDefaults): ScatterHead {
  const mode = modeOf(from, 'cache', cacheModes);
  const merge = modeOf(from, 'merge', mergeModes);
  const tags = readTags(from);
  return {
    name: textOf(from, 'name', { longest: 255 }) ?? '',
    tags,
    taskDefaults: {
      ...defaults,
      cache: mode ?? cacheTag(tags, from.problems) ?? defaults.cache,
      merge: merge ?? mergeTag(tags, from.problems) ?? defaults.merge,
    },
  };
}

function modeOf<T extends string>(from: Source, name: string, modes: readonly T[]): T | undefined {
  const text = textOf(from, name, { emptyIsAbsent: true });
  const mode = modes.find((one) => one === text);
  if (text !== undefined && mode === undefined)
    from.problems.push(problemAt(name, `one of ${modes.join(', ')}`, text));
  return mode;
}

function readRows(body: Source): unknown[] {
  const rows = listOf(body, 'rows');
  const given = rawOf(body, 'rows');
  if (
    given === undefined ||
    (Array.isArray(given) && (rows.length === 0 || rows.length > LARGEST_SCATTER))
  ) {
    body.problems.push(
      problemAt(
        'rows',
        `1 to ${LARGEST_SCATTER} rows`,
        Array.isArray(given) ? rows.length : undefined,
      ),
    );
  }
  return rows;
}

const PLACEHOLDER = /\{\{\s*([A-Za-z_][\w.-]*)\s*\}\}/g;

type Row = Record<string, unknown>;
/**
 * Fills one value of the template from a row. A value without placeholders is returned as it is.
 */
type Fill = (row: Row) => unknown;

interface Found {
  /** How many times each column is used. */
  columns: Map<string, number>;
  /** Characters of all texts. */
  length: number;
}

interface Compiled extends Found {
  fill: Fill;
}

function compile(template: unknown): Compiled {
  const found: Found = { columns: new Map(), length: 0 };
  const fill = compileValue(template, found) ?? (() => template);
  return { fill, ...found };
}

/** Undefined when nothing in the value depends on the row: 10,000 tasks then share it. */
function compileValue(value: unknown, found: Found): Fill | undefined {
  if (typeof value === 'string') return compileText(value, found);
  if (Array.isArray(value)) {
    const fills = value.map((item) => compileValue(item, found));
    return fills.some(Boolean)
      ? (row) => fills.map((fill, index) => (fill ? fill(row) : value[index]))
      : undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const members = Object.entries(value).map(([name, member]) => ({
    name,
    member: member as unknown,
    fill: compileValue(member, found),
  }));
  if (!members.some(({ fill }) => fill)) return undefined;
  return (row) =>
    Object.fromEntries(members.map(({ name, member, fill }) => [name, fill ? fill(row) : member]));
}

function compileText(text: string, found: Found): Fill | undefined {
  found.length += text.length;
  const names = [...text.matchAll(PLACEHOLDER)].map((match) => match[1] ?? '');
  if (names.length === 0) return undefined;
  for (const name of names) found.columns.set(name, (found.columns.get(name) ?? 0) + 1);
  return (row) => text.replaceAll(PLACEHOLDER, (_, name: string) => String(row[name]));
}

function unknownColumns(columns: ReadonlyMap<string, number>, rows: readonly unknown[]): string[] {
  return [...columns.keys()].filter(
    (column) =>
      rows.length > 0 &&
      !rows.some((row) => typeof row === 'object' && row !== null && Object.hasOwn(row, column)),
  );
}

function expandRow(
  compiled: Compiled,
  head: ScatterHead,
  row: unknown,
): AcceptableTask | { problems: Problem[] } {
  const problems: Problem[] = [];
  const source = readObject(row, '', problems);
  if (!source) return { problems };
  for (const column of compiled.columns.keys()) checkValue(source, column);
  const length = compiled.length + filledLength(compiled, row);
  if (length > LONGEST_FILLED_TASK)
    problems.push(
      problemAt(
        '',
        `at most ${LONGEST_FILLED_TASK} characters in all texts of the task, this makes ${length}`,
      ),
    );
  if (problems.length > 0) return { problems };
  return withHead(compiled.fill(source.value) as Row, head);
}

function filledLength(compiled: Compiled, row: unknown): number {
  if (typeof row !== 'object' || row === null) return 0;
  const values = row as Row;
  return [...compiled.columns].reduce(
    (sum, [column, times]) =>
      sum + times * (Object.hasOwn(values, column) ? String(values[column]).length : 0),
    0,
  );
}

function checkValue(row: Source, column: string): void {
  const value = rawOf(row, column);
  if (value === undefined)
    row.problems.push(problemAt(column, 'a value; the template uses this column'));
  else if (!['string', 'number', 'boolean'].includes(typeof value))
    row.problems.push(problemAt(column, 'a text, a number, true or false', value));
  else if (typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value))
    row.problems.push(problemAt(column, EXACT_NUMBER));
}

/** A JSON reader rounds larger ones before the row can be checked. */
const EXACT_NUMBER =
  `an integer from -${Number.MAX_SAFE_INTEGER} to ${Number.MAX_SAFE_INTEGER}; ` +
  'send a larger one as a string, because its last digits are lost in a JSON number';

/** A task of a scatter: the scatter's tags and modes apply unless the task sets its own. */
export function withHead(
  task: unknown,
  head: ScatterHead,
): AcceptableTask | { problems: Problem[] } {
  const parsed = parseTesTask(task, head.taskDefaults);
  if ('problems' in parsed) return parsed;
  const tags = { ...head.tags, ...parsed.task.tags };
  const count = Object.keys(tags).length;
  if (count > MOST_TAGS)
    return {
      problems: [
        problemAt('tags', `at most ${MOST_TAGS} tags together with those of the scatter`, count),
      ],
    };
  return {
    ...parsed,
    task: {
      ...parsed.task,
      name: parsed.task.name || head.name,
      tags,
    },
  };
}
