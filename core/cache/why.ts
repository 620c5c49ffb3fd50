/** The reason of a decision: from what was seen of the inputs, and to and from the columns of a task's row. */
import { shorten } from '../result/stored-record.ts';
import { isShared } from '../result/outputs.ts';
import type { CacheMode, TaskSpec } from '../task/task.ts';
import type { CacheDecision } from './decide-hit.ts';
import { cacheReasons, isCacheReason, type CacheReason, type Why } from './reasons.ts';

const inputReasons = {
  missing: 'input-missing',
  denied: 'input-denied',
  'no-identity': 'input-no-identity',
  'not-in-s3': 'input-not-in-s3',
  undeclared: 'files-undeclared',
} as const satisfies Record<string, CacheReason>;

interface SeenInput {
  identity?: string;
  why?: keyof typeof inputReasons;
}

/**
 * Names the first input without an identity, or an output that no hit can copy.
 * @param seen by position of the declared inputs
 */
export function whyUnidentified(
  { inputs, outputs }: Pick<TaskSpec, 'inputs' | 'outputs'>,
  seen: readonly SeenInput[],
): Why {
  const position = seen.findIndex(({ identity }) => identity === undefined);
  if (position === -1) {
    const shared = outputs.find(isShared);
    return shared
      ? { reason: 'output-not-in-s3', subject: shared.path }
      : { reason: 'files-undeclared' };
  }
  const subject = inputs[position]?.path;
  return {
    reason: inputReasons[seen[position]?.why ?? 'missing'],
    ...(subject !== undefined && { subject }),
  };
}

export interface WhyFacts {
  spec?: Pick<TaskSpec, 'inputs' | 'outputs' | 'executors'> | undefined;
  mode: CacheMode;
  hasOutputs: boolean;
  /** By position of the declared inputs. */
  seen: readonly SeenInput[];
  /** The task that wrote the entry. */
  entryTaskId?: number | undefined;
  /** The task for which it has waited. */
  waitedFor?: number | undefined;
  /** Why the entry that it had before could not be used. */
  lost?: Why | undefined;
}

/** Undefined for a task that waits: its row does not move. */
export function whyOf(decision: CacheDecision, facts: WhyFacts): Why | undefined {
  switch (decision.do) {
    case 'wait':
      return undefined;
    case 'hit':
      return whyHit(facts);
    case 'fail':
      return waited('leader-failed', facts);
    default:
      return whyMiss(decision.because, facts);
  }
}

const waited = (reason: CacheReason, { waitedFor }: WhyFacts): Why => ({
  reason,
  ...(waitedFor !== undefined && { sourceId: waitedFor }),
});

function whyHit({ entryTaskId, waitedFor }: WhyFacts): Why {
  if (entryTaskId === undefined) return { reason: 'same-call' };
  return { reason: waitedFor === entryTaskId ? 'waited' : 'same-call', sourceId: entryTaskId };
}

const NO_FILES = { inputs: [], outputs: [] };

function whyMiss(because: string, facts: WhyFacts): Why {
  const { spec, hasOutputs, seen } = facts;
  switch (because) {
    case 'off':
      return { reason: hasOutputs ? 'off' : 'no-outputs' };
    case 'unreadable-input':
      return whyUnidentified(spec ?? NO_FILES, seen);
    case 'image-not-resolved':
      return whyNoImage(spec?.executors[0]?.image);
    case 'miss':
      return whyNoEntry(facts);
    default:
      return { reason: isCacheReason(because) ? because : 'no-entry' };
  }
}

const whyNoImage = (image: string | undefined): Why => ({
  reason: 'image-not-resolved',
  ...(image !== undefined && { subject: image }),
});

function whyNoEntry(facts: WhyFacts): Why {
  const { mode, lost, waitedFor } = facts;
  if (mode === 'refresh') return { reason: 'refresh' };
  if (mode === 'write') return { reason: 'write-only' };
  if (lost) return lost;
  return waitedFor === undefined ? { reason: 'no-entry' } : waited('leader-left-nothing', facts);
}

export interface WhyRow {
  cacheVerdict: string | null;
  cacheReason: string | null;
  cacheSource: number | null;
  cacheSubject: string | null;
}

/** Of a miss that followed a hit whose entry could not be used. */
export function lostInRow(row: Pick<WhyRow, 'cacheReason' | 'cacheSource'>): Why | undefined {
  const why = whyInRow(row);
  return why && cacheReasons[why.reason].verdict === 'miss' ? why : undefined;
}

export const rowOfWhy = ({ reason, sourceId, subject }: Why): WhyRow => ({
  cacheVerdict: cacheReasons[reason].verdict,
  cacheReason: reason,
  cacheSource: sourceId ?? null,
  cacheSubject: subject === undefined ? null : shorten(subject),
});

/** Undefined before the first decision, and for a code that this version does not know. */
export function whyInRow({
  cacheReason,
  cacheSource,
  cacheSubject,
}: Pick<WhyRow, 'cacheReason' | 'cacheSource'> & { cacheSubject?: string | null }):
  | Why
  | undefined {
  if (cacheReason === null || !isCacheReason(cacheReason)) return undefined;
  return {
    reason: cacheReason,
    ...(cacheSource !== null && { sourceId: cacheSource }),
    ...(cacheSubject !== null && cacheSubject !== undefined && { subject: cacheSubject }),
  };
}
