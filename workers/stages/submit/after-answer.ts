/** What follows when Batch did not take a job: the row goes back, and its definition is judged. */
import type { AwsAnswer } from '../../../core/submission/batch-answer.ts';
import { dueAfter } from '../../../core/stall.ts';
import {
  decideAfterCall,
  type AfterCallDecision,
  type AnswerFacts,
  type Unaccepted,
} from '../../../core/submission/decide-submit.ts';
import { doubtRevision, forgetRevision, readJobDefinition } from '../../../db/job-definitions.ts';
import {
  noteWaiting,
  takeBackCall,
  unblockSubmission,
  type SubmissionRow,
} from '../../../db/submissions.ts';
import { tellWaiting } from '../tell-waiting.ts';
import type { Runtime } from '../../runtime.ts';
import { failSubmission, refusedByBatch } from '../fail-attempts.ts';
import { block, blockedFor, failDenied, type CarryOutcome } from './blocked.ts';

export interface AnsweredCall {
  submission: SubmissionRow & { calledMs: number };
  /** The revision that the call named. */
  revision: string;
}

export async function afterAnswer(
  runtime: Runtime,
  called: AnsweredCall,
  answer: Unaccepted,
): Promise<CarryOutcome> {
  const { submission } = called;
  runtime.log.warn(
    {
      submission: submission.submissionKey,
      outcome: answer.is,
      because: answer.because,
      message: answer.message,
    },
    'submit-not-accepted',
  );
  const facts = await gatherFacts(runtime, called);
  const { config } = runtime;
  const decision = decideAfterCall(answer, facts, {
    callTimeoutMs: config.submitTimeoutMs,
    settleMs: config.settleMs,
    definitionLagMs: config.definitionLagMs,
    deniedWaitMs: config.deniedWaitMs,
  });
  if (decision.do === 'wait') return decision;
  if (decision.do === 'fail')
    return {
      do: 'done',
      next: await failSubmission(
        runtime,
        submission,
        refusedByBatch(runtime, submission, { ...answer, message: decision.message }),
      ),
    };
  if (decision.do === 'give-up')
    return { do: 'done', next: await failDenied(runtime, submission, decision.message) };
  return callAgain(runtime, called, { decision, words: answer.message, because: answer.because });
}

async function gatherFacts(
  runtime: Runtime,
  { submission, revision }: AnsweredCall,
): Promise<AnswerFacts> {
  const row = await readJobDefinition(runtime.database.pool, submission.jobDefinitionId);
  const nowMs = runtime.nowMs();
  const unknownMs = row?.unknownMs ?? null;
  return {
    calls: submission.calls,
    blockedForMs: blockedFor(runtime, submission),
    definition: {
      revision,
      isCurrent: row?.revision === revision,
      // One that was registered before this was stored is long known.
      registeredForMs: nowMs - (row?.registeredMs ?? 0),
      registrations: row?.registrations ?? 0,
      unknownForMs: unknownMs === null ? null : nowMs - unknownMs,
    },
  };
}

interface CallAgain {
  because: AwsAnswer;
  decision: Extract<AfterCallDecision, { do: 'block' | 'call-again' }>;
  words: string;
}

/** Batch has certainly not taken the job, so the row goes back to `packed`. */
async function callAgain(
  runtime: Runtime,
  { submission, revision }: AnsweredCall,
  { decision, words, because }: CallAgain,
): Promise<CarryOutcome> {
  const { pool } = runtime.database;
  const { id, calledMs, jobDefinitionId, blockedMs } = submission;
  const { waitMs } = decision;
  if (decision.do === 'call-again') {
    const { definition } = decision;
    const nowMs = runtime.nowMs();
    if (definition === 'forget') await forgetRevision(pool, jobDefinitionId, revision);
    if (definition === 'doubt') await doubtRevision(pool, { id: jobDefinitionId, revision, nowMs });
  }
  const dueMs = dueAfter(runtime.nowMs() + waitMs, runtime.config.stallMs);
  await takeBackCall(pool, { id, calledMs, dueMs });
  if (decision.do === 'block') return block(runtime, submission, { ...decision, words });
  if (blockedMs !== null) await unblockSubmission(pool, id);
  const kind = because === 'throttled' ? 'throttling' : 'settling';
  await noteWaiting(pool, id, { for: kind, words }, runtime.nowMs());
  await tellWaiting(runtime, submission, kind);
  return { do: 'wait', waitMs };
}
