/** cache-check: identifies the inputs, and finds an equal task that has run or is running. */
import { dueAfter } from '../../../core/stall.ts';
import { resolveComponents, type TaskToFingerprint } from '../../../aws/fingerprints.ts';
import { strengthen } from '../../../aws/identities.ts';
import { sharingDomain } from '../../../core/cache/sharing.ts';
import { cacheSetting } from '../../../core/cache/setting.ts';
import { allowedMode } from '../../../core/cache/policy.ts';
import { decideCache, type CacheDecision } from '../../../core/cache/decide-hit.ts';
import type { WhyRow } from '../../../core/cache/why.ts';
import { isStrong } from '../../../core/cache/identity.ts';
import { baseOf, fingerprintOf } from '../../../core/cache/fingerprint.ts';
import { readsCache, type InputOf } from '../../../core/task/task.ts';
import { fillTemplate } from '../../../core/task/template.ts';
import { saveFingerprints, type FingerprintRow } from '../../../db/cache-fingerprints.ts';
import { boardFlights, landFlights } from '../../../db/cache-flights.ts';
import { findListed } from '../../../db/cache-lookups.ts';
import { lookupKey } from '../../../db/call-cache.ts';
import { moveTasksEach, noteWaiting, readTasksAt } from '../../../db/tasks.ts';
import { taskNudges, type Messages, type Nudge } from '../../../queues/messages.ts';
import { countMoves } from '../../../telemetry/metrics.ts';
import type { Runtime, StageOutcome } from '../../runtime.ts';
import type { CheckedTask, SwitchedRow } from './checked-task.ts';
import { findAllowed, isEmpty, wantedEntry, type AllowedEntry } from './allowed-entries.ts';
import { seeImages } from './images.ts';
import { boards, failWithLeaders, meetLeaders } from './leaders.ts';
import { madeOf, moveMisses } from './move-misses.ts';
import { whyRow } from './why-row.ts';

/** Until tasks are checked again whose registry has not answered yet. */
const IMAGE_PENDING_MS = 500;

export async function cacheCheck(
  runtime: Runtime,
  { tasks: ids }: Messages['cache-check'],
): Promise<StageOutcome> {
  const asked = await readTasksAt(runtime.database.pool, 'cache-check', ids);
  const rows = asked.map((row): SwitchedRow => {
    const cache = allowedMode(row, runtime.config);
    return { ...row, cache, readOff: readsCache(row.cache) && !readsCache(cache) };
  });
  const { checked: seen, isPending } = await checkTasks(runtime, rows);
  const checked = await meetLeaders(runtime, seen);
  const decided = await decideAll(runtime, checked);
  for (const { decision } of decided)
    runtime.metrics.cacheLookups.inc({
      result: decision.do === 'miss' ? decision.because : decision.do,
    });
  const next = await moveDecided(runtime, decided);
  const handled = rows.length;
  return isPending
    ? { do: 'wait', waitMs: IMAGE_PENDING_MS, next, handled }
    : { do: 'done', next, handled };
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
  const wanted = checked.flatMap((one) => wantedEntry(one, runtime.config));
  const boarding = new Set(checked.filter(boards).map(({ row }) => row.id));
  const entries = new Map(
    checked.flatMap(({ row, looked }) => (looked ? [[row.id, looked] as const] : [])),
  );
  // Without an entry a moment ago, it is looked up again as soon as it has its flight.
  const asked = wanted.filter(({ taskId }) => {
    const looked = entries.get(taskId);
    return looked === undefined || (looked.entry === undefined && !boarding.has(taskId));
  });
  for (const [taskId, found] of await findAllowed(runtime, asked)) entries.set(taskId, found);
  // A hit that came back must not meet the same entry again: it computes, or waits for who does.
  const avoided = new Map(checked.map(({ row }) => [row.id, row.avoidEntryId]));
  const flights = wanted.filter(({ taskId }) => {
    if (!boarding.has(taskId)) return false;
    const entryId = entries.get(taskId)?.entry?.id;
    return entryId === undefined || entryId === avoided.get(taskId);
  });
  const leaders = await boardFlights(runtime.database.pool, flights, runtime.nowMs());
  for (const [taskId, found] of await findAllowed(runtime, flights)) entries.set(taskId, found);
  return checked.map((one) => decideOne(one, entries, leaders));
}

