/** submit: ready attempts become submissions, and each submission becomes exactly one job. */
import { randomBytes } from 'node:crypto';
import { append } from '../../../core/append.ts';
import { dueAfter } from '../../../core/stall.ts';
import { ownerLimits } from '../../../core/access/owner-limits.ts';
import { decidePack } from '../../../core/submission/packing.ts';
import { concernsAll, describeError } from '../../../core/isolation/whose-fault.ts';
import { readShape } from '../../../db/job-definitions.ts';
import { SECRET_BYTES } from '../../../core/submission/proof.ts';
import { packSubmission, readReady, type DrawnSubmission } from '../../../db/packing.ts';
import { readSubmissions } from '../../../db/submissions.ts';
import type { Messages, Nudge } from '../../../queues/messages.ts';
import type { Runtime, StageOutcome } from '../../runtime.ts';
import { carryOn } from './call-submit-job.ts';

/** Owners at their limit get room as their attempts end, of which their shapes are not notified. */
const ROOM_WAIT_MS = 1000;
/** As long as the queue waits before it retries a message for the first time. */
const CARRY_ON_AGAIN_MS = 500;

export function submit(runtime: Runtime, message: Messages['submit']): Promise<StageOutcome> {
  return 'shape' in message
    ? packAndSubmit(runtime, message.shape)
    : carryOnAll(runtime, message.submissions);
}

async function packAndSubmit(runtime: Runtime, shapeHex: string): Promise<StageOutcome> {
  const { pool } = runtime.database;
  const { arraySize, packIdleMs, packLongestMs, stallMs, ownerLimit } = runtime.config;
  const limitOf = ownerLimits(ownerLimit, runtime.config.ownerLimits);
  const shape = await readShape(pool, shapeHex);
  if (!shape)
    throw new Error(
      `Shape ${shapeHex} is not in the database; it is written before any message names it.`,
    );

  let handled = 0;
  for (;;) {
    const nowMs = runtime.nowMs();
    const ready = await readReady(pool, shapeHex, arraySize, nowMs);
    const decision = decidePack(
      ready,
      { arraySize, idleMs: packIdleMs, longestMs: packLongestMs },
      nowMs,
    );
    if (decision.do === 'wait') return { do: 'wait', waitMs: decision.waitMs, handled };
    if (decision.do === 'nothing') return { do: 'done', handled };
    const id = await packSubmission(runtime.database, {
      shape,
      drawn: drawSubmission(runtime),
      most: arraySize,
      limitOf,
      nowMs,
      dueMs: dueAfter(nowMs, stallMs),
    });
    if (id === undefined) return limitOf ? { do: 'wait', waitMs: ROOM_WAIT_MS } : { do: 'done' };
    runtime.passCrashPoint('submit.packed');
    // At once: should a later array fail, the earlier ones are polled all the same.
    const carried = await carryOnPacked(runtime, id);
    handled += carried.handled;
    await runtime.queues.nudge(carried.next);
  }
}

/** At random, so that no other database, and no task, can know or repeat them. */
const drawSubmission = ({ installation }: Runtime): DrawnSubmission => ({
  installation,
  submissionKey: randomBytes(16).toString('hex'),
  secret: randomBytes(SECRET_BYTES),
});
interface Carried {
  do: 'done';
  next: Nudge[];
  /** Submissions that did not throw. */
  handled: number;
}

/**
 * After an error, a message of its own: the next message of the shape no longer finds its attempts.
 */
async function carryOnPacked(runtime: Runtime, id: number): Promise<Carried> {
  try {
    return await carryOnAll(runtime, [id]);
  } catch (error) {
    const own: Nudge = { stage: 'submit', message: { submissions: [id] } };
    await runtime.queues.nudge([own], CARRY_ON_AGAIN_MS);
    if (concernsAll(error)) throw error;
    // Of this submission alone: the other arrays of the shape do not wait for it.
    runtime.log.warn({ submissionId: id, error: describeError(error) }, 'submission-put-off');
    return { do: 'done', next: [], handled: 0 };
  }
}

/** Submissions that have to wait get a message of their own, so that none holds up the others. */
async function carryOnAll(runtime: Runtime, ids: readonly number[]): Promise<Carried> {
  const submissions = await readSubmissions(runtime.database.pool, ids);
  const next: Nudge[] = [];
  const waiting = new Map<number, number>();
  for (const submission of submissions) {
    const outcome = await carryOn(runtime, submission);
    if (outcome.do === 'wait') waiting.set(submission.id, outcome.waitMs);
    else append(next, outcome.next);
  }
  for (const [id, waitMs] of waiting)
    await runtime.queues.nudge([{ stage: 'submit', message: { submissions: [id] } }], waitMs);
  return { do: 'done', next, handled: submissions.length };
}
