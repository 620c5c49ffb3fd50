/** Time limits. */

/** The longest that a timer can be set to, some 24 days; a longer one would go off at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * Does the work with a signal that fires as the given one does, or after `ms` with a TimeoutError; undefined: never.
 * Not by AbortSignal.any: Node 20 may collect such a signal before it fires, and keeps 2 kB a call while the given one lives.
 */
export async function within<T>(
  ms: number | undefined,
  signal: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const giveUp = (): void => controller.abort(signal?.reason);
  if (signal?.aborted) giveUp();
  signal?.addEventListener('abort', giveUp, { once: true });
  const timer =
    ms === undefined || ms > LONGEST_TIMER_MS
      ? undefined
      : setTimeout(
          () => controller.abort(new DOMException(`It took longer than ${ms} ms`, 'TimeoutError')),
          ms,
        );
  try {
    return await work(controller.signal);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', giveUp);
  }
}
