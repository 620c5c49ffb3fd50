/**
 * Carries one submission from its committed intent to a job id, exactly once: the one caller of
 * SubmitJob, which has no idempotency token. What makes the call safe is the intent in the row, a
 * job name that says which submission it is, a look at Batch's listing whenever an answer leaves
 * doubt, and the owner object that fences a twin which shows up late.
 */
import { isQueueUnknown } from '../../../aws/answers.ts';
import type { SeenJob } from '../../../aws/batch.ts';
import { REQUESTER_PAYS_VARIABLE } from '../../../core/files/requester-pays.ts';
import { DISK_WAIT_VARIABLE, LIVE_LOGS_VARIABLE } from '../../../core/container/container.ts';
import { SUBMISSION_VARIABLE, submissionPrefix } from '../../../core/files/s3-layout.ts';
import { dueAfter } from '../../../core/stall.ts';
import { decideSubmit, type SubmitPolicy } from '../../../core/submission/decide-submit.ts';
import { jobName } from '../../../core/submission/packing.ts';
import { SECRET_VARIABLE } from '../../../core/submission/proof.ts';
import { readOpenAttempts } from '../../../db/attempts.ts';
import {
  readJobDefinition,
  readShape,
  touchDefinition,
  trustRevision,
  type JobDefinitionRow,
} from '../../../db/job-definitions.ts';
import {
  markSubmitted,
  readSubmissions,
  startCall,
  takeBackCall,
  type SubmissionRow,
} from '../../../db/submissions.ts';
import type { Nudge } from '../../../queues/messages.ts';
import { countMoves } from '../../../telemetry/metrics.ts';
import type { Runtime } from '../../runtime.ts';
import { dropCancelled, failSubmission, refusedByBatch } from '../fail-attempts.ts';
import { scatterField } from '../submission-lines.ts';
import { afterAnswer } from './after-answer.ts';
import { blockDenied, blockIfDenied, type CarryOutcome } from './blocked.ts';
import { claimOwner, NO_JOB } from './owner.ts';
import { registerDefinition } from './register-definition.ts';
import { writeManifest } from './write-manifest.ts';

const done = (next: Nudge[] = []): CarryOutcome => ({ do: 'done', next });

/** Another worker registers the definition: look again soon. */
const REGISTRATION_WAIT_MS = 300;

const policyOf = ({ config }: Runtime): SubmitPolicy => ({
  callTimeoutMs: config.submitTimeoutMs,
  settleMs: config.settleMs,
});

export async function carryOn(runtime: Runtime, submission: SubmissionRow): Promise<CarryOutcome> {
  const decision = decideSubmit(submission, policyOf(runtime), runtime.nowMs());
  if (decision.do === 'nothing') return done();
  if (decision.do === 'wait') return decision;
  return blockIfDenied(runtime, submission, () =>
    decision.do === 'find'
      ? findAfterDoubt(runtime, submission)
      : callWhenReady(runtime, submission),
  );
}

interface JobRequest {
  definition: JobDefinitionRow;
  share: string;
  priority: number;
  tags: Readonly<Record<string, string>>;
}

async function readRequest(
  { database: { pool } }: Runtime,
  { id, jobDefinitionId, shape: shapeHex }: SubmissionRow,
): Promise<JobRequest> {
  const definition = await readJobDefinition(pool, jobDefinitionId);
  if (!definition)
    throw new Error(
      `Submission ${id} names job definition ${jobDefinitionId}, which is not in the database.`,
    );
  const shape = await readShape(pool, shapeHex);
  if (!shape)
    throw new Error(`Submission ${id} names shape ${shapeHex}, which is not in the database.`);
  return { definition, share: shape.share, priority: shape.priority, tags: shape.tags };
}

/** Registers the definition and writes the manifest, then calls. */
async function callWhenReady(runtime: Runtime, submission: SubmissionRow): Promise<CarryOutcome> {
  // Otherwise it would ask AWS for ever for what nobody needs.
  if (submission.blockedMs !== null && (await dropIfAllCancelled(runtime, submission)))
    return done();
  const request = await readRequest(runtime, submission);
  const registered = await registerDefinition(runtime, request.definition);
  if (registered.is === 'refused')
    return done(
      await failSubmission(
        runtime,
        submission,
        refusedByBatch(runtime, submission, { because: 'refused', message: registered.message }),
      ),
    );
  if (registered.is === 'denied') return blockDenied(runtime, submission, registered.message);
  if (registered.is === 'under-way') return { do: 'wait', waitMs: REGISTRATION_WAIT_MS };

  await touchDefinition(runtime.database.pool, request.definition.id, runtime.nowMs());
  runtime.passCrashPoint('submit.registered');
  await writeManifest(runtime, submission);
  runtime.passCrashPoint('submit.manifest-written');
  // From startCall on, others expect an answer within the timeout: the wait for a turn comes
  // before.
  await runtime.batch.takeTurn();
  if (await dropIfAllCancelled(runtime, submission)) return done();
  return call(runtime, submission, { ...request, revision: registered.revision });
}

