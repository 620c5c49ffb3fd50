/**
 * Submissions that wait until an operator has corrected a permission, credentials or a queue: shown
 * on their tasks, counted, logged, and tried again.
 */
import { denialOf, type Denial } from '../../../aws/answers.ts';
import { dueAfter } from '../../../core/stall.ts';
import { deniedByBatch } from '../../../core/submission/batch-refusal.ts';
import { decideBlocked, type BlockReason } from '../../../core/submission/decide-submit.ts';
import { blockedSentence } from '../../../core/submission/waiting-reason.ts';
import { blockSubmission, type SubmissionRow } from '../../../db/submissions.ts';
import type { AwsWait } from '../../../core/waiting/aws-waits.ts';
import { tellWaiting } from '../tell-waiting.ts';
import type { Nudge } from '../../../queues/messages.ts';
import type { Runtime } from '../../runtime.ts';
import { failSubmission } from '../fail-attempts.ts';

export type CarryOutcome = { do: 'done'; next: Nudge[] } | { do: 'wait'; waitMs: number };

export const blockedFor = (
  runtime: Runtime,
  { blockedMs }: Pick<SubmissionRow, 'blockedMs'>,
): number | null => (blockedMs === null ? null : Math.max(0, runtime.nowMs() - blockedMs));

const kindOfBlock = {
  denied: 'permission',
  'queue-off': 'queue-disabled',
  'not-sent': 'network',
} as const satisfies Record<BlockReason, AwsWait>;

interface Blocked {
  because: BlockReason;
  waitMs: number;
  words: string;
}

/** Shows why it waits, and keeps the sweeper away until it is tried again. */
export async function block(
  runtime: Runtime,
  submission: SubmissionRow,
  { because, waitMs, words }: Blocked,
): Promise<CarryOutcome> {
  const { id, submissionKey } = submission;
  const nowMs = runtime.nowMs();
  const dueMs = dueAfter(nowMs + waitMs, runtime.config.stallMs);
  runtime.log.warn(
    { submission: submissionKey, because, message: words, waitMs },
    'submission-blocked',
  );
  runtime.metrics.submissionsBlocked.inc({ because });
  const waiting = { for: kindOfBlock[because], words: blockedSentence(words) };
  await blockSubmission(runtime.database.pool, { id, waiting, nowMs, dueMs });
  await tellWaiting(runtime, submission, waiting.for);
  return { do: 'wait', waitMs };
}

/** AWS denies a request that the submission needs. */
export async function blockDenied(
  runtime: Runtime,
  submission: SubmissionRow,
  words: string,
): Promise<CarryOutcome> {
  const blockedForMs = blockedFor(runtime, submission);
  const decision = decideBlocked('denied', { blockedForMs, message: words }, runtime.config);
  if (decision.do === 'block') return block(runtime, submission, { ...decision, words });
  return { do: 'done', next: await failDenied(runtime, submission, words) };
}

export const failDenied = (
  runtime: Runtime,
  submission: SubmissionRow,
  words: string,
): Promise<Nudge[]> => failSubmission(runtime, submission, deniedByBatch(submission, words));

/** Those of Batch are counted where they are called. */
export function countS3Denial({ metrics }: Runtime, { service }: Denial): void {
  if (service === 's3') metrics.awsDenied.inc({ service, operation: 'PutObject' });
}

/** A denial blocks the submission; any other error is thrown on. */
export async function blockIfDenied(
  runtime: Runtime,
  submission: SubmissionRow,
  work: () => Promise<CarryOutcome>,
): Promise<CarryOutcome> {
  try {
    return await work();
  } catch (error) {
    const denial = denialOf(error);
    if (denial === undefined) throw error;
    countS3Denial(runtime, denial);
    return blockDenied(runtime, submission, denial.words);
  }
}
