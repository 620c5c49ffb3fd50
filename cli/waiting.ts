/** Waiting until a task or a scatter has ended, with progress on stderr. */
import { setTimeout as pause } from 'node:timers/promises';
import { isEnd, places, type Place } from '../core/places.ts';
import type { Client, ScatterView, TaskView } from './client.ts';
import { startProgress } from './progress.ts';
import { formatDuration } from './table.ts';
import type { Terminal } from './terminal.ts';

/** TES states after which nothing happens any more. */
const endStates = new Set(['COMPLETE', 'EXECUTOR_ERROR', 'SYSTEM_ERROR', 'CANCELED', 'PREEMPTED']);

export const hasEnded = (task: Pick<TaskView, 'state'>): boolean => endStates.has(task.state);

const FIRST_LOOK_MS = 100;
const LONGEST_LOOK_MS = 1000;

/** A short task is seen at once, a long one does not pester the API: each wait is a quarter of the time waited so far. */
const nextLookMs = (waitedMs: number): number => Math.min(LONGEST_LOOK_MS, Math.max(FIRST_LOOK_MS, waitedMs / 4));

/** `stage-script 20, poll 180 · 12 hits`: the places that hold a task, in the order of the way. */
export function describePlaces(view: Pick<ScatterView, 'places' | 'size' | 'cache_hits'>): string {
  const counted = places.flatMap((place) => (view.places[place] ? [`${place} ${view.places[place]}`] : [])).join(', ');
  return `${endedCount(view)}/${view.size} ended: ${counted === '' ? 'none yet' : counted}${view.cache_hits > 0 ? ` · ${view.cache_hits} cache hits` : ''}`;
}

const endedCount = (view: Pick<ScatterView, 'places'>): number =>
  Object.entries(view.places).reduce((sum, [place, count]) => (isEnd(place as Place) ? sum + (count ?? 0) : sum), 0);

/** Looks until the scatter has ended. Rejects with an AbortError on Ctrl-C; the scatter goes on. */
export async function waitForScatter(client: Client, id: string, terminal: Terminal, title = id): Promise<ScatterView> {
  return waitUntil(terminal, title, () => client.scatter(id), (view) => view.ended, describePlaces);
}

/** As waitForScatter, for one task. */
export async function waitForTask(client: Client, id: string, terminal: Terminal, title = id): Promise<TaskView> {
  return waitUntil(terminal, title, () => client.task(id), hasEnded, (view) => view.state);
}

async function waitUntil<View>(terminal: Terminal, title: string, look: () => Promise<View>, ended: (view: View) => boolean, describe: (view: View) => string): Promise<View> {
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
