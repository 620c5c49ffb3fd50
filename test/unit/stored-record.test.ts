import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { decodeResultKey, encodeResultKey } from '../../core/result/result-key.ts';
import { parseResultBody } from '../../core/result/result-body.ts';
import type { ResultRecord } from '../../core/result/result.ts';
import {
  boundRecord,
  boundWarnings,
  LARGEST_RECORD_BYTES,
  STORED_BYTES,
  toStore,
} from '../../core/result/stored-record.ts';
import { parseWholeRecord } from '../../core/result/whole-record.ts';

const file = (path: string) => ({
  output: 0,
  path,
  sizeBytes: 1,
  crc64nvme: 'AAAAAAAAAAA=',
  etag: '',
});
const record = (own: Partial<ResultRecord> = {}): ResultRecord => ({
  startedMs: 1,
  endedMs: 2,
  executors: [{ exitCode: 0, startedMs: 1, endedMs: 2 }],
  outputs: [],
  missingOutputs: [],
  ...own,
});
const place = { key: 'submissions/k/results/00000.1.long', bytes: 9, sha256: 'ab' };
const files = (count: number, length = 100) =>
  Array.from({ length: count }, (_, at) => file(`${at}-${'é'.repeat(length)}`));

describe('the record in a row', () => {
  test('a record of few files is stored whole', () => {
    const short = record({ outputs: files(10) });
    expect(toStore(short, place)).toBe(short);
  });

  test.each([
    ['100,000 output files', { outputs: files(100_000) }],
    ['100,000 missing outputs', { missingOutputs: Array.from({ length: 100_000 }, (_, at) => at) }],
    ['50,000 warnings', { warnings: Array.from({ length: 50_000 }, (_, at) => `left out ${at}`) }],
    ['a warning of a megabyte', { warnings: ['😀'.repeat(500_000)] }],
    [
      'an error of a megabyte',
      { error: { kind: 'output' as const, subject: 's'.repeat(1e6), message: '"\\'.repeat(1e6) } },
    ],
    [
      '20,000 executors',
      {
        executors: Array.from({ length: 20_000 }, () => ({
          exitCode: 0,
          startedMs: 1,
          endedMs: 2,
        })),
      },
    ],
    ['a file whose name is a megabyte', { outputs: [file('x'.repeat(1e6))] }],
  ])('a record with %s keeps its beginning and where the whole is', (_, own) => {
    const long = record({ inputs: { digest: 'd'.repeat(32), sums: [null] }, ...own });
    const stored = toStore(long, place);
    expect(Buffer.byteLength(JSON.stringify(stored))).toBeLessThanOrEqual(STORED_BYTES);
    expect(stored).toMatchObject({
      startedMs: 1,
      endedMs: 2,
      inputs: { digest: 'd'.repeat(32) },
      whole: {
        ...place,
        outputs: long.outputs.length,
        missingOutputs: long.missingOutputs.length,
        warnings: long.warnings?.length ?? 0,
      },
    });
    expect(JSON.stringify(stored).isWellFormed()).toBe(true);
    expect(JSON.stringify(stored)).not.toMatch(/\\ud[89ab][0-9a-f]{2}"/);
  });

  test('an executor that failed is kept among 20,000 that did not', () => {
    const executors = Array.from({ length: 20_000 }, (_, at) => ({
      exitCode: at === 15_000 ? 3 : 0,
      startedMs: 1,
      endedMs: 2,
    }));
    expect(toStore(record({ executors }), place).executors.at(-1)?.exitCode).toBe(3);
  });

  test('the whole record is read only from the body that was seen', () => {
    const body = Buffer.from(JSON.stringify(record({ outputs: files(3) })));
    const seen = { bytes: body.length, sha256: createHash('sha256').update(body).digest('hex') };
    expect(parseWholeRecord(body, seen)?.outputs).toHaveLength(3);
    const other = Buffer.from(body.toString().replace('"startedMs":1', '"startedMs":3'));
    expect(parseWholeRecord(other, seen)).toBeUndefined();
  });
});

test('a stager writes a record without its files when no worker would read it', () => {
  const outputs = files(200_000, 400);
  const bounded = boundRecord(record({ outputs }));
  expect(bounded).toMatchObject({
    outputs: [],
    executors: [{ exitCode: 0 }],
    error: { kind: 'output' },
  });
  expect(bounded.error?.message).toContain('200000 output files');
  expect(bounded.error?.message).toContain(String(LARGEST_RECORD_BYTES));
  const small = record({ outputs: files(1000) });
  expect(boundRecord(small)).toBe(small);
});

test('a task shows at most 100 warnings and says how many it does not show', () => {
  const many = Array.from({ length: 250 }, (_, at) => `warning ${at}`);
  expect(boundWarnings(many)).toHaveLength(101);
  expect(boundWarnings(many).at(-1)).toBe('150 more warnings are not shown.');
  expect(boundWarnings(['x'.repeat(10_000)])[0]?.length).toBeLessThan(2100);
});

describe('numbers that cannot be shown or stored', () => {
  test.each([
    ['startedMs', { startedMs: 2 ** 53 - 1 }],
    ['endedMs', { endedMs: 9e15 }],
    ['executors', { executors: [{ exitCode: 2 ** 40, startedMs: 1, endedMs: 2 }] }],
    ['executors', { executors: [{ exitCode: 0, startedMs: 9e15, endedMs: 2 }] }],
    ['outputs', { outputs: [{ ...file('x'), etag: 'e'.repeat(200) }] }],
    ['outputs', { outputs: [{ ...file('x'), crc64nvme: 'c'.repeat(200) }] }],
    ['missingOutputs', { missingOutputs: [2 ** 52] }],
  ])('a record with such a value in %s is refused by that name', (field, own) => {
    expect(() => parseResultBody(record(own))).toThrow(field);
  });

  test('a key with an attempt or index that AWS Batch never gives is no result', () => {
    const secret = Buffer.alloc(32, 7);
    const empty = record({ warnings: Array.from({ length: 90 }, () => 'x'.repeat(90)) });
    const decode = (index: number, attempt: number) =>
      decodeResultKey(secret, encodeResultKey({ secret, index, attempt }, empty));
    expect(decode(0, 99_999)).toBeUndefined();
    expect(decode(99_999, 1)).toBeUndefined();
    expect(decode(9999, 10)).toMatchObject({ index: 9999, attempt: 10 });
  });
});
