/** cache-check: what do the inputs hold, was this call made before, is it being made right now? */
import { identityKey, resolveIdentities } from '../../aws/identities.ts';
import { decideCache, type CacheDecision } from '../../core/cache-decision.ts';
import { fingerprintComponents, fingerprintOf, type Components } from '../../core/fingerprint.ts';
import { readsCache, writesCache, type TaskSpec } from '../../core/task.ts';
import { fillTemplate } from '../../core/template.ts';
import { boardFlights, findEntries, landFlights, lookupKey, saveComponents, type Flight } from '../../db/call-cache.ts';
import { moveTasks, moveTasksEach, noteFingerprints, readTasksAt, type TaskRow } from '../../db/tasks.ts';
import { taskNudges, type Messages, type Nudge } from '../../queues/messages.ts';
import { countMoves } from '../../telemetry/metrics.ts';
import type { Fleet, StageOutcome } from '../fleet.ts';

interface CheckedTask {
  row: TaskRow;
  hasOutputs: boolean;
  /** Absent when an input is not there, or caching is off. */
  fingerprint?: Buffer;
  components?: Components;
  inputsModifiedMs?: number;
}

/** Tokens of one domain share their hits; for now a domain is an owner. */
export const cacheDomain = (row: { owner: string }): string => row.owner;

export async function cacheCheck(fleet: Fleet, { tasks: ids }: Messages['cache-check']): Promise<StageOutcome> {
  const { pool } = fleet.database;
  const rows = await readTasksAt(pool, 'cache-check', ids);
  const checked = await checkTasks(fleet, rows);
  const readers = checked.flatMap(({ row, fingerprint, inputsModifiedMs = 0 }) => (fingerprint && readsCache(row.cache) ? [{ row, fingerprint, inputsModifiedMs }] : []));
  const flights = readers.map(({ row, fingerprint }): Flight => ({ taskId: row.id, domain: cacheDomain(row), fingerprint, writes: writesCache(row.cache) }));

  // In this order nothing is missed: once the fingerprint is noted, a leader that ends from now on finds this task;
  // one that ended before has its entry in place, because entries are looked up last.
  await noteFingerprints(pool, readers.map(({ row: { id }, fingerprint, inputsModifiedMs }) => ({ id, fingerprint: fingerprint.toString('hex'), inputsModifiedMs })));
  const leaders = await boardFlights(pool, flights, fleet.nowMs());
  const entries = await findEntries(fleet.database, flights);

  const decided = checked.map((one) => ({ one, decision: decide(one, entries, leaders) }));
  for (const { decision } of decided) fleet.metrics.cacheLookups.inc({ result: decision.do === 'miss' ? decision.because : decision.do });
  return { do: 'done', next: await moveDecided(fleet, decided) };
}

async function checkTasks(fleet: Fleet, rows: readonly TaskRow[]): Promise<CheckedTask[]> {
  const templates = await fleet.templates.read(fleet.database.pool, rows.map(({ templateId }) => templateId));
  const specs = new Map<TaskRow, TaskSpec>();
  const unfingerprinted: CheckedTask[] = [];
  for (const row of rows) {
    const template = templates.get(row.templateId)?.template;
    const hasOutputs = (template?.outputs.length ?? 0) > 0;
    if (template && hasOutputs && row.cache !== 'off') specs.set(row, fillTemplate(template, row.values));
    else unfingerprinted.push({ row, hasOutputs });
  }
  const identities = await resolveIdentities(fleet.objects, [...specs.values()].flatMap(({ inputs }) => inputs));
  const fingerprinted = [...specs].map(([row, spec]): CheckedTask => {
    const known = spec.inputs.flatMap((input) => identities.get(identityKey(input)) ?? []);
    const all = known.flatMap(({ identity }) => identity ?? []);
    if (all.length < spec.inputs.length) return { row, hasOutputs: true };
    const components = fingerprintComponents(spec, all);
    return { row, hasOutputs: true, components, fingerprint: fingerprintOf(components), inputsModifiedMs: Math.max(0, ...known.map(({ modifiedMs }) => modifiedMs)) };
  });
  return [...unfingerprinted, ...fingerprinted];
}

function decide({ row, hasOutputs, fingerprint }: CheckedTask, entries: Map<string, number>, leaders: Map<string, number>): CacheDecision {
  const key = fingerprint && lookupKey({ domain: cacheDomain(row), fingerprint });
  const entryId = key === undefined ? undefined : entries.get(key);
  const leaderId = key === undefined ? undefined : leaders.get(key);
  return decideCache({
    taskId: row.id, mode: row.cache, hasOutputs, hasFingerprint: fingerprint !== undefined,
    ...(entryId === undefined ? {} : { entryId }), ...(leaderId === undefined ? {} : { leaderId }),
  });
}

interface DecidedTask {
  one: CheckedTask;
  decision: CacheDecision;
}

async function moveDecided(fleet: Fleet, decided: readonly DecidedTask[]): Promise<Nudge[]> {
  const { pool } = fleet.database;
  const { chunkSize, stallMs } = fleet.config;
  const nowMs = fleet.nowMs();
  const details = { nowMs, dueMs: nowMs + stallMs };

  const hits = decided.flatMap(({ one: { row }, decision }) => (decision.do === 'hit' ? [{ id: row.id, set: { hitEntryId: decision.entryId } }] : []));
  const misses = decided.flatMap(({ one, decision }) => (decision.do === 'miss' ? [one] : []));
  await saveComponents(pool, misses.flatMap(({ fingerprint, components }) => (fingerprint && components ? [{ fingerprint, components }] : [])));
  // Tasks that read the cache had their fingerprint noted before; those that only write it get it now.
  const fresh = misses.flatMap(({ row, fingerprint, inputsModifiedMs = 0 }) => (fingerprint && !readsCache(row.cache) ? [{ id: row.id, set: { fingerprint: fingerprint.toString('hex'), inputsModifiedMs } }] : []));
  const rest = misses.flatMap(({ row, fingerprint }) => (fingerprint && !readsCache(row.cache) ? [] : [row.id]));

  const moved = {
    hit: await moveTasksEach(pool, 'hit', hits, details),
    miss: (await moveTasksEach(pool, 'miss', fresh, details)) + (await moveTasks(pool, 'miss', rest, details)),
  };
  countMoves(fleet.metrics, 'cache-check', moved);

  const landed = await landFlights(pool, hits.map(({ id }) => id));
  return [
    ...taskNudges('finalize', hits.map(({ id }) => id), chunkSize),
    ...taskNudges('stage-script', misses.map(({ row }) => row.id), chunkSize),
    ...taskNudges('cache-check', landed, chunkSize),
  ];
}
