/**
 * Reads a scatter from a request, row by row or line by line, and lets other requests run in
 * between.
 */
import type { Readable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { AcceptableTask } from '../../core/task/parse-task.ts';
import { problemAt, type Problem } from '../../core/problems.ts';
import {
  LARGEST_SCATTER,
  LISTED_PROBLEMS,
  LONGEST_FILLED_SCATTER,
  countTexts,
  MOST_SCATTER_TAGS,
  MOST_SCATTER_TEXTS,
  prepareScatter,
  readHead,
  withHead,
  type ScatterHead,
} from '../../core/scatter/scatter.ts';
import { isTooDeep } from '../../core/task/depth.ts';
import type { TaskDefaults } from '../../core/task/parse-task.ts';
import type { NewTask } from '../../core/task/task.ts';
import { tooDeep } from '../http/deep-json.ts';
import type { ListedProblem } from '../http/errors.ts';
import { readLines } from '../http/ndjson.ts';

export type ScatterBody =
  | { head: ScatterHead; tasks: NewTask[] }
  | { problems: ListedProblem[]; count: number };

/** Rows that are read before other requests run; a row takes 20 to 50 µs. */
const ROWS_PER_TURN = 200;

const LINE_LIMITS = { lineBytes: 4 * 1024 ** 2, totalBytes: 256 * 1024 ** 2 };

/** Collects the tasks until the first problem, and from then on only problems. */
function collector() {
  let tasks: NewTask[] = [];
  const problems: ListedProblem[] = [];
  let count = 0;
  let tags = 0;
  let texts = 0;
  return {
    add(
      read: AcceptableTask | { problems: Problem[] },
      place: Pick<ListedProblem, 'row' | 'line'>,
    ): void {
      if (!('problems' in read)) {
        tags += Object.keys(read.task.tags).length;
        texts += countTexts(read.task.spec);
        if (tags > MOST_SCATTER_TAGS) {
          // Said once.
          tags = Number.NEGATIVE_INFINITY;
          this.add({ problems: [tooMany('tags', MOST_SCATTER_TAGS, 'tags')] }, place);
        } else if (texts > MOST_SCATTER_TEXTS) {
          texts = Number.NEGATIVE_INFINITY;
          this.add({ problems: [tooMany('', MOST_SCATTER_TEXTS, 'texts')] }, place);
        } else if (count === 0) tasks.push({ ...read.task, warnings: read.warnings });
        return;
      }
      tasks = [];
      count += read.problems.length;
      for (const problem of read.problems)
        if (problems.length < LISTED_PROBLEMS) problems.push({ ...place, ...problem });
    },
    result: (head: ScatterHead): ScatterBody => (count > 0 ? { problems, count } : { head, tasks }),
  };
}

/** A template and rows. */
export async function readTemplateScatter(
  body: unknown,
  defaults: TaskDefaults,
): Promise<ScatterBody> {
  const prepared = prepareScatter(body, defaults);
  if ('problems' in prepared)
    return { problems: prepared.problems, count: prepared.problems.length };
  const collected = collector();
  let filled = 0;
  for (const [row, values] of prepared.rows.entries()) {
    filled += prepared.filledLength(values);
    if (filled > LONGEST_FILLED_SCATTER) return tooLong(row);
    collected.add(prepared.expand(values), { row });
    if (row % ROWS_PER_TURN === ROWS_PER_TURN - 1) await nextTurn();
  }
  return collected.result(prepared.head);
}

function tooLong(row: number): ScatterBody {
  const expected =
    `at most ${LONGEST_FILLED_SCATTER} characters filled in by all rows together. ` +
    `Row ${row} exceeds this limit: send the rows from there as another scatter`;
  return { problems: [problemAt('rows', expected)], count: 1 };
}

export interface LineScatterQuery {
  name?: string | undefined;
  cache?: string | undefined;
  merge?: string | undefined;
  /** Each in the form key:value. */
  tag?: readonly string[] | undefined;
}

/** One TES task per line. */
export async function readLineScatter(
  body: Readable,
  query: LineScatterQuery,
  defaults: TaskDefaults,
): Promise<ScatterBody> {
  const queryProblems: Problem[] = [];
  const tags = Object.fromEntries((query.tag ?? []).map((tag) => splitTag(tag)));
  const head = readHead({ value: { ...query, tags }, path: '', problems: queryProblems }, defaults);
  const collected = collector();
  if (queryProblems.length > 0) collected.add({ problems: queryProblems }, {});
  let lines = 0;
  for await (const { number, text } of readLines(body, LINE_LIMITS)) {
    lines += 1;
    if (lines > LARGEST_SCATTER) continue;
    collected.add(readLine(text, head), { line: number });
    if (lines % ROWS_PER_TURN === 0) await nextTurn();
  }
  if (lines === 0 || lines > LARGEST_SCATTER)
    collected.add(
      { problems: [problemAt('', `1 to ${LARGEST_SCATTER} lines with one task each`, lines)] },
      {},
    );
  return collected.result(head);
}

const tooMany = (field: string, most: number, what: string): Problem =>
  problemAt(
    field,
    `at most ${most} ${what} of all tasks together; send the tasks from here as another scatter`,
  );

function splitTag(tag: string): [key: string, value: string] {
  const colon = tag.indexOf(':');
  return colon === -1 ? [tag, ''] : [tag.slice(0, colon), tag.slice(colon + 1)];
}

function readLine(text: string, head: ScatterHead): AcceptableTask | { problems: Problem[] } {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return {
      problems: [problemAt('', `one JSON object on the line (${(error as Error).message})`)],
    };
  }
  return isTooDeep(value) ? { problems: [tooDeep()] } : withHead(value, head);
}
