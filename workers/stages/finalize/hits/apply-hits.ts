/**
 * Gives cache hits their outputs, by copy within S3 or by reference. An entry whose outputs are not
 * what its run wrote is invalidated. Trouble with a copy is not a miss.
 */
import { append } from '../../../../core/append.ts';
import { decideHitMode } from '../../../../core/cache/hit-mode.ts';
import { profiles } from '../../../../core/profiles/profiles.ts';
import { judgeRefusedCopy } from '../../../../core/retry/stager-reasons.ts';
import { dueAfter } from '../../../../core/stall.ts';
import {
  invalidateEntry,
  readEntryOutputs,
  readEntryWarnings,
  type CacheOutput,
} from '../../../../db/call-cache.ts';
import { postponeTasks, readIdsAt } from '../../../../db/tasks.ts';
import type { Runtime } from '../../../runtime.ts';
import { copyOutputs, type CopiedOutputs, type Learned } from './copy-outputs.ts';
import { openDenials, type Denials } from './denied.ts';
import { waitOrRun, type AppliedHit, type FinalizedTask, type Hit } from './hit.ts';
import { judgeEntries, type JudgedEntry, type Source } from './judge-entries.ts';
import { findLeftovers } from './leftovers.ts';

export interface SettledHit extends FinalizedTask {
  applied: AppliedHit;
}

/** How often hits that have their outputs end while others of the chunk are still copied. */
const SETTLE_MS = 1000;
/** How many times an entry is judged again because a source changed under a copy. */
const ROUNDS = 3;

/** What the hits of one chunk share. */
interface Chunk {
  runtime: Runtime;
  denials: Denials;
  /** By entry; absent when it was not asked. */
  judged: Map<number, JudgedEntry>;
  warnings: Map<number, string[]>;
  learned: Learned[];
}

/** @param settle is called with hits whose fate is known, at least once a second, and at the end */
export async function applyHits(
  runtime: Runtime,
  tasks: readonly FinalizedTask[],
  settle: (hits: readonly SettledHit[]) => Promise<void>,
): Promise<void> {
  if (tasks.length === 0) return;
  const hits = await readHits(runtime, tasks);
  const denials = await openDenials(runtime, hits);
  const settled: SettledHit[] = [];
  const free: Hit[] = [];
  for (const hit of hits) {
    const applied = await denials.blocks(hit);
    if (applied) settled.push({ ...hit, applied });
    else free.push(hit);
  }
  const entries = new Map(free.map(({ entryId, outputs }) => [entryId, outputs]));
  const chunk: Chunk = {
    runtime,
    denials,
    judged: await judgeEntries(runtime, entries),
    warnings: await readEntryWarnings(runtime.database, [...entries.keys()]),
    learned: [],
  };
  const flush = async (): Promise<void> => {
    const ready = settled.splice(0);
    await runtime.identities.memo.learn(chunk.learned.splice(0));
    if (ready.length > 0) await settle(ready);
  };
  const open = new Set(free);
  const applying = Promise.all(
    free.map(async (hit) => {
      const applied = await applyHit(chunk, hit);
      open.delete(hit);
      settled.push({ ...hit, applied });
    }),
  );
  await settleMeanwhile(runtime, { applying, open, flush });
  await flush();
}

async function readHits(runtime: Runtime, tasks: readonly FinalizedTask[]): Promise<Hit[]> {
  const entryIds = [...new Set(tasks.flatMap(({ row }) => row.hitEntryId ?? []))];
  const outputs = await readEntryOutputs(runtime.database, entryIds);
  return tasks.map(({ row, spec }) => ({
    row,
    spec,
    entryId: row.hitEntryId ?? 0,
    outputs: outputs.get(row.hitEntryId ?? 0) ?? [],
    leaving: new AbortController(),
  }));
}

interface Applying {
  applying: Promise<unknown>;
  open: ReadonlySet<Hit>;
  flush(): Promise<void>;
}

/**
 * While copies run: what is ready ends, what was cancelled stops, and the sweeper knows that the
 * others are worked on.
 */
async function settleMeanwhile(
  runtime: Runtime,
  { applying, open, flush }: Applying,
): Promise<void> {
  const { pool } = runtime.database;
  const { stallMs } = runtime.config;
  let postponedMs = runtime.nowMs();
  try {
    while ((await endsWithin(applying, SETTLE_MS)) === 'running') {
      await flush();
      const ids = [...open].map(({ row }) => row.id);
      const standing = await readIdsAt(pool, 'finalize', ids);
      if (runtime.nowMs() - postponedMs >= stallMs / 4) {
        postponedMs = runtime.nowMs();
        await postponeTasks(pool, 'finalize', ids, dueAfter(postponedMs, stallMs));
      }
      for (const { row, leaving } of open) if (!standing.has(row.id)) leaving.abort();
    }
  } catch (error) {
    // The message is taken again: no copy goes on without it.
    for (const { leaving } of open) leaving.abort();
    await applying.catch(() => undefined);
    throw error;
  }
}

