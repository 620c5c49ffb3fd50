/** A scatter as callers see it. Only values in, a value out. */
import { publicId } from '../ids.ts';
import { isEnd, places, type Place } from '../places.ts';
import { kindOfWait, type CountedWait, type WaitingKind } from '../waiting/waiting.ts';
import { shownStates, tesStateOf } from '../task/tes-state.ts';

export interface ScatterView {
  id: number;
  owner: string;
  name: string;
  size: number;
  tags: Record<string, string>;
  createdMs: number;
}

/** How many tasks of the scatter are in the same state. */
export interface StandingCount extends CountedWait {
  failureCode?: string;
  hit: boolean;
  tasks: number;
}

export interface ScatterSummary {
  id: string;
  name: string;
  size: number;
  tags: Record<string, string>;
  /** RFC 3339. */
  created: string;
  places: Record<Place, number>;
  states: Record<(typeof shownStates)[number], number>;
  /** How many wait for what; kinds for which none waits are left out. */
  waiting: Partial<Record<WaitingKind, number>>;
  cache_hits: number;
  /** Every task of it has ended. */
  ended: boolean;
}

export const viewHead = (scatter: ScatterView) => ({
  id: publicId('scatter', scatter),
  name: scatter.name,
  size: scatter.size,
  tags: scatter.tags,
  created: new Date(scatter.createdMs).toISOString(),
});

export function viewScatter(
  scatter: ScatterView,
  counts: readonly StandingCount[],
): ScatterSummary {
  const sum = (counted: (count: StandingCount) => boolean): number =>
    counts.filter(counted).reduce((total, { tasks }) => total + tasks, 0);
  const byPlace = Object.fromEntries(
    places.map((place) => [place, sum((count) => count.place === place)]),
  ) as Record<Place, number>;
  const byState = Object.fromEntries(
    shownStates.map((state) => [state, sum((count) => tesStateOf(count) === state)]),
  ) as ScatterSummary['states'];
  return {
    ...viewHead(scatter),
    places: byPlace,
    states: byState,
    waiting: waitingOf(counts),
    cache_hits: sum(({ hit }) => hit),
    ended: sum(({ place }) => isEnd(place)) === scatter.size,
  };
}

function waitingOf(counts: readonly StandingCount[]): ScatterSummary['waiting'] {
  const waiting: ScatterSummary['waiting'] = {};
  for (const count of counts) {
    const kind = kindOfWait(count);
    if (kind) waiting[kind] = (waiting[kind] ?? 0) + count.tasks;
  }
  return waiting;
}
