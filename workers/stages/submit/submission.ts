/**
 * Carries one submission from its committed intent to a job id, exactly once. SubmitJob has no idempotency token:
 * what makes it safe is the intent in the row, a job name that says which submission it is, a look at Batch's listing
 * whenever an answer leaves doubt, and the owner object that fences a twin which shows up late.
 */
import { dueAfter } from '../../../core/stall.ts';
import type { RegisterOutcome, SubmitOutcome } from '../../../aws/batch.ts';
import { LIVE_LOGS_VARIABLE } from '../../../core/container/container.ts';
import { encodeManifest } from '../../../core/submission/manifest.ts';
import { jobName } from '../../../core/submission/packing.ts';
import { definitionName } from '../../../core/container/job-definition.ts';
import {
  inSubmission,
  submissionPrefix,
  SUBMISSION_VARIABLE,
} from '../../../core/files/s3-layout.ts';
import { renderValues } from '../../../core/container/script.ts';
import { decideSubmit } from '../../../core/submission/decide-submit.ts';
import { readAttemptTasks, readOpenAttempts } from '../../../db/attempts.ts';
import {
  claimRegistration,
  forgetRevision,
  readJobDefinition,
  readShape,
  releaseRegistration,
  saveRevision,
  touchDefinition,
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
import { dropCancelled, failSubmission } from '../fail-attempts.ts';
import type { Runtime } from '../../runtime.ts';

export type CarryOutcome = { do: 'done'; next: Nudge[] } | { do: 'wait'; waitMs: number };

const done = (...next: Nudge[]): CarryOutcome => ({ do: 'done', next });

/** Another worker registers the definition: look again soon. */
const REGISTRATION_WAIT_MS = 300;
/** After a throttled or not yet understood call. */
const CALL_AGAIN_MS = 1000;
/** Batch is eventually consistent about new definitions and queues; what it does not know by then is not there. */
const UNKNOWN_FOR_GOOD_MS = 120_000;
/** Stands as the owner of a submission that is not to run. */
const NOBODY = 'cancelled';

export async function carryOn(runtime: Runtime, submission: SubmissionRow): Promise<CarryOutcome> {
  const step = decideSubmit(
    submission,
    { callTimeoutMs: runtime.config.submitTimeoutMs, settleMs: runtime.config.settleMs },
    runtime.nowMs(),
  );
  if (step.do === 'nothing') return done();
  if (step.do === 'wait') return step;
  return step.do === 'find' ? findAfterDoubt(runtime, submission) : call(runtime, submission);
}

async function call(runtime: Runtime, submission: SubmissionRow): Promise<CarryOutcome> {
  const definition = await readJobDefinition(runtime.database.pool, submission.jobDefinitionId);
  if (!definition)
    throw new Error(
      `Submission ${submission.id} names job definition ${submission.jobDefinitionId}, which is not in the database.`,
    );
  const shape = await readShape(runtime.database.pool, submission.shape);
  if (!shape)
    throw new Error(
      `Submission ${submission.id} names shape ${submission.shape}, which is not in the database.`,
    );
  const registered =
    definition.revision === null
      ? await register(runtime, definition)
      : { is: 'registered' as const, revision: definition.revision };
  if (registered.is === 'refused')
    return done(...(await failSubmission(runtime, submission, registered.message)));
  if (registered.is === 'under-way') return { do: 'wait', waitMs: REGISTRATION_WAIT_MS };

  await touchDefinition(runtime.database.pool, definition.id, runtime.nowMs());
  runtime.passCrashPoint('submit.registered');
  await writeManifest(runtime, submission);
  runtime.passCrashPoint('submit.manifest-written');
  // From startCall on, others reckon with an answer within the timeout: waiting for a turn must come before.
  await runtime.batch.takeTurn();
  if (await dropWhereAllCancelled(runtime, submission)) return done();
  const calledMs = runtime.nowMs();
  const dueMs = calledMs + runtime.config.submitTimeoutMs + runtime.config.settleMs;
  if (!(await startCall(runtime.database.pool, { id: submission.id, nowMs: calledMs, dueMs })))
    return done();

  runtime.passCrashPoint('submit.call-started');
  const outcome = await runtime.batch.submit({
    jobName: jobName(submission.submissionKey),
    queue: submission.queue,
    share: shape.share,
    priority: shape.priority,
    jobDefinition: registered.revision,
    size: submission.size,
    environment: {
      [SUBMISSION_VARIABLE]: runtime.workUrl(submissionPrefix(submission.submissionKey)),
      [LIVE_LOGS_VARIABLE]: String(runtime.config.liveLogsMs),
    },
    tags: { 'batchwell:submission': submission.submissionKey },
  });
  runtime.passCrashPoint('submit.call-answered');
  return afterCall(runtime, { ...submission, calledMs, calls: submission.calls + 1 }, outcome);
}

async function afterCall(
  runtime: Runtime,
  submission: SubmissionRow & { calledMs: number },
  outcome: SubmitOutcome,
): Promise<CarryOutcome> {
  if (outcome.is === 'accepted') return accept(runtime, submission, [outcome.jobId]);
  runtime.log.warn(
    { submission: submission.submissionKey, outcome: outcome.is, message: outcome.message },
    'submit-not-accepted',
  );
  const nowMs = runtime.nowMs();

  if (outcome.is === 'ambiguous')
    return { do: 'wait', waitMs: runtime.config.submitTimeoutMs + runtime.config.settleMs };
  const hopeless =
    outcome.is === 'try-later' &&
    outcome.because === 'not-known' &&
    nowMs - submission.createdMs > UNKNOWN_FOR_GOOD_MS;
  if (outcome.is === 'refused' || hopeless)
    return done(...(await failSubmission(runtime, submission, outcome.message)));
  if (outcome.is === 'try-later' && outcome.because === 'not-known')
    await forgetStaleRevision(runtime, submission, outcome.message);
  await takeBackCall(runtime.database.pool, {
    id: submission.id,
    calledMs: submission.calledMs,
    dueMs: dueAfter(nowMs, runtime.config.stallMs),
  });
  return { do: 'wait', waitMs: CALL_AGAIN_MS };
}

/** A definition that Batch does not come to know was deregistered by somebody else: it is registered anew. */
async function forgetStaleRevision(
  runtime: Runtime,
  submission: SubmissionRow,
  message: string,
): Promise<void> {
  const settled = runtime.nowMs() - submission.createdMs > runtime.config.settleMs;
  if (!settled || !/job ?definition/i.test(message)) return;
  const definition = await readJobDefinition(runtime.database.pool, submission.jobDefinitionId);
  if (definition?.revision)
    await forgetRevision(runtime.database.pool, definition.id, definition.revision);
}

/** The answer never came. The job's name tells whether Batch heard it. */
async function findAfterDoubt(runtime: Runtime, submission: SubmissionRow): Promise<CarryOutcome> {
  const found = await runtime.batch.findByName(submission.queue, jobName(submission.submissionKey));
  if (found.length > 0)
    return accept(
      runtime,
      submission,
      found.map(({ jobId }) => jobId),
    );
  const calledMs = submission.calledMs ?? 0;
  const taken = await takeBackCall(runtime.database.pool, {
    id: submission.id,
    calledMs,
    dueMs: dueAfter(runtime.nowMs(), runtime.config.stallMs),
  });
  return taken ? call(runtime, { ...submission, state: 'packed' }) : done();
}

/**
 * Where SubmitJob was called more than once a twin may still show up, so the owner is written before anything else:
 * whoever stands in it runs, and the other changes nothing. No job is ended before the owner is known: a container
 * of any of them may have been the first to write itself there.
 */
async function accept(
  runtime: Runtime,
  submission: SubmissionRow,
  jobIds: readonly string[],
): Promise<CarryOutcome> {
  const [first = ''] = jobIds;
  const owner =
    submission.calls > 1 || jobIds.length > 1
      ? await claimOwner(runtime, submission.submissionKey, first)
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
  return done({ stage: 'poll', message: { queue: submission.queue } });
}

/** Writes the job id as the owner unless one stands there. Returns who owns. */
export async function claimOwner(runtime: Runtime, key: string, jobId: string): Promise<string> {
  const url = runtime.workUrl(submissionPrefix(key) + inSubmission.owner);
  if ((await runtime.objects.put(url, jobId, { ifAbsent: true })) === 'written') return jobId;
  const owner = await runtime.objects.get(url);
  if (!owner)
    throw new Error(`The owner of submission ${key} was refused as existing, yet cannot be read.`);
  return owner.toString('utf8').trim();
}

/** One registration per content across the fleet; `under-way` while another worker does it. */
async function register(
  runtime: Runtime,
  definition: JobDefinitionRow,
): Promise<RegisterOutcome | { is: 'under-way' }> {
  const { pool } = runtime.database;
  const nowMs = runtime.nowMs();
  // A worker that died over it holds it no longer than its messages. Should it live on, two equal revisions do no harm.
  const claim = { id: definition.id, nowMs, untilMs: nowMs + runtime.config.lockMs };
  if (!(await claimRegistration(pool, claim))) {
    const revision = (await readJobDefinition(pool, definition.id))?.revision ?? null;
    return revision === null ? { is: 'under-way' } : { is: 'registered', revision };
  }
  try {
    const outcome = await runtime.batch.register({
      jobDefinitionName: definitionName(definition.content, definition.digest),
      ...definition.content,
      propagateTags: true,
      tags: { 'batchwell:content': definition.digest.toString('hex') },
    });
    if (outcome.is === 'registered') await saveRevision(pool, definition.id, outcome.revision);
    return outcome;
  } finally {
    // Also after a failure, so that the next try need not wait for the claim to lapse. Once there is a revision it is moot.
    await releaseRegistration(pool, claim);
  }
}

/**
 * Nobody wants any of it any more, so it is not submitted at all. A call before may have been heard all the same:
 * with an owner that no job has, its containers change nothing.
 */
async function dropWhereAllCancelled(
  runtime: Runtime,
  submission: SubmissionRow,
): Promise<boolean> {
  const [current] = await readSubmissions(runtime.database.pool, [submission.id]);
  if (!current || current.cancelMs === null) return false;
  const attempts = await readOpenAttempts(runtime.database.pool, [submission.id]);
  if (attempts.some(({ place }) => place !== 'cancelled')) return false;
  if (submission.calls > 0) await claimOwner(runtime, submission.submissionKey, NOBODY);
  await dropCancelled(runtime, submission, attempts);
  return true;
}

/** One wide manifest at a time: of 10,000 tasks it takes a worker some 20 MB, and submit works on 16 messages at once. */
const lastManifest = new WeakMap<Runtime, Promise<void>>();
const WIDE = 1000;

function writeManifest(runtime: Runtime, submission: SubmissionRow): Promise<void> {
  if (submission.size < WIDE) return putManifest(runtime, submission);
  const turn = (lastManifest.get(runtime) ?? Promise.resolve()).then(() =>
    putManifest(runtime, submission),
  );
  lastManifest.set(
    runtime,
    turn.catch(() => undefined),
  );
  return turn;
}

/** The same attempts give the same bytes, so a second write after a crash changes nothing. */
async function putManifest(runtime: Runtime, submission: SubmissionRow): Promise<void> {
  const attempts = await readAttemptTasks(runtime.database.pool, submission.id);
  const templates = await runtime.templates.read(
    runtime.database.pool,
    attempts.map(({ templateId }) => templateId),
  );
  const parts = attempts.map(({ templateId, values, taskId }) => {
    const row = templates.get(templateId);
    if (!row || row.scriptSha256 === null)
      throw new Error(
        `Task ${taskId} is packed, but the script of template ${templateId} is not staged.`,
      );
    return { scriptSha256: row.scriptSha256, values: renderValues(row.template, values) };
  });
  await runtime.objects.put(
    runtime.workUrl(submissionPrefix(submission.submissionKey) + inSubmission.manifest),
    encodeManifest(parts),
  );
}
