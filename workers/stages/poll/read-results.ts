/** Reads the result records of a submission: facts only, no decisions. */
import { parseResultBody } from '../../../core/result/result-body.ts';
import { decodeResultKey } from '../../../core/result/result-key.ts';
import type { SeenResult } from '../../../core/result/result.ts';
import { parseS3Url } from '../../../core/files/s3-url.ts';
import { inSubmission, submissionPrefix } from '../../../core/files/s3-layout.ts';
import { resultsFrom } from '../../../core/submission/poll-pace.ts';
import type { SubmissionRow } from '../../../db/submissions.ts';
import type { Runtime } from '../../runtime.ts';

export interface ResultsWanted {
  /** Records from this array index on. */
  firstOpen: number;
  /** Array indexes whose records are applied already: they are listed again, but not decoded. */
  known?: ReadonlySet<number>;
  /** Called for each page that was listed. */
  onPage?: () => void;
}

const NONE: ReadonlySet<number> = new Set();

/**
 * The result records from `firstOpen` on by array index, one page of the listing (1,000) at a time.
 * Records too long for a key are fetched.
 */
export async function* readResultRecords(
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
    // As if it were not there: then what Batch says decides about this one attempt, and the others
    // of its queue go on.
    runtime.log.error({ url, err: error }, 'result-record-unreadable');
    return seen;
  }
}
