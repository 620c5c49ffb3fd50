/**
 * The janitor: ends Batch jobs with our name that are no longer needed. A twin that a lost answer
 * left in RUNNABLE for days is fenced once it starts, but until then it holds a place in the queue.
 */
import type { SeenJob } from '../../aws/batch.ts';
import {
  judgeJob,
  type JanitorOutcome,
  type JanitorVerdict,
} from '../../core/submission/is-wanted.ts';
import { submissionKeyOf } from '../../core/submission/packing.ts';
import {
  adoptJob,
  readRecentlyUsedQueues,
  readSubmissionsByKey,
  type SubmissionRow,
} from '../../db/submissions.ts';
import { listActiveJobs } from '../active-jobs.ts';
import { isDatabaseAway } from '../../db/unavailable.ts';
import type { Runtime } from '../runtime.ts';
import { startLoop, type Loop } from './loop.ts';
import { claimOwner } from '../stages/submit/owner.ts';

/** Batch keeps finished jobs for a week; a job that waits longer than that does so on purpose. */
const LATELY_MS = 7 * 24 * 3_600_000;
/** All workers run this loop; one of them looks in each round. */
const LEASE_SHARE = 0.9;

/** Never looks when `janitorMs` is 0. */
export function startJanitor(runtime: Runtime): Loop {
  const { janitorMs, redisPrefix } = runtime.config;
  if (janitorMs === 0) return { close: () => Promise.resolve() };
  return startLoop(runtime, { name: 'janitor', pauseMs: janitorMs }, async () => {
    const leased =
      runtime.queues.redis.status === 'ready' &&
      (await runtime.queues.redis.set(
        `${redisPrefix}:janitor`,
        runtime.nowMs(),
        'PX',
        Math.ceil(janitorMs * LEASE_SHARE),
        'NX',
      )) === 'OK';
    if (leased) await tidy(runtime);
    return 'pause';
  });
}

/**
 * One look at every recently used queue: five list calls each. Each is looked at by itself: a queue
 * that cannot be listed blinds the janitor for that queue alone. Returns the count of each verdict.
 */
export async function tidy(runtime: Runtime): Promise<Record<JanitorVerdict, number>> {
  const found = { wanted: 0, twin: 0, unwanted: 0, orphan: 0 };
  for (const queue of await readRecentlyUsedQueues(
    runtime.database.pool,
    runtime.nowMs() - LATELY_MS,
  ))
    try {
      const outcome = await tidyQueue(runtime, queue, found);
      runtime.metrics.janitorQueues.inc({ outcome });
    } catch (error) {
      if (isDatabaseAway(error)) throw error;
      runtime.metrics.janitorQueues.inc({ outcome: 'failed' });
      runtime.log.error({ queue, err: error }, 'queue-not-tidied');
    }
  return found;
}

/** Adds to what was found. */
async function tidyQueue(
  runtime: Runtime,
  queue: string,
  found: Record<JanitorVerdict, number>,
): Promise<JanitorOutcome> {
  const jobs = await listActiveJobs(runtime.batch, queue);
  if (jobs === 'queue-unknown') {
    runtime.log.warn({ queue }, 'queue-unknown');
    return 'unknown';
  }
  for (const [verdict, count] of Object.entries(await tidyJobs(runtime, jobs))) {
    found[verdict as JanitorVerdict] += count;
    runtime.metrics.janitorJobs.inc({ verdict }, count);
  }
  return 'tidied';
}

async function tidyJobs(
  runtime: Runtime,
  jobs: readonly SeenJob[],
): Promise<Record<JanitorVerdict, number>> {
  const named = jobs.flatMap((job) => {
    const key = submissionKeyOf(runtime.installation, job.name ?? '');
    return key === undefined ? [] : [{ job, key }];
  });
  // Read after the listing: a submission that began since then is not in it.
  const submissions = await readSubmissionsByKey(
    runtime.database.pool,
    named.map(({ key }) => key),
  );
  const found = { wanted: 0, twin: 0, unwanted: 0, orphan: 0 };
  for (const { job, key } of named) {
    const submission = submissions.get(key);
    const verdict = judgeJob(job, submission, {
      nowMs: runtime.nowMs(),
      graceMs: runtime.config.janitorMs,
    });
    found[verdict] += 1;
    if (verdict === 'orphan') await endOrphan(runtime, job);
    else if (submission && verdict !== 'wanted')
      await endUnlessOwner(runtime, submission, { job, verdict });
  }
  return found;
}

export async function endOrphan(runtime: Runtime, { jobId, name }: SeenJob): Promise<void> {
  runtime.log.warn({ jobId, jobName: name }, 'job-of-no-submission');
  await runtime.batch.terminate(jobId, 'Batchwell: no submission knows it.');
}

/**
 * The owner object in S3 says which job runs. That job is the one to poll, whatever the row says.
 */
async function endUnlessOwner(
  runtime: Runtime,
  submission: SubmissionRow,
  { job, verdict }: { job: SeenJob; verdict: JanitorVerdict },
): Promise<void> {
  if (
    verdict === 'twin' &&
    submission.jobId !== null &&
    (await claimOwner(runtime, submission, submission.jobId)) === job.jobId
  ) {
    await adoptJob(runtime.database.pool, {
      id: submission.id,
      jobId: job.jobId,
      was: submission.jobId,
    });
    return;
  }
  runtime.log.warn(
    { submission: submission.submissionKey, jobId: job.jobId, verdict },
    'job-ended-by-janitor',
  );
  await runtime.batch.terminate(
    job.jobId,
    verdict === 'twin'
      ? 'Batchwell: submitted twice; the other job runs.'
      : 'Batchwell: its results are no longer needed.',
  );
}
