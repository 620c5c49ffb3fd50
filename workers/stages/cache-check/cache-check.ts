/** cache-check: identifies the inputs, and finds an equal task that has run or is running. */
import { dueAfter } from '../../../core/stall.ts';
import { resolveComponents } from '../../../aws/fingerprints.ts';
import { decideCache, type CacheDecision } from '../../../core/cache/decide-hit.ts';
import { fingerprintOf, type Components } from '../../../core/cache/fingerprint.ts';
import { readsCache, writesCache, type TaskSpec } from '../../../core/task/task.ts';
import { fillTemplate } from '../../../core/task/template.ts';
import {
  boardFlights,
  findEntries,
  landFlights,
  lookupKey,
  saveComponents,
  type Flight,
} from '../../../db/call-cache.ts';
import {
  moveTasks,
  moveTasksEach,
  noteWaiting,
  readTasksAt,
  type TaskRow,
} from '../../../db/tasks.ts';
import { taskNudges, type Messages, type Nudge } from '../../../queues/messages.ts';
import { countMoves } from '../../../telemetry/metrics.ts';
import type { Runtime, StageOutcome } from '../../runtime.ts';

interface CheckedTask {
  row: TaskRow;
  hasOutputs: boolean;
  /** Absent when an input does not exist, or caching is off. */
  fingerprint?: Buffer;
  components?: Components;
  inputsModifiedMs?: number;
}

export async function cacheCheck(
  runtime: Runtime,
  { tasks: ids }: Messages['cache-check'],
): Promise<StageOutcome> {
  const rows = await readTasksAt(runtime.database.pool, 'cache-check', ids);
  const checked = await checkTasks(runtime, rows);
  const decided = await decideAll(runtime, checked);
  for (const { decision } of decided)
    runtime.metrics.cacheLookups.inc({
      result: decision.do === 'miss' ? decision.because : decision.do,
    });
  return { do: 'done', next: await moveDecided(runtime, decided) };
}

/**
 * A leader that ends finds the tasks that wait for it by its id, so a task notes its leader and
 * then looks once more. A leader that ends after the note finds the task. One that ended before it
 * has left its flight, with its entry in place, and there may be another leader by now.
 */
async function decideAll(
  runtime: Runtime,
  checked: readonly CheckedTask[],
): Promise<DecidedTask[]> {
  const decided: DecidedTask[] = [];
  const noted = new Map<number, number>();
  for (let open = checked; ;) {
    const waiting: { id: number; leaderId: number; one: CheckedTask }[] = [];
    for (const looked of await lookUp(runtime, open)) {
      const { one, decision } = looked;
      if (decision.do === 'wait' && noted.get(one.row.id) !== decision.leaderId)
        waiting.push({ id: one.row.id, leaderId: decision.leaderId, one });
      else decided.push(looked);
    }
    if (waiting.length === 0) return decided;
    await noteWaiting(runtime.database.pool, waiting);
    for (const { id, leaderId } of waiting) noted.set(id, leaderId);
    open = waiting.map(({ one }) => one);
  }
}

/**
 * Entries first: a hit needs no flight. A task without an entry asks for its flight, and then for
 * entries once more: a leader writes its entry before it leaves its flight, and both may have
 * happened in between.
 */
async function lookUp(runtime: Runtime, checked: readonly CheckedTask[]): Promise<DecidedTask[]> {
  const { pool } = runtime.database;
  const wanted = checked.flatMap(({ row, fingerprint }): Flight[] =>
    fingerprint && readsCache(row.cache)
      ? [{ taskId: row.id, domain: row.cacheDomain, fingerprint, writes: writesCache(row.cache) }]
      : [],
  );
  const entries = await findEntries(pool, wanted);
  const flights = wanted.filter((one) => !entries.has(lookupKey(one)));
  const leaders = await boardFlights(pool, flights, runtime.nowMs());
  for (const [key, entryId] of await findEntries(pool, flights)) entries.set(key, entryId);
  return checked.map((one) => ({ one, decision: decide(one, entries, leaders) }));
}

