/** A scatter as callers see it. Only values in, a value out. */
import { publicId } from '../core/ids.ts';
import { isEnd, places, type Place } from '../core/places.ts';
import { tesStateOf } from '../core/tes-state.ts';
import type { ScatterView, StandingCount } from '../db/scatter-views.ts';
import { shownStates, type ScatterReply } from './schemas/scatters.ts';

export const viewHead = (scatter: ScatterView) => ({
  id: publicId('scatter', scatter),
  name: scatter.name,
  size: scatter.size,
  tags: scatter.tags,
  created: new Date(scatter.createdMs).toISOString(),
});

export function viewScatter(scatter: ScatterView, counts: readonly StandingCount[]): ScatterReply {
  const sum = (counted: (count: StandingCount) => boolean): number => counts.filter(counted).reduce((total, { tasks }) => total + tasks, 0);
  const byPlace = Object.fromEntries(places.map((place) => [place, sum((count) => count.place === place)])) as Record<Place, number>;
  const byState = Object.fromEntries(shownStates.map((state) => [state, sum((count) => tesStateOf(count) === state)])) as ScatterReply['states'];
  return {
    ...viewHead(scatter),
    places: byPlace,
    states: byState,
    cache_hits: sum(({ hit }) => hit),
    ended: sum(({ place }) => isEnd(place)) === scatter.size,
  };
}