async function endsWithin(work: Promise<unknown>, ms: number): Promise<'ended' | 'running'> {
  const { promise: late, resolve } = Promise.withResolvers<'running'>();
  const timer = setTimeout(() => resolve('running'), ms);
  try {
    return await Promise.race([work.then(() => 'ended' as const), late]);
  } finally {
    clearTimeout(timer);
  }
}

async function applyHit(chunk: Chunk, hit: Hit): Promise<AppliedHit> {
  for (let round = 1; ; round += 1) {
    const judged = chunk.judged.get(hit.entryId) ?? { state: 'lost', reason: 'It is gone.' };
    if (judged.state !== 'usable') return notUsable(chunk, hit, judged);
    const mode = modeOf(chunk.runtime, hit);
    if (mode.mode === 'reference') return finish(chunk, hit, referenced(mode));
    const copied = await copyOutputs(chunk.runtime, hit, judged.sources);
    if (copied.did !== 'urls-exchanged') append(chunk.learned, copied.learned);
    if (copied.did === 'copied')
      return finish(chunk, hit, { mode: 'copy', warnings: copied.warnings });
    if (!isSourceAnother(copied)) return notCopied(chunk, hit, copied);
    if (round === ROUNDS) return waitOrRun(chunk.runtime, hit, copied.outcome.message);
    await judgeAgain(chunk, hit, judged.sources);
  }
}

const modeOf = ({ config }: Runtime, { row, outputs }: Hit) =>
  decideHitMode({
    setting: config.cacheHit,
    needsCopies: profiles[row.profile].needsCopies === true,
    allowsUnpinned: config.cacheUnversioned === 'reference',
    versionIds: outputs.map(({ versionId }) => versionId),
  });

interface InPlace {
  mode: 'copy' | 'reference';
  warnings: readonly string[];
}

const referenced = ({ isPinned }: { isPinned: boolean }): InPlace => ({
  mode: 'reference',
  warnings: isPinned
    ? []
    : [
        'The outputs are at the URLs of an earlier task, in a bucket that keeps no versions. A later task can overwrite them.',
      ],
});

async function finish(
  { runtime, denials, warnings: carried }: Chunk,
  hit: Hit,
  { mode, warnings }: InPlace,
): Promise<AppliedHit> {
  await denials.clear(hit);
  try {
    const leftovers = await findLeftovers(runtime, hit);
    const all = [...(carried.get(hit.entryId) ?? []), ...leftovers, ...warnings];
    return { do: 'finish', mode, warnings: [...new Set(all)] };
  } catch (error) {
    return waitOrRun(runtime, hit, (error as Error).message);
  }
}

async function notUsable(
  { runtime, denials }: Chunk,
  hit: Hit,
  judged: Exclude<JudgedEntry, { state: 'usable' }>,
): Promise<AppliedHit> {
  if (judged.state === 'denied') return denials.note(hit, judged);
  if (judged.state === 'unknown') return waitOrRun(runtime, hit, judged.message);
  const { entryId } = hit;
  if (await invalidateEntry(runtime.database, entryId, judged.reason)) {
    runtime.log.warn({ entryId, reason: judged.reason }, 'cache-entry-invalidated');
    runtime.metrics.cacheInvalidations.inc();
  }
  return { do: 'look-again' };
}

type NotCopied = Exclude<CopiedOutputs, { did: 'copied' }>;
type FailedCopy = Extract<NotCopied, { did: 'failed' }>;
type SourceAnother = FailedCopy & { outcome: { did: 'source-changed' | 'source-gone' } };

const isSourceAnother = (copied: NotCopied): copied is SourceAnother =>
  copied.did === 'failed' &&
  (copied.outcome.did === 'source-changed' || copied.outcome.did === 'source-gone');

/** The first hit of an entry judges it for the others as well. */
async function judgeAgain(
  { runtime, judged }: Chunk,
  { entryId, outputs }: { entryId: number; outputs: readonly CacheOutput[] },
  sources: readonly Source[],
): Promise<void> {
  const known = judged.get(entryId);
  if (known?.state === 'usable' && known.sources !== sources) return;
  const again = await judgeEntries(runtime, new Map([[entryId, outputs]]));
  for (const [id, one] of again) judged.set(id, one);
}

async function notCopied(
  { runtime, denials }: Chunk,
  hit: Hit,
  copied: NotCopied,
): Promise<AppliedHit> {
  const unused = 'The outputs of an equal task were not used.';
  if (copied.did === 'urls-exchanged')
    return {
      do: 'avoid-entry',
      refusal: 'urls-exchanged',
      warning: `${unused} ${copied.message}`,
    };
  const { source, outcome } = copied;
  switch (outcome.did) {
    case 'cancelled':
      return { do: 'cancelled' };
    case 'source-denied':
      return denials.note(hit, { url: source.url, message: outcome.message });
    case 'destination-refused':
      return { do: 'fail', failure: judgeRefusedCopy(outcome.message) };
    case 'source-archived':
    case 'unproven':
      return {
        do: 'avoid-entry',
        refusal: outcome.did === 'unproven' ? 'copy-unproven' : 'source-archived',
        warning: `${unused} ${outcome.message}`,
      };
    default:
      return waitOrRun(runtime, hit, outcome.message);
  }
}
