/**
 * Reads tasks for a caller: finds them by id, and collects what a view shows. This folder: how
 * tasks are read and shown.
 */
import { parseId, publicId } from '../../core/ids.ts';
import type { ProfileName } from '../../core/profiles/profile-names.ts';
import type { CacheMode } from '../../core/task/task.ts';
import { fillTemplate, type Template } from '../../core/task/template.ts';
import type { StateVersion } from '../../core/task/tes-state.ts';
import { readEntryOutputs } from '../../db/call-cache.ts';
import {
  readDetails,
  readStandings,
  type TaskDetail,
  type TaskStanding,
} from '../../db/task-views.ts';
import { readAttempts, type AttemptView } from '../../db/attempt-views.ts';
import { createTemplateCache } from '../../db/templates.ts';
import { coalesceCalls } from '../coalesce-calls.ts';
import type { ApiDependencies } from '../dependencies.ts';
import type { TesTaskFull, TesTaskMinimal, View } from '../schemas/tes.ts';
import { readLogEnd, wholeLogKey, type Stream, type WantedLog } from './logs.ts';
import type { WaitingReader } from './waiting.ts';
import { withWholeResult } from './whole-result.ts';
import { viewMinimal, viewTask, type HitFile, type LogTails, type TaskFacts } from './view.ts';

interface FilledTask {
  template: Template;
  values: string[];
  cache: CacheMode;
  cacheDomain: string;
  profile: ProfileName;
  replicate: number;
}

export interface TaskReader {
  /** Undefined for an unknown id, and for a task of another owner. */
  find(owner: string, id: string): Promise<TaskStanding | undefined>;
  /** In the order given. */
  show(
    standings: readonly TaskStanding[],
    view: View,
    states?: StateVersion,
  ): Promise<(TesTaskFull | TesTaskMinimal)[]>;
  /**
   * The end of a log of the latest attempt, as far as it is known; undefined while there is none.
   */
  readLog(taskId: number, log: WantedLog & { mostBytes: number }): Promise<Buffer | undefined>;
  /** The template of the task and its values. */
  readFilled(taskId: number): Promise<FilledTask | undefined>;
}

/** TES does not specify how much of a log a view shows. */
const TAIL_BYTES = 64 * 1024;
/** Concurrent log reads of one list, so that 2,047 tasks do not open thousands of connections. */
const TAILS_AT_ONCE = 16;
/**
 * A list in FULL view shows the logs of this many tasks; the logs of others need a request each.
 */
const TASKS_WITH_TAILS = 256;
/** Output files that a list shows of a cache hit. */
const OUTPUTS_IN_LISTS = 1000;

type ReaderDependencies = ApiDependencies & { waiting: WaitingReader };

export function createTaskReader(dependencies: ReaderDependencies): TaskReader {
  const { database } = dependencies;
  const templates = createTemplateCache();
  const findStanding = coalesceCalls(
    async (ids: number[]) => {
      const rows = await readStandings(database.pool, ids);
      const byId = new Map(rows.map((row) => [row.id, row]));
      return ids.map((id) => byId.get(id));
    },
    { groupsAtOnce: 4, most: 500 },
  );

  return {
    async find(owner, id) {
      const key = parseId('task', id)?.key;
      const standing = key === undefined ? undefined : await findStanding(key);
      return standing?.owner === owner && publicId('task', standing) === id ? standing : undefined;
    },
    async show(standings, view, states = '1.0') {
      if (view === 'MINIMAL') return standings.map((standing) => viewMinimal(standing, states));
      const facts = await gatherFacts(
        dependencies,
        templates,
        standings.map(({ id }) => id),
      );
      const [only] = facts;
      if (only && facts.length === 1) await addWholeResult(dependencies, only);
      if (view === 'FULL') await addTails(dependencies, facts.slice(0, TASKS_WITH_TAILS));
      const shown = new Map(facts.map((one) => [one.detail.id, viewTask(one, { view, states })]));
      return standings.map((standing) => shown.get(standing.id) ?? viewMinimal(standing, states));
    },
    async readLog(taskId, { mostBytes, ...wanted }) {
      const [latest] = await readAttempts(database.pool, [taskId]);
      return latest && readLogEnd(dependencies.logObjects, latest, wanted, mostBytes);
    },
    async readFilled(taskId) {
      const [detail] = await readDetails(database.pool, [taskId]);
      const row =
        detail && (await templates.read(database.pool, [detail.templateId])).get(detail.templateId);
      return (
        row && {
          template: row.template,
          values: detail.values,
          cache: detail.cache,
          cacheDomain: detail.cacheDomain,
          profile: detail.profile,
          replicate: detail.replicate,
        }
      );
    },
  };
}

