/** Looks at Batch and at the result records: facts only, no decisions. */
import type { SeenJob } from '../../../aws/batch.ts';
import { parseResultBody } from '../../../core/result/result-body.ts';
import { decodeResultKey } from '../../../core/result/result-key.ts';
import type { SeenResult } from '../../../core/result/result.ts';
import { parseS3Url } from '../../../core/files/s3-url.ts';
import { inSubmission, submissionPrefix } from '../../../core/files/s3-layout.ts';
import {
  activeStatuses,
  looksByListing,
  resultsFrom,
} from '../../../core/submission/queue-look.ts';
import type { SubmissionRow } from '../../../db/submissions.ts';
import type { Runtime } from '../../runtime.ts';

/** The jobs of running submissions, by job id. One request for up to 100 of them. */
export async function seeJobs(
  runtime: Runtime,
  queue: string,
  running: readonly SubmissionRow[],
): Promise<Map<string, SeenJob>> {
  const jobIds = running.flatMap(({ jobId }) => (jobId === null ? [] : [jobId]));
  const seen = new Map<string, SeenJob>();
  if (looksByListing(jobIds.length)) {
    for (const status of activeStatuses) {
      for (const job of await runtime.batch.list({ queue }, status)) seen.set(job.jobId, job);
      runtime.metrics.pollRequests.inc({ service: 'batch' });
    }
  }
  const rest = jobIds.filter((id) => !seen.has(id));
  for (const job of await runtime.batch.describe(rest)) seen.set(job.jobId, job);
  runtime.metrics.pollRequests.inc({ service: 'batch' }, Math.ceil(rest.length / 100));
  return seen;
}

/** Children of an array that failed, by index; of a single job, itself. */
export async function seeFailed(
  runtime: Runtime,
  submission: SubmissionRow,
  job: SeenJob,
): Promise<Map<number, SeenJob>> {
  if (submission.size === 1) return new Map(job.status === 'FAILED' ? [[0, job]] : []);
  const failed = await runtime.batch.list({ arrayJobId: job.jobId }, 'FAILED');
  runtime.metrics.pollRequests.inc({ service: 'batch' });
  return new Map(
    failed.flatMap((child) => (child.index === undefined ? [] : [[child.index, child]])),
  );
}

export interface ResultsWanted {
  /** Records from this array index on. */
  firstOpen: number;
  /** Array indexes whose records have been dealt with: they are listed again, but not decoded. */
  known?: ReadonlySet<number>;
  /** Called for each page that was listed. */
  onPage?: () => void;
}

const NONE: ReadonlySet<number> = new Set();

/**
 * The result records from `firstOpen` on by array index, a listing's page (1,000) at a time. Records too long for a key are
 * fetched.
 */
export async function* seeResults(
  runtime: Runtime,
  submission: SubmissionRow,
  { firstOpen, known = NONE, onPage }: ResultsWanted,
): AsyncGenerator<Map<number, SeenResult>> {
  const folder = runtime.workUrl(submissionPrefix(submission.submissionKey) + inSubmission.results);
  for await (const page of runtime.objects.list(folder, startingAt(folder, firstOpen))) {
    runtime.metrics.pollRequests.inc({ service: 's3' });
    onPage?.();
    const latest = new Map<number, SeenResult>();
    for (const { url } of page) {
      const tail = url.slice(folder.length);
      if (known.has(Number.parseInt(tail, 10))) continue;
      const result = decodeResultKey(tail);
      if (!result || (latest.get(result.index)?.attempt ?? 0) > result.attempt) continue;
      latest.set(result.index, result.record ? result : await fetchResult(runtime, url, result));
    }
    yield latest;
  }
}

function startingAt(folder: string, firstOpen: number): { startAfterKey?: string } {
  const after = resultsFrom(firstOpen);
  return after === undefined ? {} : { startAfterKey: (parseS3Url(folder)?.key ?? '') + after };
}

async function fetchResult(runtime: Runtime, url: string, seen: SeenResult): Promise<SeenResult> {
  const body = await runtime.objects.get(url);
  if (!body) throw new Error(`The result record ${url} was listed but cannot be read.`);
  try {
    return { ...seen, record: parseResultBody(JSON.parse(body.toString('utf8'))) };
  } catch (error) {
    // As if it were not there: then Batch's word decides about this one attempt, and the others of its queue go on.
    runtime.log.error({ url, err: error }, 'result-record-unreadable');
    return seen;
  }
}
