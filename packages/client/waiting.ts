/** Waits until a task or a scatter has ended. */
import type { Sleep } from './pace.ts';
import type { ScatterReply, TesState } from './types.generated.ts';

const endStates: ReadonlySet<TesState> = new Set<TesState>([
  'COMPLETE',
  'EXECUTOR_ERROR',
  'SYSTEM_ERROR',
  'CANCELED',
  'PREEMPTED',
]);

/** Whether this state of a task is final. */
export const hasEnded = (state: TesState): boolean => endStates.has(state);

/** Longest time that the service lets a request wait; load balancers give up after 60 s. */
const LONGEST_LOOK_S = 50;
/**
 * With more waiting calls than requests allowed at once, each request is short, so that all get
 * their turn.
 */
const SHORT_LOOK_S = 1;
/**
 * Each of the five places that a task passes ends a request; this pause joins those that follow
 * each other closely.
 */
const BETWEEN_LOOKS_MS = 250;
/** While its database is unavailable, the service answers at once, from memory. */
const STALE_MS = 5000;

export const lookSeconds = (waiters: number, mostAtOnce: number): number =>
  waiters <= mostAtOnce ? LONGEST_LOOK_S : SHORT_LOOK_S;

export interface TaskWaiting<Task> {
  /** Resolves when the place of the task has changed, or after a while. */
  look(): Promise<{ state: TesState; isLastKnown: boolean }>;
  /** Reads the task in the view that the caller asked for. */
  get(): Promise<Task>;
  sleep: Sleep;
  signal: AbortSignal | undefined;
}

/** Looks until the task has ended. */
export async function waitForTask<Task extends { state: TesState }>({
  look,
  get,
  sleep,
  signal,
}: TaskWaiting<Task>): Promise<Task> {
  for (;;) {
    const { state, isLastKnown } = await look();
    const task = hasEnded(state) ? await get() : undefined;
    // Another process of the service may not know of the end, if it has just lost the database.
    if (task && hasEnded(task.state)) return task;
    await sleep(isLastKnown ? STALE_MS : BETWEEN_LOOKS_MS, signal);
  }
}

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 5000;

/**
 * Looks until the scatter has ended. Each pause is a quarter of the time waited so far: the end of
 * a small scatter is seen at once, and a long one costs little.
 */
export async function waitUntilEnded(
  look: () => Promise<ScatterReply>,
  sleep: Sleep,
  signal: AbortSignal | undefined,
): Promise<ScatterReply> {
  for (let waitedMs = 0; ;) {
    const scatter = await look();
    if (scatter.ended) return scatter;
    const pauseMs = Math.min(LONGEST_PAUSE_MS, Math.max(FIRST_PAUSE_MS, waitedMs / 4));
    await sleep(pauseMs, signal);
    waitedMs += pauseMs;
  }
}