type Templates = ReturnType<typeof createTemplateCache>;

/** Reads everything except the logs, in one statement per table. */
async function gatherFacts(
  { database, waiting }: ReaderDependencies,
  templates: Templates,
  ids: readonly number[],
): Promise<TaskFacts[]> {
  const details = await readDetails(database.pool, ids);
  const entryIds = details.flatMap(({ hitEntryId }) => hitEntryId ?? []);
  const [rows, attempts, hitOutputs] = await Promise.all([
    templates.read(
      database.pool,
      details.map(({ templateId }) => templateId),
    ),
    readAttempts(database.pool, ids),
    readEntryOutputs(database, entryIds, ids.length > 1 ? OUTPUTS_IN_LISTS : undefined),
  ]);
  const byTask = Map.groupBy(attempts, ({ taskId }) => taskId);
  const waits = await waiting.read(details, (id) => byTask.get(id)?.[0]);
  return details.flatMap((detail) => {
    const template = rows.get(detail.templateId)?.template;
    if (!template) return [];
    return {
      detail,
      spec: fillTemplate(template, detail.values),
      attempts: byTask.get(detail.id) ?? [],
      hitOutputs: hitFiles(detail, hitOutputs),
      tails: [],
      waiting: waits.get(detail.id),
    };
  });
}

const hitFiles = (detail: TaskDetail, outputs: ReadonlyMap<number, HitFile[]>): HitFile[] =>
  detail.hitEntryId === undefined ? [] : (outputs.get(detail.hitEntryId) ?? []);

/** A list would read a record of 20 MB for each of its tasks. */
async function addWholeResult(dependencies: ApiDependencies, facts: TaskFacts): Promise<void> {
  const [latest, ...earlier] = facts.attempts;
  if (latest) facts.attempts = [await withWholeResult(dependencies, latest), ...earlier];
}

async function addTails(dependencies: ApiDependencies, facts: TaskFacts[]): Promise<void> {
  const pending = facts.values();
  const work = async (): Promise<void> => {
    for (const one of pending) one.tails = await readTails(dependencies, one);
  };
  await Promise.all(Array.from({ length: Math.min(TAILS_AT_ONCE, facts.length) }, work));
}

async function readTails(
  dependencies: ApiDependencies,
  { attempts, spec }: TaskFacts,
): Promise<LogTails[]> {
  const [latest] = attempts;
  if (latest?.batchAttempt === undefined) return [];
  const started = latest.result?.executors.length ?? spec.executors.length;
  const tails = Array.from({ length: started }, async (_, executor): Promise<LogTails> => {
    const [stdout, stderr] = await Promise.all([
      readTail(dependencies, latest, executor, 'stdout'),
      readTail(dependencies, latest, executor, 'stderr'),
    ]);
    return { ...(stdout !== undefined && { stdout }), ...(stderr !== undefined && { stderr }) };
  });
  return Promise.all(tails);
}

async function readTail(
  dependencies: ApiDependencies,
  attempt: AttemptView,
  executor: number,
  stream: Stream,
): Promise<string | undefined> {
  if (attempt.batchAttempt === undefined) return undefined;
  const key = wholeLogKey(attempt, attempt.batchAttempt, { executor, stream });
  try {
    return (await dependencies.logObjects.readTail(key, TAIL_BYTES))?.toString('utf8');
  } catch (error) {
    dependencies.log.warn({ event: 'log-unreadable', key, error: String(error) }, 'log-unreadable');
    return undefined;
  }
}
