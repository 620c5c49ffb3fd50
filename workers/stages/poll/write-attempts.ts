/** Writes how attempts ended. One whose end cannot be written does not stop the others of its look. */
import { append } from '../../../core/append.ts';
import { describeError } from '../../../core/isolation/whose-fault.ts';
import type { Nudge } from '../../../queues/messages.ts';
import { failureAt, tellFailed } from '../../isolation/fail-tasks.ts';
import { inHalves } from '../../isolation/in-halves.ts';
import { isTaskAtFault, noteHandled } from '../../isolation/may-fail.ts';
import type { Runtime } from '../../runtime.ts';
import { applyPolled, ROWS_PER_TRANSACTION, type PolledAttempt } from './apply.ts';

/** Looks that have to throw before a task fails for it. */
export const LOOKS_IN_TROUBLE = 4;

/** @param unwritten how many looks failed to write the end of an attempt, by array index */
export async function writeAttempts(
  runtime: Runtime,
  polled: readonly PolledAttempt[],
  unwritten: Map<number, number>,
): Promise<{ next: Nudge[]; written: PolledAttempt[] }> {
  const next: Nudge[] = [];
  const written: PolledAttempt[] = [];
  const bad: { item: PolledAttempt; error: unknown }[] = [];
  // One transaction each: what was written before an error has its messages.
  for (let start = 0; start < polled.length; start += ROWS_PER_TRANSACTION) {
    const part = polled.slice(start, start + ROWS_PER_TRANSACTION);
    const halved = await inHalves(part, async (some) => {
      append(next, await applyPolled(runtime, some));
      append(written, some);
    });
    append(bad, halved.bad);
  }
  if (written.length > 0) noteHandled(runtime, 'poll');
  for (const { item, error } of bad) {
    const { arrayIndex, taskId } = item.attempt;
    const looks = (unwritten.get(arrayIndex) ?? 0) + 1;
    unwritten.set(arrayIndex, looks);
    runtime.log.warn({ taskId, looks, error: describeError(error) }, 'attempt-not-written');
    if (looks < LOOKS_IN_TROUBLE || !(await isTaskAtFault(runtime, 'poll'))) continue;
    append(next, await applyPolled(runtime, [asFailed(item, error)]));
    tellFailed(runtime, 'poll', { taskIds: [taskId], error });
    written.push(item);
  }
  return { next, written };
}

/** Without what could not be written. */
const asFailed = ({ attempt }: PolledAttempt, error: unknown): PolledAttempt => ({
  attempt,
  decision: { do: 'fail', failure: failureAt('poll', error) },
  result: undefined,
});