async function checkTasks(
  runtime: Runtime,
  rows: readonly SwitchedRow[],
): Promise<{ checked: CheckedTask[]; isPending: boolean }> {
  const templates = await runtime.templates.read(
    runtime.database.pool,
    rows.map(({ templateId }) => templateId),
  );
  const calls = new Map<SwitchedRow, TaskToFingerprint>();
  const unfingerprinted: CheckedTask[] = [];
  for (const row of rows) {
    const template = templates.get(row.templateId)?.template;
    const hasOutputs = (template?.outputs.length ?? 0) > 0;
    if (template && hasOutputs && row.cache !== 'off') {
      const spec = fillTemplate(template, row.values);
      const setting = cacheSetting(spec, runtime.config, row);
      calls.set(row, { spec, profile: row.profile, setting });
    } else unfingerprinted.push({ row, domain: row.cacheDomain, hasOutputs });
  }
  const { known, isPending } = await seeImages(runtime, calls);
  const fingerprinted = await fingerprintCalls(runtime, known);
  const checked = [...unfingerprinted, ...(await proveByHead(runtime, fingerprinted))];
  return { checked, isPending };
}

async function fingerprintCalls(
  runtime: Runtime,
  calls: ReadonlyMap<SwitchedRow, TaskToFingerprint>,
): Promise<CheckedTask[]> {
  const described = await resolveComponents(runtime.identities, [...calls.values()]);
  return [...calls].map(([row, call], position): CheckedTask => {
    const one = described[position];
    const facts = { row, domain: row.cacheDomain, hasOutputs: true, call };
    if (!one?.components) return { ...facts, ...(one && { described: one }) };
    const domain = sharingDomain(row, one.components, runtime.config.cacheSharing);
    return { ...facts, domain, described: one, fingerprint: fingerprintOf(one.components) };
  });
}

/**
 * An entry is found by the strongest identities of its inputs. Where an input is known by its ETag only, a usable entry
 * may still be of the same bytes: if one has the same fingerprint by listings alone, S3 is asked for the inputs'
 * checksums, and the fingerprint is made again from them.
 */
async function proveByHead(
  runtime: Runtime,
  checked: readonly CheckedTask[],
): Promise<CheckedTask[]> {
  const asked = checked.filter(
    ({ row, described }) => described?.isWeak === true && readsCache(row.cache),
  );
  // What an entry has under the very same fingerprint needs no proof by stronger identities.
  const direct = await findAllowed(
    runtime,
    asked.flatMap((one) => wantedEntry({ ...one, described: undefined }, runtime.config)),
  );
  const weak = asked.filter(({ row }) => isEmpty(direct.get(row.id) ?? {}));
  const lookups = weak.flatMap(({ domain, described }) =>
    described?.listed ? [{ domain, fingerprint: fingerprintOf(described.listed) }] : [],
  );
  const listed = await findListed(runtime.database.pool, lookups);
  const hopeful = weak.filter((_, position) => {
    const lookup = lookups[position];
    return lookup !== undefined && listed.has(lookupKey(lookup));
  });
  const noted = checked.map((one): CheckedTask => {
    const looked = direct.get(one.row.id);
    return looked ? { ...one, looked } : one;
  });
  if (hopeful.length === 0) return noted;
  await strengthen(runtime.identities, hopeful.flatMap(weakInputs));
  const again = await fingerprintCalls(
    runtime,
    new Map(hopeful.flatMap(({ row, call }) => (call ? [[row, call] as const] : []))),
  );
  const proven = new Map(again.map((one) => [one.row, one]));
  return noted.map((one) => proven.get(one.row) ?? one);
}

