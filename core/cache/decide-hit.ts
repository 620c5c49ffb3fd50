/**
 * Decides whether a task's outputs come from an entry, must be computed, or are being computed by
 * an equal task.
 */
import type { ImageProblem } from '../image/image-seen.ts';
import type { Failure } from '../retry/failures.ts';
import type { AfterLeader } from './after-leader.ts';
import { readsCache, type CacheMode } from '../task/task.ts';
import type { Refusal } from './policy.ts';

export interface CacheFacts {
  taskId: number;
  /** What the switches leave of the mode that it asks for. */
  mode: CacheMode;
  /** It asks for hits, and a switch of the fleet or of its owner says no. */
  readOff?: boolean;
  /** Tasks without outputs are never cached: they work by side effects only. */
  hasOutputs: boolean;
  /** False when an input does not exist or its content has no identity. */
  hasFingerprint: boolean;
  /** Why the digest of its image is not known; absent where it is, or is not asked for. */
  imageProblem?: ImageProblem;
  /** The newest valid entry of its fingerprint. */
  entryId?: number | undefined;
  /** Why the entry of its fingerprint is not used. */
  refusal?: Refusal | undefined;
  /** The task that is computing its fingerprint now; the task itself when it was the first. */
  leaderId?: number | undefined;
  /** Once the task that it waited for has ended. */
  after?: AfterLeader;
}

export type CacheDecision =
  | { do: 'hit'; entryId: number }
  | { do: 'miss'; because: 'off' | 'read-off' | 'unreadable-input' | 'miss' | Refusal }
  | { do: 'miss'; because: 'image-not-resolved'; problem: ImageProblem }
  | { do: 'wait'; leaderId: number }
  | { do: 'fail'; failure: Failure };

export function decideCache(facts: CacheFacts): CacheDecision {
  if (facts.readOff === true && facts.hasOutputs) return { do: 'miss', because: 'read-off' };
  if (facts.mode === 'off' || !facts.hasOutputs) return { do: 'miss', because: 'off' };
  if (facts.imageProblem)
    return { do: 'miss', because: 'image-not-resolved', problem: facts.imageProblem };
  if (!facts.hasFingerprint) return { do: 'miss', because: 'unreadable-input' };
  if (!readsCache(facts.mode)) return { do: 'miss', because: 'miss' };
  return facts.entryId === undefined ? decideFlight(facts) : { do: 'hit', entryId: facts.entryId };
}

/** Without an entry: run, wait for the task that runs, or do as the one that it waited for. */
function decideFlight(facts: CacheFacts): CacheDecision {
  if (facts.after?.do === 'fail') return facts.after;
  if (facts.after?.do === 'run') return { do: 'miss', because: 'miss' };
  return facts.leaderId === undefined || facts.leaderId === facts.taskId
    ? { do: 'miss', because: facts.refusal ?? 'miss' }
    : { do: 'wait', leaderId: facts.leaderId };
}
