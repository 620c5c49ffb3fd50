/** Reads the result records of a submission: facts only, no decisions. */
import { createHash } from 'node:crypto';
import type { SeenObject } from '../../../aws/s3.ts';
import { openResultBody } from '../../../core/result/result-body.ts';
import { decodeResultKey, firstKeyAt, indexOfKey } from '../../../core/result/result-key.ts';
import type { SeenResult, StoredRecord } from '../../../core/result/result.ts';
import { LARGEST_RECORD_BYTES, toStore } from '../../../core/result/stored-record.ts';
import { parseS3Url } from '../../../core/files/s3-url.ts';
import { inSubmission, submissionPrefix } from '../../../core/files/s3-layout.ts';
import type { SubmissionRow } from '../../../db/submissions.ts';
import {
  decodeStartKey,
  isStartKey,
  isUnknownHint,
  type SeenStart,
} from '../../../core/result/start-key.ts';
import { isObjectAtFault } from '../../object-fault.ts';
import type { Runtime } from '../../runtime.ts';

export interface ResultsWanted {
  /** Records that ended at this time or later, by the clocks of their hosts; 0 for all. */
  fromMs: number;
  /** Array indexes whose records are applied already: they are listed again, but not decoded. */
  known?: ReadonlySet<number>;
  /** Called for each page that was listed. */
  onPage?: () => void;
  /** Called for each start in the listing. */
  onStart?: (start: SeenStart) => void;
}

const NONE: ReadonlySet<number> = new Set();

/**
 * The result records from `fromMs` on by array index, one page of the listing (1,000) at a time.
 * Records too long for a key are fetched. What carries no proof of the submission is reported, and
 * otherwise as if it were not there.
 */
export async function* readResultRecords(
  runtime: Runtime,
  submission: SubmissionRow,
  { fromMs, known = NONE, onPage, onStart }: ResultsWanted,
): AsyncGenerator<Map<number, SeenResult>> {
  const folderKey = submissionPrefix(submission) + inSubmission.results;
  const folder = runtime.workUrl(folderKey);
  for await (const page of runtime.objects.list(folder, startingAt(folder, fromMs))) {
    runtime.metrics.pollRequests.inc({ service: 's3' });
    onPage?.();
    const { results, unproven } = readPage(submission.secret, page, { folder, known, onStart });
    const latest = new Map<number, SeenResult>();
    for (const { object, seen } of results) {
      if ((latest.get(seen.index)?.attempt ?? 0) > seen.attempt) continue;
      const long = { object, key: folderKey + object.url.slice(folder.length), seen };
      const whole =
        seen.record || seen.isNewer ? seen : await fetchResult(runtime, submission, long);
      latest.set(seen.index, whole);
    }
    reportUnproven(runtime, submission, unproven);
    reportNewer(runtime, submission, [...latest.values()].filter(({ isNewer }) => isNewer).length);
    yield latest;
  }
}

interface PageRead {
  results: { object: SeenObject; seen: SeenResult }[];
  /** URLs of objects that no stager of this submission wrote. */
  unproven: string[];
}

function readPage(
  secret: Buffer,
  page: readonly SeenObject[],
  wanted: { folder: string; known: ReadonlySet<number>; onStart: ResultsWanted['onStart'] },
): PageRead {
  const read: PageRead = { results: [], unproven: [] };
  for (const object of page) {
    const tail = object.url.slice(wanted.folder.length);
    if (wanted.known.has(indexOfKey(tail))) continue;
    const seen = readKey(secret, tail);
    if (!seen && isUnknownHint(secret, tail)) continue;
    if (!seen) read.unproven.push(object.url);
    else if ('startedMs' in seen) wanted.onStart?.(seen);
    else read.results.push({ object, seen });
  }
  return read;
}

const readKey = (secret: Buffer, tail: string): SeenResult | SeenStart | undefined =>
  isStartKey(tail) ? decodeStartKey(secret, tail) : decodeResultKey(secret, tail);

const startingAt = (folder: string, fromMs: number): { startAfterKey?: string } =>
  fromMs === 0 ? {} : { startAfterKey: (parseS3Url(folder)?.key ?? '') + firstKeyAt(fromMs) };

interface LongRecord {
  object: SeenObject;
  /** Relative to the prefix of the work bucket. */
  key: string;
  seen: SeenResult;
}

async function fetchResult(
  runtime: Runtime,
  submission: SubmissionRow,
  long: LongRecord,
): Promise<SeenResult> {
  const record = await fetchRecord(runtime, submission, long);
  return { ...long.seen, ...(record === 'newer' ? { isNewer: true } : record && { record }) };
}

/**
 * Keeps of the record what its row keeps: 1,000 whole ones are not held at once.
 *
 * Undefined for one that cannot be read, or carries no proof: then what Batch says decides about
 * this one attempt, and the others of its queue go on.
 */
async function fetchRecord(
  runtime: Runtime,
  submission: SubmissionRow,
  { object: { url, sizeBytes }, key, seen: { index, attempt } }: LongRecord,
): Promise<StoredRecord | 'newer' | undefined> {
  const unreadable = (error: unknown): undefined =>
    void runtime.log.error({ url, err: error }, 'result-record-unreadable');
  // A stager writes none this long; the JSON has a little more around it.
  if (sizeBytes > 2 * LARGEST_RECORD_BYTES)
    return unreadable(new Error(`It has ${sizeBytes} bytes.`));
  const body = await runtime.objects.get(url).catch(async (error: unknown) => {
    if (!(await isObjectAtFault(runtime, url, error))) throw error;
    return undefined;
  });
  if (!body) return unreadable(new Error('It was listed, but it cannot be read.'));
  try {
    const recorded = { secret: submission.secret, index, attempt };
    const record = openResultBody(recorded, body.toString('utf8'));
    if (!record) {
      reportUnproven(runtime, submission, [url]);
      return undefined;
    }
    if (record === 'newer') return record;
    const sha256 = createHash('sha256').update(body).digest('hex');
    return toStore(record, { key, bytes: body.length, sha256 });
  } catch (error) {
    return unreadable(error);
  }
}

/** The attempts wait for a worker that can read them: the hosts were upgraded before the workers, or the workers went back. */
function reportNewer(
  { log, metrics }: Runtime,
  { submissionKey }: SubmissionRow,
  count: number,
): void {
  if (count === 0) return;
  metrics.newerForms.inc({ of: 'record' }, count);
  log.error({ submission: submissionKey, count }, 'record-of-newer-version');
}

/** One line for all of them: whoever writes there may write much. */
function reportUnproven(
  { log, metrics }: Runtime,
  { submissionKey }: SubmissionRow,
  urls: readonly string[],
): void {
  const [url] = urls;
  if (url === undefined) return;
  metrics.unprovenObjects.inc({ kind: 'result' }, urls.length);
  log.error({ submission: submissionKey, url, count: urls.length }, 'unproven-object');
}