const weakInputs = ({ call, described }: CheckedTask): InputOf<string>[] =>
  (call?.spec.inputs ?? []).filter((_, position) => {
    const identity = described?.inputs[position]?.identity;
    return identity !== undefined && !isStrong(identity);
  });

function decideOne(
  one: CheckedTask,
  entries: ReadonlyMap<number, AllowedEntry>,
  leaders: ReadonlyMap<string, number>,
): DecidedTask {
  const { row, domain, hasOutputs, fingerprint, described, after } = one;
  const key = fingerprint && lookupKey({ domain, fingerprint });
  const { entry, refusal } = entries.get(row.id) ?? {};
  const entryId = entry?.id === row.avoidEntryId ? undefined : entry?.id;
  const leaderId = key !== undefined && boards(one) ? leaders.get(key) : undefined;
  const decision = decideCache({
    taskId: row.id,
    mode: row.cache,
    readOff: row.readOff,
    refusal,
    hasOutputs,
    hasFingerprint: fingerprint !== undefined,
    ...(described?.imageProblem && { imageProblem: described.imageProblem }),
    entryId,
    leaderId,
    ...(after && { after }),
  });
  return { one, decision, why: whyRow(one, decision, entry?.taskId) };
}

interface DecidedTask {
  one: CheckedTask;
  decision: CacheDecision;
  /** What its row keeps of the reason. */
  why: WhyRow | null;
}

function fingerprintRow({ fingerprint, described }: CheckedTask): FingerprintRow | undefined {
  const { components, listed, inputs = [] } = described ?? {};
  if (!fingerprint || !components || !listed) return undefined;
  return {
    fingerprint,
    base: baseOf(components),
    listedFingerprint: fingerprintOf(listed),
    inputs: inputs.map(({ component, sizeBytes, modifiedMs, isFixed }) => [
      component,
      components[component] ?? '',
      sizeBytes,
      modifiedMs,
      isFixed ? 1 : 0,
    ]),
  };
}

async function moveDecided(runtime: Runtime, decided: readonly DecidedTask[]): Promise<Nudge[]> {
  const { pool } = runtime.database;
  const { chunkSize, stallMs } = runtime.config;
  const nowMs = runtime.nowMs();
  const details = { nowMs, dueMs: dueAfter(nowMs, stallMs) };

  const hits = decided.flatMap(({ one, decision, why }) =>
    decision.do === 'hit'
      ? [{ id: one.row.id, set: { hitEntryId: decision.entryId, ...madeOf(one), ...why } }]
      : [],
  );
  const misses = decided.flatMap(({ one, decision, why }) =>
    decision.do === 'miss' ? [{ ...one, why: { ...why } }] : [],
  );
  const failed = decided.flatMap(({ one, decision, why }) =>
    decision.do === 'fail'
      ? [
          {
            id: one.row.id,
            owner: one.row.owner,
            failure: decision.failure,
            why: { ...why },
          },
        ]
      : [],
  );
  await saveFingerprints(
    pool,
    misses.flatMap((one) => fingerprintRow(one) ?? []),
    nowMs,
  );
  const missed = await moveMisses(runtime, misses, details);
  const moved = {
    hit: await moveTasksEach(pool, 'hit', hits, details),
    ...missed.moved,
    fail: await failWithLeaders(runtime, failed),
  };
  countMoves(runtime.metrics, 'cache-check', moved);

  const landed = await landFlights(
    pool,
    [...hits, ...failed].map(({ id }) => id),
  );
  return [
    ...taskNudges(
      'finalize',
      hits.map(({ id }) => id),
      chunkSize,
    ),
    ...missed.next,
    ...taskNudges('cache-check', landed, chunkSize),
  ];
}
