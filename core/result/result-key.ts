/**
 * The result record as a key: `<index>.<attempt>.<base64url of a JSON array>`, relative to the
 * submission's `results/`. It is an array, not an object: a key has at most 1,024 bytes in S3, and
 * names would take a third of them.
 */
import type {
  ExecutorResult,
  ResultRecord,
  SeenResult,
  StagerError,
  UploadedFile,
} from './result.ts';
import { indexInKey } from '../files/s3-layout.ts';

/** S3 allows 1,024 bytes; 300 are reserved for what comes before `results/`. */
const LONGEST_TAIL_BYTES = 1_024 - 300 - 'results/'.length;
const LONG = 'long';
const FORM = 1;

/** Starts are relative to the record's own start, so that they stay short. */
function pack(record: ResultRecord): unknown[] {
  const executors = record.executors.map((one) => [
    one.exitCode,
    one.startedMs - record.startedMs,
    one.endedMs - one.startedMs,
  ]);
  const outputs = record.outputs.map((file) => [
    file.output,
    file.path,
    file.sizeBytes,
    file.crc64nvme,
  ]);
  const error =
    record.error === undefined
      ? []
      : [
          [
            record.error.kind,
            record.error.subject,
            record.error.message,
            ...(record.error.transient ? [true] : []),
          ],
        ];
  return [
    FORM,
    record.startedMs,
    record.endedMs - record.startedMs,
    executors,
    outputs,
    record.missingOutputs,
    record.inputsModifiedMs ?? null,
    ...error,
  ];
}

/** @param attempt from 1 */
export function encodeResultKey(index: number, attempt: number, record: ResultRecord): string {
  const head = `${indexInKey(index)}.${attempt}.`;
  const whole = head + Buffer.from(JSON.stringify(pack(record))).toString('base64url');
  return whole.length <= LONGEST_TAIL_BYTES ? whole : head + LONG;
}

const isList = (value: unknown): value is unknown[] => Array.isArray(value);
const isCount = (value: unknown): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value);

/** All or nothing: one wrong item makes the whole list wrong. */
function each<T>(list: unknown, parse: (item: unknown) => T | undefined): T[] | undefined {
  if (!isList(list)) return undefined;
  const parsed: T[] = [];
  for (const item of list) {
    const one = parse(item);
    if (one === undefined) return undefined;
    parsed.push(one);
  }
  return parsed;
}

const unpackExecutor =
  (startedMs: number) =>
  (item: unknown): ExecutorResult | undefined => {
    if (!isList(item)) return undefined;
    const [exitCode, start, duration] = item;
    if (!isCount(exitCode) || !isCount(start) || !isCount(duration)) return undefined;
    return { exitCode, startedMs: startedMs + start, endedMs: startedMs + start + duration };
  };

function fileOf(
  output: unknown,
  path: unknown,
  sizeBytes: unknown,
  crc64nvme: unknown,
): UploadedFile | undefined {
  if (
    !isCount(output) ||
    typeof path !== 'string' ||
    !isCount(sizeBytes) ||
    typeof crc64nvme !== 'string'
  )
    return undefined;
  return { output, path, sizeBytes, crc64nvme };
}

function errorOf([kind, subject, message, transient]: readonly unknown[]): StagerError | undefined {
  if (kind !== 'input' && kind !== 'output' && kind !== 'script') return undefined;
  if (typeof subject !== 'string' || typeof message !== 'string') return undefined;
  return { kind, subject, message, ...(transient === true && { transient }) };
}

const unpackFile = (item: unknown): UploadedFile | undefined =>
  isList(item) ? fileOf(item[0], item[1], item[2], item[3]) : undefined;

const countOf = (item: unknown): number | undefined => (isCount(item) ? item : undefined);

/** Undefined when there is an error of another form. */
function unpackError(item: unknown): Pick<ResultRecord, 'error'> | undefined {
  if (item === undefined) return {};
  const error = isList(item) ? errorOf(item) : undefined;
  return error && { error };
}

const isTimeOrNull = (value: unknown): value is number | null => value === null || isCount(value);

function unpack(packed: unknown): ResultRecord | undefined {
  if (!isList(packed)) return undefined;
  const [
    form,
    startedMs,
    duration,
    executorList,
    outputList,
    missingList,
    inputsModifiedMs,
    errorList,
  ] = packed;
  if (form !== FORM || !isCount(startedMs) || !isCount(duration) || !isTimeOrNull(inputsModifiedMs))
    return undefined;
  const executors = each(executorList, unpackExecutor(startedMs));
  const outputs = each(outputList, unpackFile);
  const missingOutputs = each(missingList, countOf);
  const failed = unpackError(errorList);
  if (!executors || !outputs || !missingOutputs || !failed) return undefined;
  return {
    startedMs,
    endedMs: startedMs + duration,
    executors,
    outputs,
    missingOutputs,
    ...(inputsModifiedMs !== null && { inputsModifiedMs }),
    ...failed,
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * What a key under `results/` says. Undefined for a key that no stager writes; never throws.
 * The record is absent when it did not fit: read the object's body with `parseResultBody`.
 */
export function decodeResultKey(keyTail: string): SeenResult | undefined {
  const match = /^(\d{5,})\.([1-9]\d*)\.([A-Za-z0-9_-]+)$/.exec(keyTail);
  if (!match) return undefined;
  const [, indexText, attemptText, body = ''] = match;
  const index = Number(indexText);
  const attempt = Number(attemptText);
  if (!isCount(index) || !isCount(attempt) || indexInKey(index) !== indexText) return undefined;
  if (body === LONG) return { index, attempt };
  const record = unpack(parseJson(Buffer.from(body, 'base64url').toString('utf8')));
  return record && { index, attempt, record };
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !isList(value);

function parseExecutor(item: unknown): ExecutorResult | undefined {
  if (!isObject(item)) return undefined;
  const { exitCode, startedMs, endedMs } = item;
  return isCount(exitCode) && isCount(startedMs) && isCount(endedMs)
    ? { exitCode, startedMs, endedMs }
    : undefined;
}

const wrong = (field: string): never => {
  throw new TypeError(`A result record's ${field} is not as the stager writes it.`);
};

/**
 * The record in a result object's body, which holds it whole.
 * @throws TypeError naming the field that is not as it should be.
 */
export function parseResultBody(body: unknown): ResultRecord {
  if (!isObject(body)) return wrong('whole');
  const { startedMs, endedMs, inputsModifiedMs, error } = body;
  const executors = each(body['executors'], parseExecutor);
  const outputs = each(body['outputs'], (item) =>
    isObject(item)
      ? fileOf(item['output'], item['path'], item['sizeBytes'], item['crc64nvme'])
      : undefined,
  );
  const missingOutputs = each(body['missingOutputs'], countOf);
  if (!isCount(startedMs)) return wrong('startedMs');
  if (!isCount(endedMs)) return wrong('endedMs');
  if (!executors) return wrong('executors');
  if (!outputs) return wrong('outputs');
  if (!missingOutputs) return wrong('missingOutputs');
  const record = {
    startedMs,
    endedMs,
    executors,
    outputs,
    missingOutputs,
    ...(isCount(inputsModifiedMs) && { inputsModifiedMs }),
  };
  if (error === undefined) return record;
  const parsed = isObject(error)
    ? errorOf([error['kind'], error['subject'], error['message'], error['transient']])
    : undefined;
  return parsed ? { ...record, error: parsed } : wrong('error');
}
