/** Reads from S3 the result records of which rows hold only the beginning. */
import { failureOf, type Failure } from '../../../core/retry/failures.ts';
import { parseWholeRecord } from '../../../core/result/whole-record.ts';
import type { ResultRecord, StoredRecord } from '../../../core/result/result.ts';
import { isObjectAtFault } from '../../object-fault.ts';
import type { Runtime } from '../../runtime.ts';

/** A failure when the record is no longer what poll read. Throws when S3 does not answer. */
export async function readWholeRecord(
  runtime: Runtime,
  stored: StoredRecord,
): Promise<ResultRecord | { failure: Failure }> {
  const { whole } = stored;
  if (!whole) return stored;
  const url = runtime.workUrl(whole.key);
  // A longer one is another.
  const found = await runtime.objects
    .read(url, { mostBytes: whole.bytes })
    .catch(async (error: unknown) => {
      if (!(await isObjectAtFault(runtime, url, error))) throw error;
      return { body: Buffer.alloc(0) };
    });
  const record = found && parseWholeRecord(found.body, whole);
  if (record) return record;
  const what = found ? 'has been changed since it was read' : 'no longer exists';
  return { failure: failureOf('result-missing', `The result record ${url} ${what}.`) };
}