async function checkTasks(runtime: Runtime, rows: readonly TaskRow[]): Promise<CheckedTask[]> {
  const templates = await runtime.templates.read(
    runtime.database.pool,
    rows.map(({ templateId }) => templateId),
  );
  const specs = new Map<TaskRow, TaskSpec>();
  const unfingerprinted: CheckedTask[] = [];
  for (const row of rows) {
    const template = templates.get(row.templateId)?.template;
    const hasOutputs = (template?.outputs.length ?? 0) > 0;
    if (template && hasOutputs && row.cache !== 'off')
      specs.set(row, fillTemplate(template, row.values));
    else unfingerprinted.push({ row, hasOutputs });
  }
  const cached = [...specs.keys()];
  const described = await resolveComponents(
    runtime.objects,
    [...specs].map(([{ profile }, spec]) => ({ spec, profile })),
  );
  const fingerprinted = cached.map((row, position): CheckedTask => {
    const { components, inputsModifiedMs = 0 } = described[position] ?? {};
    return components
      ? {
          row,
          hasOutputs: true,
          components,
          fingerprint: fingerprintOf(components),
          inputsModifiedMs,
        }
      : { row, hasOutputs: true };
  });
  return [...unfingerprinted, ...fingerprinted];
}

function decide(
  { row, hasOutputs, fingerprint }: CheckedTask,
  entries: Map<string, number>,
  leaders: Map<string, number>,
): CacheDecision {
  const key = fingerprint && lookupKey({ domain: row.cacheDomain, fingerprint });
  const entryId = key === undefined ? undefined : entries.get(key);
  const leaderId = key === undefined ? undefined : leaders.get(key);
  return decideCache({
    taskId: row.id,
    mode: row.cache,
    hasOutputs,
    hasFingerprint: fingerprint !== undefined,
    ...(entryId === undefined ? {} : { entryId }),
    ...(leaderId === undefined ? {} : { leaderId }),
  });
}

interface DecidedTask {
  one: CheckedTask;
  decision: CacheDecision;
}

const madeOf = ({ fingerprint, inputsModifiedMs = 0 }: CheckedTask) => ({
  fingerprint: fingerprint?.toString('hex') ?? null,
  inputsModifiedMs,
  waitsFor: null,
});

async function moveDecided(runtime: Runtime, decided: readonly DecidedTask[]): Promise<Nudge[]> {
  const { pool } = runtime.database;
  const { chunkSize, stallMs } = runtime.config;
  const nowMs = runtime.nowMs();
  const details = { nowMs, dueMs: dueAfter(nowMs, stallMs) };

  const hits = decided.flatMap(({ one, decision }) =>
    decision.do === 'hit'
      ? [{ id: one.row.id, set: { hitEntryId: decision.entryId, ...madeOf(one) } }]
      : [],
  );
  const misses = decided.flatMap(({ one, decision }) => (decision.do === 'miss' ? [one] : []));
  await saveComponents(
    pool,
    misses.flatMap(({ fingerprint, components }) =>
      fingerprint && components ? [{ fingerprint, components }] : [],
    ),
  );
  const known = misses.flatMap((one) =>
    one.fingerprint ? [{ id: one.row.id, set: madeOf(one) }] : [],
  );
  const unknown = misses.flatMap(({ row, fingerprint }) => (fingerprint ? [] : [row.id]));

  const moved = {
    hit: await moveTasksEach(pool, 'hit', hits, details),
    miss:
      (await moveTasksEach(pool, 'miss', known, details)) +
      (await moveTasks(pool, 'miss', unknown, details)),
  };
  countMoves(runtime.metrics, 'cache-check', moved);

  const landed = await landFlights(
    pool,
    hits.map(({ id }) => id),
  );
  return [
    ...taskNudges(
      'finalize',
      hits.map(({ id }) => id),
      chunkSize,
    ),
    ...taskNudges(
      'stage-script',
      misses.map(({ row }) => row.id),
      chunkSize,
    ),
    ...taskNudges('cache-check', landed, chunkSize),
  ];
}
