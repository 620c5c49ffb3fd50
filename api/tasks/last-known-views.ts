/**
 * What was last said of a task, for the time when the database cannot be reached: Cromwell fails a call for good when
 * a poll gets anything but 2xx. In memory, bounded, oldest use out first.
 */
import { forgetOldest } from '../../core/forget-oldest.ts';
import type { TesTaskFull, TesTaskMinimal, View } from '../schemas/tes.ts';

export interface LastKnownViews {
  remember(owner: string, view: View, body: TesTaskFull | TesTaskMinimal, nowMs: number): void;
  /** As asked for, or the least that is known. */
  recall(
    owner: string,
    view: View,
    id: string,
  ): { body: TesTaskFull | TesTaskMinimal; seenMs: number } | undefined;
}

/** About 200 bytes each. */
const MOST_STATES = 50_000;
/** A body can be some 100 kB with its logs. */
const MOST_BODIES = 200;

interface Remembered {
  owner: string;
  body: TesTaskFull | TesTaskMinimal;
  seenMs: number;
}

export function createLastKnownViews(): LastKnownViews {
  const states = new Map<string, Remembered>();
  const bodies = new Map<string, Remembered>();
  const keep = (
    map: Map<string, Remembered>,
    most: number,
    key: string,
    value: Remembered,
  ): void => {
    map.delete(key);
    map.set(key, value);
    forgetOldest(map, most);
  };
  return {
    remember(owner, view, body, nowMs) {
      keep(states, MOST_STATES, body.id, {
        owner,
        body: { id: body.id, state: body.state },
        seenMs: nowMs,
      });
      if (view !== 'MINIMAL')
        keep(bodies, MOST_BODIES, `${view} ${body.id}`, { owner, body, seenMs: nowMs });
    },
    recall(owner, view, id) {
      const found =
        (view === 'MINIMAL' ? undefined : bodies.get(`${view} ${id}`)) ?? states.get(id);
      return found?.owner === owner ? found : undefined;
    },
  };
}
