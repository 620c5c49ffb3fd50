/**
 * Coalesces calls made at about the same time: one statement for many calls costs a fraction of
 * many statements. A call never waits for others: it waits only while `groupsAtOnce` groups run,
 * and is then sent with all calls made meanwhile.
 */
export interface CoalesceLimits {
  groupsAtOnce: number;
  /** Most calls in one group. */
  most: number;
  /**
   * Most calls that wait. Further calls are rejected with Overloaded, since waiting calls are held
   * in memory.
   */
  mostWaiting?: number;
  /**
   * Errors after which each call of the group is retried alone, so that one bad call does not fail
   * the others.
   */
  retryAlone?: (error: unknown) => boolean;
}

/** The call was not made. It can be retried later. */
export class Overloaded extends Error {
  override readonly name = 'Overloaded';
}

interface WaitingCall<A, B> {
  given: A;
  settle(value: B): void;
  fail(error: unknown): void;
}

/** `run` returns its results in the order of its arguments. */
export function coalesceCalls<A, B>(
  run: (given: A[]) => Promise<B[]>,
  limits: CoalesceLimits,
): (given: A) => Promise<B> {
  const waiting: WaitingCall<A, B>[] = [];
  const { mostWaiting = 20_000 } = limits;
  let running = 0;
  let scheduled = false;

  const settleGroup = async (group: WaitingCall<A, B>[]): Promise<void> => {
    try {
      const answers = await run(group.map(({ given }) => given));
      group.forEach((call, index) => call.settle(answers[index] as B));
    } catch (error) {
      if (group.length === 1 || limits.retryAlone?.(error) !== true)
        for (const call of group) call.fail(error);
      else for (const call of group) await settleGroup([call]);
    }
  };

  const start = (): void => {
    scheduled = false;
    while (waiting.length > 0 && running < limits.groupsAtOnce) {
      running += 1;
      void settleGroup(waiting.splice(0, limits.most)).finally(() => {
        running -= 1;
        start();
      });
    }
  };

  return (given) =>
    new Promise<B>((settle, fail) => {
      if (waiting.length >= mostWaiting)
        return fail(
          new Overloaded(`${waiting.length} calls are already waiting. Try again later.`),
        );
      waiting.push({ given, settle, fail });
      if (scheduled || running >= limits.groupsAtOnce) return undefined;
      scheduled = true;
      // After all requests that this turn of the event loop reads.
      setImmediate(start);
      return undefined;
    });
}
