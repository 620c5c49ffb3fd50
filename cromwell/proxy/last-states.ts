/**
 * The last state shown for each task, for when Batchwell does not answer. In memory, bounded, least
 * recently used out first.
 */
import { forgetOldest } from '../../core/forget-oldest.ts';

export interface LastStates {
  remember(owner: string, id: string, state: string): void;
  recall(owner: string, id: string): string | undefined;
}

/** About 200 bytes each. */
const MOST_STATES = 50_000;

export function rememberStates(): LastStates {
  const states = new Map<string, string>();
  return {
    remember(owner, id, state) {
      const key = `${owner}\n${id}`;
      states.delete(key);
      states.set(key, state);
      forgetOldest(states, MOST_STATES);
    },
    recall: (owner, id) => states.get(`${owner}\n${id}`),
  };
}
