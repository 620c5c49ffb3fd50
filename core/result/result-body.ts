/**
 * The result record in a result object's body: JSON that holds it whole. Its last member is the
 * proof of what precedes it.
 */
import { implausibleField } from './plausible.ts';
import { isProof, proofOf } from '../submission/proof.ts';
import type { Recorded } from './result-key.ts';
import {
  stagerErrorKinds,
  type ExecutorResult,
  type InputsRead,
  type ResultRecord,
  type StagerError,
  type UploadedFile,
  type Usage,
} from './result.ts';
import { isObject } from '../is-object.ts';

type Fields = Record<string, unknown>;

const isErrorKind = (value: unknown): value is StagerError['kind'] =>
  stagerErrorKinds.some((kind) => kind === value);
const isCount = (value: unknown): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;

const wrong = (field: string): never => {
  throw new TypeError(`A result record's ${field} is not as the stager writes it.`);
};

function count(of: Fields, name: string, field = name): number {
  const value = of[name];
  return isCount(value) ? value : wrong(field);
}

function text(of: Fields, name: string, field = name): string {
  const value = of[name];
  return typeof value === 'string' ? value : wrong(field);
}

function list<T>(of: Fields, name: string, parse: (item: Fields, field: string) => T): T[] {
  const items = of[name];
  if (!Array.isArray(items)) return wrong(name);
  return items.map((item: unknown, position) =>
    isObject(item) ? parse(item, name) : wrong(`${name}[${position}]`),
  );
}

function parseUsage(usage: unknown, field: string): { usage?: Usage } {
  if (usage === undefined) return {};
  if (!isObject(usage)) return wrong(field);
  return {
    usage: {
      peakMemoryBytes: count(usage, 'peakMemoryBytes', field),
      cpuMs: count(usage, 'cpuMs', field),
      ...(usage['readBytes'] !== undefined && {
        readBytes: count(usage, 'readBytes', field),
        writtenBytes: count(usage, 'writtenBytes', field),
      }),
    },
  };
}

const parseExecutor = (item: Fields, field: string): ExecutorResult => ({
  exitCode: count(item, 'exitCode', field),
  startedMs: count(item, 'startedMs', field),
  endedMs: count(item, 'endedMs', field),
  ...parseUsage(item['usage'], field),
});

const parseOutput = (item: Fields, field: string): UploadedFile => ({
  output: count(item, 'output', field),
  path: text(item, 'path', field),
  sizeBytes: count(item, 'sizeBytes', field),
  crc64nvme: text(item, 'crc64nvme', field),
  etag: text(item, 'etag', field),
  ...(item['versionId'] !== undefined && { versionId: text(item, 'versionId', field) }),
});

function parseInputs(inputs: unknown): { inputs?: InputsRead } {
  if (inputs === undefined) return {};
  if (!isObject(inputs)) return wrong('inputs');
  const digest = text(inputs, 'digest', 'inputs');
  const { sums, sumsDigest } = inputs;
  if (sumsDigest !== undefined && typeof sumsDigest !== 'string') return wrong('inputs');
  const read = { digest, ...(sumsDigest !== undefined && { sumsDigest }) };
  if (sums === undefined) return { inputs: read };
  if (!Array.isArray(sums)) return wrong('inputs');
  return {
    inputs: {
      ...read,
      sums: sums.map((sum: unknown) =>
        sum === null || (typeof sum === 'string' && /^(?:[0-9a-f]{16}){1,2}$/.test(sum))
          ? sum
          : wrong('inputs'),
      ),
    },
  };
}

function parseError(error: unknown): { error?: StagerError } {
  if (error === undefined) return {};
  if (!isObject(error)) return wrong('error');
  const { kind } = error;
  if (!isErrorKind(kind)) return wrong('error');
  return {
    error: {
      kind,
      subject: text(error, 'subject', 'error'),
      message: text(error, 'message', 'error'),
      ...(error['transient'] === true && { transient: true }),
      ...(error['declared'] === true && { declared: true }),
    },
  };
}

function parseTexts<N extends 'warnings' | 'leftOut'>(
  body: Fields,
  name: N,
): Partial<Record<N, string[]>> {
  const texts = body[name];
  if (texts === undefined) return {};
  if (!Array.isArray(texts) || !texts.every((one) => typeof one === 'string')) return wrong(name);
  return { [name]: texts } as Record<N, string[]>;
}

const bodyProof = ({ secret, index, attempt }: Recorded, json: string): Buffer =>
  proofOf(secret, 'result-body', [index, attempt], json);

/** The body of a result object. */
export function sealResultBody(recorded: Recorded, record: ResultRecord): string {
  const json = JSON.stringify(record);
  const proof = bodyProof(recorded, json).toString('base64url');
  return `${json.slice(0, -1)},"proof":"${proof}"}`;
}

/** A body without a form is of the first one. */
const NEWEST_FORM = 1;

const isOfNewerStager = (body: unknown): boolean =>
  isObject(body) && isCount(body['form']) && body['form'] > NEWEST_FORM;

/**
 * The record in the body of a result object; undefined when no stager of this submission wrote it,
 * and `newer` for one that only a newer version can read.
 * @throws TypeError naming the field that is not as the stager writes it
 */
export function openResultBody(
  recorded: Recorded,
  body: string,
): ResultRecord | 'newer' | undefined {
  const sealed = /,"proof":"([A-Za-z0-9_-]+)"\}$/.exec(body);
  if (!sealed) return undefined;
  const json = `${body.slice(0, sealed.index)}}`;
  if (!isProof(Buffer.from(sealed[1] ?? '', 'base64url'), bodyProof(recorded, json)))
    return undefined;
  const proven: unknown = JSON.parse(json);
  return isOfNewerStager(proven) ? 'newer' : parseResultBody(proven);
}

/**
 * The record in a result object's body.
 * @throws TypeError naming the field that is not as the stager writes it
 */
export function parseResultBody(body: unknown): ResultRecord {
  if (!isObject(body)) return wrong('whole');
  const missing = body['missingOutputs'];
  if (!Array.isArray(missing) || !missing.every(isCount)) return wrong('missingOutputs');
  const record: ResultRecord = {
    startedMs: count(body, 'startedMs'),
    endedMs: count(body, 'endedMs'),
    executors: list(body, 'executors', parseExecutor),
    outputs: list(body, 'outputs', parseOutput),
    missingOutputs: missing,
    ...parseInputs(body['inputs']),
    ...parseTexts(body, 'warnings'),
    ...parseTexts(body, 'leftOut'),
    ...parseError(body['error']),
  };
  const implausible = implausibleField(record);
  return implausible === undefined ? record : wrong(implausible);
}
