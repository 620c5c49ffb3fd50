/** A scatter in one line: how many of its tasks have ended, and where the others are. */
import type { ScatterReply } from '../../packages/client/client.ts';
import { isEnd, places, type Place } from '../../core/places.ts';

type Counted = Pick<ScatterReply, 'size' | 'cache_hits'> & {
  places: Partial<ScatterReply['places']>;
};

/**
 * `20/200 ended: poll 180, done 20 · 12 cache hits`: the places that hold a task, in the order in
 * which a task passes them.
 */
export function describeCounts(scatter: Counted): string {
  const held = places.flatMap((place) =>
    scatter.places[place] ? [`${place} ${scatter.places[place]}`] : [],
  );
  const hits = scatter.cache_hits > 0 ? ` · ${scatter.cache_hits} cache hits` : '';
  return `${endedCount(scatter)}/${scatter.size} ended: ${held.join(', ') || 'none yet'}${hits}`;
}

const endedCount = (scatter: Counted): number =>
  Object.entries(scatter.places).reduce(
    (sum, [place, count]) => (isEnd(place as Place) ? sum + (count ?? 0) : sum),
    0,
  );
