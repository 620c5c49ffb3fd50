/**
 * Closing that ends even if Redis or MySQL is down, for which BullMQ, a queued command or a message
 * in progress would wait for ever.
 */

/**
 * Time for messages in progress: SubmitJob has a timeout of 15 s, and packing an array of 10,000
 * takes seconds.
 */
const IN_PROGRESS_MS = 60_000;
/** Nothing can be finished then. Other workers get the messages when the servers are back. */
const STUCK_MS = 2000;
const LOOK_MS = 200;

/**
 * Waits for `closing` for a minute at most, and only 2 s while it cannot proceed. Its later result is
 * ignored.
 */
export async function closeInTime(
  closing: Promise<unknown>,
  canProceed: () => boolean,
): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    let leftMs = IN_PROGRESS_MS;
    timer = setInterval(() => {
      leftMs = Math.min(leftMs - LOOK_MS, canProceed() ? IN_PROGRESS_MS : STUCK_MS);
      if (leftMs <= 0) resolve();
    }, LOOK_MS);
  });
  await Promise.race([closing.catch(() => undefined), late]);
  clearInterval(timer);
}
