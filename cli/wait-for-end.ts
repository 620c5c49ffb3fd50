/** Waits until a task or a scatter has ended, and shows its progress on stderr. */
import { setTimeout as pause } from 'node:timers/promises';
import {
  hasEnded,
  type Client,
  type ScatterReply,
  type TesTaskFull,
} from '../packages/client/client.ts';
import { startProgress, type ProgressOptions } from './output/progress.ts';
import { createPace, formatRate } from './output/pace.ts';
import { describeCounts, endedCount } from './output/scatter-counts.ts';
import { formatDuration } from './output/table.ts';
import type { Terminal } from './output/terminal.ts';

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 1000;

/**
 * A quarter of the time waited so far: the end of a short task is seen at once, and a long one
 * costs the API little.
 */
const pauseAfter = (waitedMs: number): number =>
  Math.min(LONGEST_PAUSE_MS, Math.max(FIRST_PAUSE_MS, waitedMs / 4));

export interface WaitOptions extends ProgressOptions {
  /** What the progress line begins with; the id by default. */
  title?: string;
}

/**
 * Waits until the scatter has ended. Rejects with an AbortError on Ctrl-C; the scatter continues.
 */
export async function waitForScatter(
  client: Client,
  id: string,
  terminal: Terminal,
  options: WaitOptions = {},
): Promise<ScatterReply> {
  const pace = createPace();
  return waitUntil<ScatterReply>(
    {
      read: () => client.scatter(id),
      hasEnded: (scatter) => scatter.ended,
      describe(scatter, ms) {
        const ended = endedCount(scatter);
        const { perSecond, leftMs } = pace({ ms, ended, size: scatter.size });
        const left = leftMs && !scatter.ended ? ` · ${formatDuration(leftMs)} left` : '';
        const rate = perSecond === undefined ? '' : ` · ${formatRate(perSecond)}${left}`;
        return { text: `${describeCounts(scatter)}${rate}`, share: ended / scatter.size };
      },
    },
    terminal,
    { title: id, ...options },
  );
}

/** Like waitForScatter, for one task. */
export async function waitForTask(
  client: Client,
  id: string,
  terminal: Terminal,
  options: WaitOptions = {},
): Promise<TesTaskFull> {
  return waitUntil<TesTaskFull>(
    {
      read: () => client.get(id, { view: 'FULL' }),
      hasEnded: (task) => hasEnded(task.state),
      describe: (task) => ({ text: task.state }),
    },
    terminal,
    { title: id, ...options },
  );
}

/** What is waited for. */
interface Subject<View> {
  read(): Promise<View>;
  hasEnded(view: View): boolean;
  /** @param waitedMs how long it has been waited for */
  describe(view: View, waitedMs: number): { text: string; share?: number };
}

async function waitUntil<View>(
  subject: Subject<View>,
  terminal: Terminal,
  options: WaitOptions,
): Promise<View> {
  const progress = startProgress(terminal, options);
  const startedMs = performance.now();
  try {
    for (;;) {
      const view = await subject.read();
      const waitedMs = performance.now() - startedMs;
      const { text, share } = subject.describe(view, waitedMs);
      const line = `${options.title} · ${formatDuration(waitedMs)} · ${text}`;
      if (subject.hasEnded(view)) {
        progress.end(line);
        return view;
      }
      progress.show(line, share);
      await pause(pauseAfter(waitedMs), undefined, { signal: terminal.interrupted });
    }
  } catch (error) {
    progress.end();
    throw error;
  }
}
