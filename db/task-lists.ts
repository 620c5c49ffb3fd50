/** Lists of tasks, by the filters of TES. */
import { append } from '../core/append.ts';
import { isEnd, type EndPlace } from '../core/places.ts';
import type { StandingFilter } from '../core/task/tes-state.ts';
import type { Session } from './client.ts';
import { select } from './rows.ts';
import {
  STANDING,
  STANDING_JOINS,
  toStanding,
  type StandingRow,
  type TaskStanding,
} from './task-views.ts';

export interface TaskFilter {
  owner: string;
  namePrefix?: string | undefined;
  standing?: StandingFilter | undefined;
  /** A task must have all of them. An empty value matches any. */
  tags: readonly { key: string; value: string }[];
  scatterId?: number | undefined;
  /** Only tasks older than this one. */
  beforeId?: number | undefined;
  limit: number;
}

/**
 * Newest first. With a tag of given key and value, the index of the tag is read from its end. The join
 * keeps that order, since the optimizer would otherwise read all tasks when few of them have the tag.
 * Without a tag, an index of the owner is forced: MariaDB would look up the owner alone and read all
 * newer tasks before a page (0.5 s at 1,000,000 tasks, against 0.6 ms).
 */
export async function listStandings(session: Session, filter: TaskFilter): Promise<TaskStanding[]> {
  const named = filter.namePrefix
    ? await findNamed(session, filter.owner, filter.namePrefix)
    : undefined;
  if (named?.length === 0) return [];
  const { from, order, conditions, values } = whereOf(filter, named);
  const rows = await select<StandingRow>(
    session,
    `SELECT ${STANDING} FROM ${from} ${STANDING_JOINS}
      WHERE ${conditions.join(' AND ')} ORDER BY ${order} DESC LIMIT ?`,
    [...values, filter.limit],
  );
  return rows.map(toStanding);
}

/**
 * Reading this many from the index of names takes about 10 ms. With more, reading the tasks in
 * order soon finds a page.
 */
const MOST_NAMED = 20_000;

/** Tasks whose names begin with the prefix. Undefined when there are too many. */
async function findNamed(
  session: Session,
  owner: string,
  prefix: string,
): Promise<number[] | undefined> {
  const rows = await select<{ id: number }>(
    session,
    'SELECT id FROM tasks FORCE INDEX (tasks_name) WHERE owner = ? AND name LIKE ? LIMIT ?',
    [owner, likePrefix(prefix), MOST_NAMED + 1],
  );
  return rows.length > MOST_NAMED ? undefined : rows.map((row) => row.id);
}

const likePrefix = (prefix: string): string => `${prefix.replaceAll(/[\\%_]/g, String.raw`\$&`)}%`;

interface Where {
  conditions: string[];
  values: unknown[];
}

const requireThat = (
  { conditions, values }: Where,
  condition: string,
  given: readonly unknown[] = [],
): void => {
  conditions.push(condition);
  append(values, given);
};

/** @param named the tasks that match the name; when undefined, the name is compared row by row */
function whereOf(
  filter: TaskFilter,
  named: readonly number[] | undefined,
): Where & { from: string; order: string } {
  const where: Where = { conditions: ['t.owner = ?'], values: [filter.owner] };
  const tagTables = requireTags(where, filter.tags);
  const order = tagTables.length > 0 ? 'g0.task_id' : 't.id';
  if (filter.beforeId !== undefined) requireThat(where, `${order} < ?`, [filter.beforeId]);
  if (filter.scatterId !== undefined) requireThat(where, 't.scatter_id = ?', [filter.scatterId]);
  if (named) requireThat(where, 't.id IN (?)', [named]);
  else if (filter.namePrefix) requireThat(where, 't.name LIKE ?', [likePrefix(filter.namePrefix)]);
  const index =
    filter.standing === undefined ? 'tasks_owner' : requireStanding(where, filter.standing);
  const walks = tagTables.length === 0 && named === undefined;
  // Of 10,000 tasks at most, and in order; MariaDB would rather walk all tasks of the owner.
  const walked = filter.scatterId === undefined ? index : 'tasks_scatter';
  return {
    ...where,
    order,
    from: [...tagTables, walks ? `tasks t FORCE INDEX (${walked})` : 'tasks t'].join(
      ' STRAIGHT_JOIN ',
    ),
  };
}

/** Returns the tables to join, the first one ordered by task. */
function requireTags(where: Where, tags: TaskFilter['tags']): string[] {
  const exactFirst = tags.toSorted(
    (one, other) => Number(other.value !== '') - Number(one.value !== ''),
  );
  return exactFirst.map(({ key, value }, index) => {
    requireThat(
      where,
      `g${index}.tag_key = ? AND g${index}.task_id = ${index === 0 ? 't.id' : 'g0.task_id'}`,
      [key],
    );
    if (value !== '') requireThat(where, `g${index}.tag_value = ?`, [value]);
    // MySQL would read the whole tag, join it to the submissions by a hash and sort it.
    return `task_tags g${index} FORCE INDEX (PRIMARY)`;
  });
}

/**
 * The end that all such tasks have in common: null when none has ended, undefined when they differ.
 */
function endsOf({ places, pollRunning, failures }: StandingFilter): EndPlace | null | undefined {
  const ends = [...places.filter(isEnd), ...(failures ? ['failed' as const] : [])];
  const anyActive = pollRunning !== undefined || places.some((place) => !isEnd(place));
  if (ends.length === 0) return anyActive ? null : undefined;
  return ends.length === 1 && !anyActive ? ends[0] : undefined;
}

/** Returns the index that finds such tasks. */
function requireStanding(where: Where, standing: StandingFilter): 'tasks_owner' | 'tasks_ended' {
  const either: string[] = [];
  const values: unknown[] = [];
  if (standing.places.length > 0) {
    either.push('t.place IN (?)');
    values.push(standing.places);
  }
  if (standing.pollRunning !== undefined)
    either.push(
      `(t.place = 'poll' AND a.started_ms IS ${standing.pollRunning ? 'NOT NULL' : 'NULL'})`,
    );
  if (standing.failures) {
    either.push(
      `(t.place = 'failed' AND t.failure_code ${standing.failures.among ? 'IN' : 'NOT IN'} (?))`,
    );
    values.push(standing.failures.codes);
  }
  requireThat(where, either.length > 0 ? `(${either.join(' OR ')})` : 'FALSE', values);
  const endedAs = endsOf(standing);
  if (endedAs === undefined) return 'tasks_owner';
  // MariaDB does not find `<=> NULL` in the index.
  if (endedAs === null) requireThat(where, 't.ended_as IS NULL');
  else requireThat(where, 't.ended_as = ?', [endedAs]);
  return 'tasks_ended';
}
