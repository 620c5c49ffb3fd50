/** A scatter in one line: how many of its tasks have ended, and what the others do. */
import type { ScatterReply } from '../../packages/client/client.ts';
import { isEnd, places, type Place } from '../../core/places.ts';

type Counted = Pick<ScatterReply, 'size' | 'cache_hits'> & {
  places: Partial<ScatterReply['places']>;
  states?: Partial<ScatterReply['states']>;
};

/**
 * `20/200 ended: 3 running, 177 waiting, 19 done, 1 failed · 12 cache hits`. Without states, the places
 * of those that have not ended.
 */
export function describeCounts(scatter: Counted): string {
  const ended = places.flatMap((place) =>
    isEnd(place) && scatter.places[place] ? [`${scatter.places[place]} ${place}`] : [],
  );
  const parts = [...unfinished(scatter), ...ended];
  const hits = scatter.cache_hits > 0 ? ` · ${hitWords(scatter.cache_hits)}` : '';
  return `${endedCount(scatter)}/${scatter.size} ended: ${parts.join(', ') || 'none yet'}${hits}`;
}

const hitWords = (hits: number): string => `${hits} cache ${hits === 1 ? 'hit' : 'hits'}`;

function unfinished(scatter: Counted): string[] {
  const { states } = scatter;
  if (states === undefined || Object.keys(states).length === 0)
    return places.flatMap((place) =>
      !isEnd(place) && scatter.places[place] ? [`${scatter.places[place]} at ${place}`] : [],
    );
  const running = states.RUNNING ?? 0;
  const waiting = scatter.size - endedCount(scatter) - running;
  return [
    ...(running > 0 ? [`${running} running`] : []),
    ...(waiting > 0 ? [`${waiting} waiting`] : []),
  ];
}

export const endedCount = (scatter: Pick<Counted, 'places'>): number =>
  Object.entries(scatter.places).reduce(
    (sum, [place, count]) => (isEnd(place as Place) ? sum + (count ?? 0) : sum),
    0,
  );
