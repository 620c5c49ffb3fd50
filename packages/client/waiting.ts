/** Waiting for ends. */
import type { Sleep } from './pace.ts';
import type { ScatterReply, TesState } from './types.generated.ts';

const endStates: ReadonlySet<TesState> = new Set<TesState>([
  'COMPLETE',
  'EXECUTOR_ERROR',
  'SYSTEM_ERROR',
  'CANCELED',
  'PREEMPTED',
]);

/** Whether a task in this state will change no more. */
export const hasEnded = (state: TesState): boolean => endStates.has(state);

/** The longest that the service lets a request wait; load balancers give up after 60 s. */
const LONGEST_LOOK_S = 50;
/** Where more wait than may ask at once, each look is short, so that all have their turn. */
const SHORT_LOOK_S = 1;
/** A task passes five places on its way, and each is an answer: this joins those that follow close on each other. */
const BETWEEN_LOOKS_MS = 250;
/** While the database is away, the service answers from memory, and at once. */
const STALE_MS = 5000;

export const lookSeconds = (waiters: number, mostAtOnce: number): number =>
  waiters <= mostAtOnce ? LONGEST_LOOK_S : SHORT_LOOK_S;

export interface TaskWaiting<Task> {
  /** Answers when the task stands elsewhere, or after a while. */
  look(): Promise<{ state: TesState; isLastKnown: boolean }>;
  /** The task as it is wanted. */
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
    // Another process of the service may not know of the end, if it lost the database just now.
    if (task && hasEnded(task.state)) return task;
    await sleep(isLastKnown ? STALE_MS : BETWEEN_LOOKS_MS, signal);
  }
}

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 5000;

/** Looks until the scatter has ended. A small scatter is seen at once, a long one costs little: each pause is a quarter of those before. */
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
