/**
 * Whether the numbers of a result record can be shown and stored. The record comes from a task's container: what reads
 * it must not throw for a whole chunk because of one number.
 */
import type { ExecutorResult, ResultRecord, UploadedFile } from './result.ts';

/** The last moment that a Date can hold. */
const LAST_MS = 8_640_000_000_000_000;
const LARGEST_EXIT_CODE = 255;
/** Of a position in a task's outputs: its column is an INT. */
const LARGEST_POSITION = 2 ** 31 - 1;
/** As the columns of the call cache hold them. */
const LONGEST_CRC64 = 16;
const LONGEST_ETAG = 80;

const isMoment = (ms: number): boolean => ms >= 0 && ms <= LAST_MS;

const goodExecutor = ({ exitCode, startedMs, endedMs }: ExecutorResult): boolean =>
  exitCode <= LARGEST_EXIT_CODE && isMoment(startedMs) && isMoment(endedMs);

const goodOutput = ({ output, crc64nvme, etag }: UploadedFile): boolean =>
  output <= LARGEST_POSITION && crc64nvme.length <= LONGEST_CRC64 && etag.length <= LONGEST_ETAG;

/** The first field with a value that no stager writes; undefined when there is none. */
export function implausibleField(record: ResultRecord): string | undefined {
  const { startedMs, endedMs, executors, outputs, missingOutputs } = record;
  if (!isMoment(startedMs)) return 'startedMs';
  if (!isMoment(endedMs)) return 'endedMs';
  if (!executors.every(goodExecutor)) return 'executors';
  if (!outputs.every(goodOutput)) return 'outputs';
  return missingOutputs.every((position) => position <= LARGEST_POSITION)
    ? undefined
    : 'missingOutputs';
}
