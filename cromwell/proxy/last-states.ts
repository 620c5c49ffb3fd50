/** The state that was last shown of a task, for the time when Batchwell cannot be asked. In memory, bounded, oldest use out first. */
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
