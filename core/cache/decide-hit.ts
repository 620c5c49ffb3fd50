/**
 * Whether a task's outputs can be taken from an entry, must be computed, or are being computed by
 * an equal task.
 */
import { readsCache, type CacheMode } from '../task/task.ts';

export interface CacheFacts {
  taskId: number;
  mode: CacheMode;
  /** Tasks without outputs are never cached: what they do, they do by side effects. */
  hasOutputs: boolean;
  /** False when an input is not there or nothing tells what it holds. */
  hasFingerprint: boolean;
  /** The newest valid entry of its fingerprint. */
  entryId?: number;
  /** The task that computes its fingerprint right now; itself when it came first. */
  leaderId?: number;
}

export type CacheDecision =
  | { do: 'hit'; entryId: number }
  | { do: 'miss'; because: 'off' | 'unreadable-input' | 'miss' }
  | { do: 'wait'; leaderId: number };

export function decideCache(facts: CacheFacts): CacheDecision {
  if (facts.mode === 'off' || !facts.hasOutputs) return { do: 'miss', because: 'off' };
  if (!facts.hasFingerprint) return { do: 'miss', because: 'unreadable-input' };
  if (!readsCache(facts.mode)) return { do: 'miss', because: 'miss' };
  if (facts.entryId !== undefined) return { do: 'hit', entryId: facts.entryId };
  return facts.leaderId === undefined || facts.leaderId === facts.taskId
    ? { do: 'miss', because: 'miss' }
    : { do: 'wait', leaderId: facts.leaderId };
}
