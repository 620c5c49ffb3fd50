/**
 * Joins calls that come at about the same time: one statement for many costs a fraction of many statements. A call
 * never waits for company: it waits only while `groupsAtOnce` groups are under way, and goes with all that came meanwhile.
 */
export interface CoalesceLimits {
  groupsAtOnce: number;
  /** Calls in one group. */
  most: number;
  /** Calls that may wait; more are refused with Overloaded, since what waits is held in memory. */
  mostWaiting?: number;
  /** Errors after which each call of the group is made alone, so that one bad call does not fail the others. */
  tryAlone?: (error: unknown) => boolean;
}

/** The call was not made; it may be tried again later. */
export class Overloaded extends Error {
  override readonly name = 'Overloaded';
}

interface WaitingCall<A, B> {
  given: A;
  settle(value: B): void;
  fail(error: unknown): void;
}

/** `run` answers in the order of what it is given. */
export function coalesceCalls<A, B>(
  run: (given: A[]) => Promise<B[]>,
  limits: CoalesceLimits,
): (given: A) => Promise<B> {
  const waiting: WaitingCall<A, B>[] = [];
  const { mostWaiting = 20_000 } = limits;
  let underWay = 0;
  let scheduled = false;

  const settleGroup = async (group: WaitingCall<A, B>[]): Promise<void> => {
    try {
      const answers = await run(group.map(({ given }) => given));
      group.forEach((call, index) => call.settle(answers[index] as B));
    } catch (error) {
      if (group.length === 1 || limits.tryAlone?.(error) !== true)
        for (const call of group) call.fail(error);
      else for (const call of group) await settleGroup([call]);
    }
  };

  const start = (): void => {
    scheduled = false;
    while (waiting.length > 0 && underWay < limits.groupsAtOnce) {
      underWay += 1;
      void settleGroup(waiting.splice(0, limits.most)).finally(() => {
        underWay -= 1;
        start();
      });
    }
  };

  return (given) =>
    new Promise<B>((settle, fail) => {
      if (waiting.length >= mostWaiting)
        return fail(new Overloaded(`${waiting.length} calls wait already.`));
      waiting.push({ given, settle, fail });
      if (scheduled || underWay >= limits.groupsAtOnce) return undefined;
      scheduled = true;
      // After the requests that the same turn of the event loop still reads.
      setImmediate(start);
      return undefined;
    });
}
