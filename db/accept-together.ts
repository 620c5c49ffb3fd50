/** Accepts single tasks in two round trips, or in three when their senders gave keys. */
import type { QueryResult, RowDataPacket } from 'mysql2/promise';
import { forgetOldest } from '../core/forget-oldest.ts';
import { NOTE_USE_MS } from '../core/retention.ts';
import type { Template } from '../core/task/template.ts';
import { changeStatement } from './changes.ts';
import { inTrips, type Database } from './client.ts';
import {
  answerStatement,
  claimStatements,
  judgeKeys,
  type KeyClaim,
  type KeyRow,
} from './idempotency.ts';
import {
  idsFrom,
  saveTemplates,
  tagStatements,
  taskRows,
  tasksStatement,
  templateDigest,
  type Origin,
  type PreparedTask,
} from './new-tasks.ts';
import { errorCode, knowOutcome, messageOf } from './unavailable.ts';
import { firstId, verbatim, type Statement, type Trips, type Verbatim } from './trips.ts';
import type { RequestKey } from '../core/access/idempotency.ts';

/**
 * Digests of templates that this process has seen in the database, and when. A template that is gone meanwhile is
 * found by the transaction itself.
 */
export type SeenTemplates = Map<string, number>;

const MOST_SEEN = 10_000;

export interface Singles extends Origin {
  prepared: readonly PreparedTask[];
  keys: readonly RequestKey[];
  /** The tasks of `prepared` that are to be stored, once it is known which keys were answered before. */
  choose(claims: readonly KeyClaim[]): ChosenTask[];
}

/** A task to store, and the key that it answers. */
interface ChosenTask {
  task: PreparedTask;
  key: RequestKey | undefined;
}

/** The ids of the chosen tasks. */
export async function storeSingles(
  database: Database,
  singles: Singles,
  seen: SeenTemplates,
): Promise<number[]> {
  await seeTemplates(database, singles, seen);
  try {
    return await inTrips(database, (trips) => store(trips, singles));
  } catch (error) {
    if (!isTemplateGone(error)) throw error;
    for (const digest of digestsOf(singles).values()) seen.delete(digest.toString('hex'));
    await seeTemplates(database, singles, seen);
    return inTrips(database, (trips) => store(trips, singles));
  }
}

/** The database was restored, or another one took over, and it does not have what was seen. */
const isTemplateGone = (error: unknown): boolean =>
  errorCode(error) === 'ER_BAD_NULL_ERROR' && messageOf(error).includes('template_id');

const digestsOf = ({ prepared, owner }: Singles): Map<Template, Buffer> =>
  new Map(
    [...new Set(prepared.map(({ template }) => template))].map((template) => [
      template,
      templateDigest(template, owner),
    ]),
  );

/** Saves templates that were not seen within the hour, and notes the use of those that were. */
async function seeTemplates(
  database: Database,
  singles: Singles,
  seen: SeenTemplates,
): Promise<void> {
  const { nowMs } = singles;
  const digests = digestsOf(singles);
  const unseen = singles.prepared.filter(({ template }) => {
    const seenMs = seen.get(digests.get(template)?.toString('hex') ?? '');
    return seenMs === undefined || seenMs < nowMs - NOTE_USE_MS;
  });
  if (unseen.length === 0) return;
  await saveTemplates(database, unseen, singles).catch(knowOutcome);
  for (const { template } of unseen) {
    const key = digests.get(template)?.toString('hex') ?? '';
    seen.delete(key);
    seen.set(key, nowMs);
    forgetOldest(seen, MOST_SEEN);
  }
}

async function store(trips: Trips, singles: Singles): Promise<number[]> {
  const claims = await claim(trips, singles);
  const chosen = singles.choose(claims);
  if (chosen.length === 0) {
    await trips.commit([]);
    return [];
  }
  const templates = nameTemplates(singles);
  const results = await trips.commit([
    ...templates.statements,
    ...insertsOf(singles, chosen, templates.ids),
  ]);
  const insert = templates.statements.length;
  return idsFrom(firstId(results, insert), stepOf(results), chosen.length);
}

async function claim(trips: Trips, { owner, keys, nowMs }: Singles): Promise<KeyClaim[]> {
  if (keys.length === 0) return [];
  const [, rows] = await trips.send(claimStatements(owner, keys, nowMs));
  return judgeKeys(keys, rows as (KeyRow & RowDataPacket)[]);
}

/** Variables of the session that hold the ids of templates; null, which no task can have, for one that is gone. */
function nameTemplates(singles: Singles): {
  statements: Statement[];
  ids: Map<Template, Verbatim>;
} {
  const digests = [...digestsOf(singles)];
  return {
    statements: digests.map(([, digest], position) => ({
      sql: `SET @template${position} = (SELECT id FROM templates WHERE digest = ?)`,
      values: [digest],
    })),
    ids: new Map(
      digests.map(([template], position) => [template, verbatim(`@template${position}`)]),
    ),
  };
}

/** Ids that are known only to the server while these statements run. */
const idOf = (position: number): Verbatim =>
  verbatim(position === 0 ? '@first' : `@first + ${position} * @step`);

function insertsOf(
  singles: Singles,
  chosen: readonly ChosenTask[],
  templateIds: ReadonlyMap<Template, Verbatim>,
): Statement[] {
  const prepared = chosen.map(({ task }) => task);
  const ids = prepared.map((_, position) => idOf(position).toSqlString());
  return [
    tasksStatement(taskRows(singles, { prepared, templateIds })),
    { sql: 'SET @first = LAST_INSERT_ID(), @step = @@auto_increment_increment', values: [] },
    ...tagStatements(prepared, idOf),
    ...chosen.flatMap(({ key }, position) =>
      key ? [answerStatement(singles.owner, { key, taskId: idOf(position) })] : [],
    ),
    changeStatement(verbatim(`CONCAT('[', CONCAT_WS(',', ${ids.join(', ')}), ']')`), {
      ended: false,
    }),
    ...(chosen.length > 1 ? [{ sql: 'SELECT @step AS step', values: [] }] : []),
  ];
}

function stepOf(results: readonly QueryResult[]): number {
  const last = results.at(-1);
  const [row] = (Array.isArray(last) ? last : []) as { step?: number }[];
  return Number(row?.step ?? 1);
}
