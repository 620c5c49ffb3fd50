/** Waits that end. */

/**
 * The promise, or `late()` when it has not settled in time. Answers that arrived while the event
 * loop was busy count: they are read before the wait ends. Undefined waits without a limit.
 */
export async function within<T>(
  promise: Promise<T>,
  limitMs: number | undefined,
  late: () => Error,
): Promise<T> {
  if (limitMs === undefined) return promise;
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => setImmediate(() => reject(late())), limitMs);
  });
  try {
    return await Promise.race([promise, limit]);
  } finally {
    clearTimeout(timer);
  }
}
