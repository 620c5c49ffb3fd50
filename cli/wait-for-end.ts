/** Waiting until a task or a scatter has ended, with progress on stderr. */
import { setTimeout as pause } from 'node:timers/promises';
import {
  hasEnded,
  type Client,
  type ScatterReply,
  type TesTaskFull,
} from '../packages/client/client.ts';
import { isEnd, places, type Place } from '../core/places.ts';
import { startProgress } from './output/progress.ts';
import { formatDuration } from './output/table.ts';
import type { Terminal } from './output/terminal.ts';

const FIRST_LOOK_MS = 100;
const LONGEST_LOOK_MS = 1000;

/** A short task is seen at once, a long one does not pester the API: each wait is a quarter of the time waited so far. */
const nextLookMs = (waitedMs: number): number =>
  Math.min(LONGEST_LOOK_MS, Math.max(FIRST_LOOK_MS, waitedMs / 4));

interface Counted {
  places: Partial<ScatterReply['places']>;
}

/** `stage-script 20, poll 180 · 12 hits`: the places that hold a task, in the order of the way. */
export function describePlaces(view: Counted & Pick<ScatterReply, 'size' | 'cache_hits'>): string {
  const counted = places
    .flatMap((place) => (view.places[place] ? [`${place} ${view.places[place]}`] : []))
    .join(', ');
  return `${endedCount(view)}/${view.size} ended: ${counted === '' ? 'none yet' : counted}${view.cache_hits > 0 ? ` · ${view.cache_hits} cache hits` : ''}`;
}

const endedCount = (view: Counted): number =>
  Object.entries(view.places).reduce(
    (sum, [place, count]) => (isEnd(place as Place) ? sum + (count ?? 0) : sum),
    0,
  );

/** Looks until the scatter has ended. Rejects with an AbortError on Ctrl-C; the scatter goes on. */
export async function waitForScatter(
  client: Client,
  id: string,
  terminal: Terminal,
  title = id,
): Promise<ScatterReply> {
  return waitUntil(
    terminal,
    title,
    () => client.scatter(id),
    (view) => view.ended,
    describePlaces,
  );
}

/** As waitForScatter, for one task. */
export async function waitForTask(
  client: Client,
  id: string,
  terminal: Terminal,
  title = id,
): Promise<TesTaskFull> {
  return waitUntil(
    terminal,
    title,
    () => client.get(id, { view: 'FULL' }),
    (task) => hasEnded(task.state),
    (view) => view.state,
  );
}

async function waitUntil<View>(
  terminal: Terminal,
  title: string,
  look: () => Promise<View>,
  ended: (view: View) => boolean,
  describe: (view: View) => string,
): Promise<View> {
  const progress = startProgress(terminal);
  const startedMs = performance.now();
  try {
    for (;;) {
      const view = await look();
      const waitedMs = performance.now() - startedMs;
      const line = `${title} · ${formatDuration(waitedMs)} · ${describe(view)}`;
      if (ended(view)) {
        progress.end(line);
        return view;
      }
      progress.show(line);
      await pause(nextLookMs(waitedMs), undefined, { signal: terminal.interrupted });
    }
  } catch (error) {
    progress.end();
    throw error;
  }
}
