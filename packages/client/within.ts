/** Time limits. */

/** The longest timeout of a timer, about 24 days; a longer one would fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * Runs the work with a signal that is aborted with the given one, or with a TimeoutError after
 * `ms`; undefined: no limit. AbortSignal.any will not do: Node 20 may collect such a signal before
 * it fires, and keeps 2 kB per call for as long as the given signal exists.
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
          () =>
            controller.abort(
              new DOMException(`The time limit of ${ms} ms was exceeded`, 'TimeoutError'),
            ),
          ms,
        );
  try {
    return await work(controller.signal);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', giveUp);
  }
}
