/** Reads from S3 the result records of which rows hold only the beginning. */
import { failureOf, type Failure } from '../../../core/retry/failures.ts';
import { parseWholeRecord } from '../../../core/result/whole-record.ts';
import type { ResultRecord, StoredRecord } from '../../../core/result/result.ts';
import type { Runtime } from '../../runtime.ts';

/** A failure when the record is no longer what poll read. Throws when S3 does not answer. */
export async function readWholeRecord(
  { objects, workUrl }: Runtime,
  stored: StoredRecord,
): Promise<ResultRecord | { failure: Failure }> {
  const { whole } = stored;
  if (!whole) return stored;
  const url = workUrl(whole.key);
  const body = await objects.get(url);
  const record = body && parseWholeRecord(body, whole);
  if (record) return record;
  const what = body ? 'has been changed since it was read' : 'no longer exists';
  return { failure: failureOf('result-missing', `The result record ${url} ${what}.`) };
}
