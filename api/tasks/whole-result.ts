/** Reads from S3 the whole result record of a task whose row holds only its beginning. */
import { createSlots } from '../../aws/in-parallel.ts';
import { parseWholeRecord } from '../../core/result/whole-record.ts';
import type { AttemptView } from '../../db/attempt-views.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { messageOf } from '../error-message.ts';

/** A record of 100,000 files takes 100 MB while it is read. */
const slots = createSlots(2);

/** The attempt with its whole record; as it is when S3 does not give the record. */
export async function withWholeResult(
  { logObjects, log }: Pick<ApiDependencies, 'logObjects' | 'log'>,
  attempt: AttemptView,
): Promise<AttemptView> {
  const whole = attempt.result?.whole;
  if (!whole) return attempt;
  return slots.run(async () => {
    try {
      const body = await logObjects.readTail(whole.key, whole.bytes);
      const result = body && parseWholeRecord(body, whole);
      return result ? { ...attempt, result } : attempt;
    } catch (error) {
      log.warn(
        { event: 'result-record-not-read', key: whole.key, error: messageOf(error) },
        'result-record-not-read',
      );
      return attempt;
    }
  });
}