async function call(
  runtime: Runtime,
  submission: SubmissionRow,
  { revision, share, priority, tags }: JobRequest & { revision: string },
): Promise<CarryOutcome> {
  const { config, database } = runtime;
  const calledMs = runtime.nowMs();
  const dueMs = calledMs + config.submitTimeoutMs + config.settleMs;
  if (!(await startCall(database.pool, { id: submission.id, nowMs: calledMs, dueMs })))
    return done();

  runtime.passCrashPoint('submit.call-started');
  const outcome = await runtime.batch.submit({
    jobName: jobName(submission),
    queue: submission.queue,
    share,
    priority,
    jobDefinition: revision,
    size: submission.size,
    environment: {
      [SUBMISSION_VARIABLE]: runtime.workUrl(submissionPrefix(submission)),
      [SECRET_VARIABLE]: submission.secret.toString('base64url'),
      [LIVE_LOGS_VARIABLE]: String(config.liveLogsMs),
      [DISK_WAIT_VARIABLE]: String(config.diskWaitMs),
      ...(config.requesterPays.length > 0 && {
        [REQUESTER_PAYS_VARIABLE]: config.requesterPays.join(','),
      }),
    },
    tags: { ...tags, 'batchwell:submission': submission.submissionKey },
  });
  runtime.passCrashPoint('submit.call-answered');
  const called = { ...submission, calledMs, calls: submission.calls + 1 };
  if (outcome.is !== 'accepted')
    return afterAnswer(runtime, { submission: called, revision }, outcome);
  await trustRevision(database.pool, submission.jobDefinitionId, revision);
  return accept(runtime, called, [outcome.jobId]);
}

/** The answer never came. Whether Batch has a job of this name tells whether it took the call. */
async function findAfterDoubt(runtime: Runtime, submission: SubmissionRow): Promise<CarryOutcome> {
  const found = await findJobs(runtime, submission);
  if (found.length > 0)
    return accept(
      runtime,
      submission,
      found.map(({ jobId }) => jobId),
    );
  const taken = await takeBackCall(runtime.database.pool, {
    id: submission.id,
    calledMs: submission.calledMs ?? 0,
    dueMs: dueAfter(runtime.nowMs(), runtime.config.stallMs),
  });
  return taken ? callWhenReady(runtime, { ...submission, state: 'packed' }) : done();
}

/** A queue that Batch no longer knows has no jobs: AWS ends them as it deletes it. */
async function findJobs({ batch }: Runtime, submission: SubmissionRow): Promise<SeenJob[]> {
  try {
    return await batch.findByName(submission.queue, jobName(submission));
  } catch (error) {
    if (isQueueUnknown(error)) return [];
    throw error;
  }
}

/**
 * Where SubmitJob was called more than once, a twin may still show up, so the owner is written
 * before anything else: the job that owns the submission runs, and the other changes nothing. No
 * job is ended before the owner is known: a container of any of them may have claimed it first.
 */
async function accept(
  runtime: Runtime,
  submission: SubmissionRow,
  jobIds: readonly string[],
): Promise<CarryOutcome> {
  const [first = ''] = jobIds;
  const owner =
    submission.calls > 1 || jobIds.length > 1
      ? await claimOwner(runtime, submission, first)
      : first;
  for (const jobId of jobIds) {
    if (jobId === owner) continue;
    runtime.log.warn({ submission: submission.submissionKey, jobId, owner }, 'twin-ended');
    await runtime.batch.terminate(jobId, 'Batchwell: submitted twice; the other job runs.');
  }
  const nowMs = runtime.nowMs();
  const moved = await markSubmitted(runtime.database, {
    id: submission.id,
    jobId: owner,
    nowMs,
    dueMs: dueAfter(nowMs, runtime.config.stallMs),
  });
  runtime.passCrashPoint('submit.submitted');
  countMoves(runtime.metrics, 'submit', { submitted: moved });
  runtime.metrics.submissions.inc({ kind: submission.size > 1 ? 'array' : 'single' });
  runtime.metrics.submissionTasks.observe(submission.size);
  runtime.log.info(
    {
      submission: submission.submissionKey,
      job: owner,
      owner: submission.owner,
      queue: submission.queue,
      tasks: submission.size,
      packedForMs: nowMs - submission.createdMs,
      ...(await scatterField(runtime, submission.id)),
    },
    'submission-submitted',
  );
  return done([{ stage: 'poll', message: { queue: submission.queue } }]);
}

/**
 * A submission whose tasks were all cancelled is not submitted. A call before may have reached
 * Batch all the same: with an owner that no job has, its containers change nothing.
 */
async function dropIfAllCancelled(runtime: Runtime, submission: SubmissionRow): Promise<boolean> {
  const [current] = await readSubmissions(runtime.database.pool, [submission.id]);
  if (!current || current.cancelMs === null) return false;
  const attempts = await readOpenAttempts(runtime.database.pool, [submission.id]);
  if (attempts.some(({ place }) => place !== 'cancelled')) return false;
  if (submission.calls > 0) await claimOwner(runtime, submission, NO_JOB);
  await dropCancelled(runtime, submission, attempts);
  return true;
}
