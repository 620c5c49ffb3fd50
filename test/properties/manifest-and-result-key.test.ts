import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { combineCrc } from '../../core/cache/crc-combine.ts';
import type { CrcName } from '../../core/cache/crc-combine.ts';
import {
  encodeManifest,
  firstReadRange,
  manifestCount,
  manifestIndexRange,
  parseManifestEntry,
  valuesRange,
} from '../../core/submission/manifest.ts';
import { parseResultBody } from '../../core/result/result-body.ts';
import { packRecord } from '../../core/result/result-bytes.ts';
import { decodeResultKey, encodeResultKey } from '../../core/result/result-key.ts';
import type { ResultRecord } from '../../core/result/result.ts';
import { startDigest } from '../../stager/digest.ts';

const sha256 = fc.stringMatching(/^[0-9a-f]{64}$/);
const packed = (value: unknown) =>
  `00001.1.${Buffer.from(JSON.stringify(value)).toString('base64url')}`;
const slice = (bytes: Buffer, range: { start: number; end: number }) =>
  bytes.subarray(range.start, range.end + 1);

describe('a manifest', () => {
  test('a manifest gives each index its own script and values from two ranges alone', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({ scriptSha256: sha256, values: fc.string({ unit: 'binary', maxLength: 50 }) }),
          { minLength: 1, maxLength: 40 },
        ),
        (parts) => {
          const manifest = encodeManifest(parts);
          expect(manifestCount(manifest.subarray(0, 16))).toBe(parts.length);
          for (const [index, part] of parts.entries()) {
            const entry = parseManifestEntry(slice(manifest, manifestIndexRange(index)), index);
            const range = valuesRange(entry);
            expect(entry.scriptSha256).toBe(part.scriptSha256);
            expect(range ? slice(manifest, range).toString('utf8') : '').toBe(part.values);
          }
        },
      ),
    );
  });

  test('a manifest of 10,000 tasks gives each its own part', () => {
    const parts = Array.from({ length: 10_000 }, (_, index) => ({
      scriptSha256: 'ab'.repeat(32),
      values: `v0='${index}'\n`.padEnd(300, 'x'),
    }));
    const manifest = encodeManifest(parts);
    const last = parseManifestEntry(slice(manifest, firstReadRange(9_999)), 9_999);
    expect(last.valuesBytes).toBe(300);
  });

  test('a manifest refuses an index it does not hold, another form, and an entry in the place of another', () => {
    const manifest = encodeManifest([
      { scriptSha256: 'cd'.repeat(32), values: 'v0=1\n'.repeat(50) },
    ]);
    expect(() => parseManifestEntry(slice(manifest, manifestIndexRange(1)), 1)).toThrow(/no entry/);
    expect(() => parseManifestEntry(slice(manifest, manifestIndexRange(9)), 9)).toThrow(
      /ends before/,
    );
    expect(() => parseManifestEntry(slice(manifest, manifestIndexRange(0)), 4)).toThrow(
      /says it is for 0/,
    );
    expect(() => encodeManifest([{ scriptSha256: 'AB', values: '' }])).toThrow(/Part 0/);
    expect(manifestCount(Buffer.from('<Error>something</Error>'))).toBeUndefined();
  });
});

const time = fc.integer({ min: 1_700_000_000_000, max: 1_900_000_000_000 });
const hex = (bytes: number) =>
  fc
    .uint8Array({ minLength: bytes, maxLength: bytes })
    .map((raw) => Buffer.from(raw).toString('hex'));
const crc64nvme = fc
  .uint8Array({ minLength: 8, maxLength: 8 })
  .map((raw) => Buffer.from(raw).toString('base64'));
const etag = fc.oneof(
  fc.constant(''),
  hex(16),
  fc.tuple(hex(16), fc.integer({ min: 1, max: 10_000 })).map(([md5, parts]) => `${md5}-${parts}`),
);
const digest = hex(16).filter((value) => !/^0+$/.test(value));
const record: fc.Arbitrary<ResultRecord> = fc.record(
  {
    startedMs: time,
    endedMs: time,
    executors: fc.array(
      fc.record(
        {
          exitCode: fc.integer({ min: 0, max: 255 }),
          startedMs: time,
          endedMs: time,
          usage: fc.record(
            {
              peakMemoryBytes: fc.nat().map((kib) => kib * 1024),
              cpuMs: fc.nat(),
            },
            { noNullPrototype: true },
          ),
        },
        { requiredKeys: ['exitCode', 'startedMs', 'endedMs'], noNullPrototype: true },
      ),
      { maxLength: 4 },
    ),
    outputs: fc.array(
      fc.record(
        {
          output: fc.nat(),
          path: fc.string({ unit: 'binary', maxLength: 40 }),
          sizeBytes: fc.maxSafeNat(),
          crc64nvme,
          etag,
        },
        { noNullPrototype: true },
      ),
      { maxLength: 12 },
    ),
    missingOutputs: fc.array(fc.nat(), { maxLength: 3 }),
    inputs: fc.record(
      {
        digest,
        sumsDigest: digest,
        sums: fc.array(fc.oneof(fc.constant(null), hex(8), hex(16)), { maxLength: 30 }),
      },
      { requiredKeys: ['digest'], noNullPrototype: true },
    ),
    warnings: fc.array(fc.string(), { minLength: 1, maxLength: 2 }),
    error: fc.record(
      {
        kind: fc.constantFrom('input' as const, 'output' as const, 'script' as const),
        subject: fc.string(),
        message: fc.string({ maxLength: 600 }),
        transient: fc.constant(true as const),
      },
      { requiredKeys: ['kind', 'subject', 'message'], noNullPrototype: true },
    ),
  },
  { requiredKeys: ['startedMs', 'endedMs', 'executors', 'outputs', 'missingOutputs'] },
);
const index = fc.integer({ min: 0, max: 9_999 });
const attempt = fc.integer({ min: 1, max: 10 });

describe('a result key', () => {
  test('a result key gives the record back, or says that the body has it, within S3’s limit', () => {
    let long = 0;
    let whole = 0;
    fc.assert(
      fc.property(index, attempt, record, (index, attempt, record) => {
        const tail = encodeResultKey(index, attempt, record);
        expect(Buffer.byteLength(`${'p'.repeat(300)}results/${tail}`)).toBeLessThanOrEqual(1_024);
        const seen = decodeResultKey(tail);
        if (seen?.record) whole += 1;
        else long += 1;
        // Sums of inputs only save requests: they give way before the record does.
        const { sums, ...inputs } = record.inputs ?? {};
        const kept = seen?.record?.inputs && 'sums' in seen.record.inputs;
        expect(seen).toEqual(
          tail.endsWith('.long')
            ? { index, attempt }
            : {
                index,
                attempt,
                record: {
                  ...record,
                  ...(record.inputs && { inputs: { ...inputs, ...(kept && { sums }) } }),
                },
              },
        );
        expect(parseResultBody(JSON.parse(JSON.stringify(record)))).toEqual(record);
      }),
      { numRuns: 300 },
    );
    expect(long).toBeGreaterThan(0);
    expect(whole).toBeGreaterThan(0);
  });

  test('has room for six outputs with size, ETag and CRC64NVME, and for six inputs', () => {
    const record: ResultRecord = {
      startedMs: 1_790_000_000_000,
      endedMs: 1_790_000_360_000,
      executors: [
        {
          exitCode: 0,
          startedMs: 1_790_000_001_000,
          endedMs: 1_790_000_350_000,
          usage: { peakMemoryBytes: 2 ** 33, cpuMs: 349_000 },
        },
      ],
      outputs: Array.from({ length: 6 }, (_, output) => ({
        output,
        path: '',
        sizeBytes: 2 ** 37 + output,
        crc64nvme: 'AAAAAAAAAAA=',
        etag: `${'ab'.repeat(16)}-1024`,
      })),
      missingOutputs: [],
      inputs: {
        digest: 'cd'.repeat(16),
        sumsDigest: 'ef'.repeat(16),
        sums: Array.from({ length: 6 }, () => '01'.repeat(8)),
      },
    };
    expect(decodeResultKey(encodeResultKey(9_999, 1, record))?.record).toEqual(record);
  });

  test('sorts by index, and names index and attempt in the open', () => {
    const empty = { startedMs: 1, endedMs: 2, executors: [], outputs: [], missingOutputs: [] };
    expect(encodeResultKey(42, 1, empty)).toMatch(/^00042\.1\.[\w-]+$/);
  });

  test('of a foreign kind is nothing, and never throws', () => {
    const good = packRecord({
      startedMs: 1,
      endedMs: 2,
      executors: [],
      outputs: [],
      missingOutputs: [],
    });
    const inKey = (bytes: Uint8Array) => `00001.1.${Buffer.from(bytes).toString('base64url')}`;
    expect(decodeResultKey(inKey(good))?.record).toBeDefined();
    const foreign = [
      '',
      'x',
      '00001',
      '00001.1',
      '1.1.long',
      '00001.0.long',
      '00001.1.',
      '00001.1.!!',
      '00001.1.AAAA',
      '00001.1.long.tmp',
      '000001.1.long',
      packed({}),
      packed([1, 1, 2, [], [], []]),
      inKey(good.subarray(0, -1)),
      inKey(Buffer.concat([good, Buffer.from([0])])),
      inKey(Buffer.concat([Buffer.from([1]), good.subarray(1)])),
      inKey(Buffer.concat([Buffer.from([2, 255]), good.subarray(2)])),
      inKey(Buffer.from([2, 0, 1, 2, 255, 255, 255, 255, 15])),
      inKey(Buffer.from([2, 0, 1, 2, 0, 1, 0, 2, 0xff, 0xfe, 0, 0])),
    ];
    expect(foreign.map(decodeResultKey)).toEqual(foreign.map(() => undefined));
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          fc.json().map((json) => `00001.1.${Buffer.from(json).toString('base64url')}`),
          fc
            .uint8Array({ maxLength: 60 })
            .map((raw) => `00001.1.${Buffer.from([2, ...raw]).toString('base64url')}`),
        ),
        (key) => {
          expect(() => decodeResultKey(key)).not.toThrow();
        },
      ),
    );
  });

  test('a body that is not a record is an error that names the field', () => {
    const good = { startedMs: 1, endedMs: 2, executors: [], outputs: [], missingOutputs: [] };
    expect(() => parseResultBody(null)).toThrow(/whole/);
    expect(() => parseResultBody({ ...good, endedMs: '2' })).toThrow(/endedMs/);
    expect(() => parseResultBody({ ...good, executors: [{ exitCode: 0 }] })).toThrow(/executors/);
    expect(() => parseResultBody({ ...good, outputs: [{}] })).toThrow(/outputs/);
    expect(() => parseResultBody({ ...good, missingOutputs: [null] })).toThrow(/missingOutputs/);
    expect(() => parseResultBody({ ...good, error: { kind: 'other' } })).toThrow(/error/);
  });
});

test.each<CrcName>(['CRC64NVME', 'CRC32', 'CRC32C'])(
  'the %s of a whole is found from those of its parts',
  async (name) => {
    const sum = async (bytes: Uint8Array) => {
      const digest = startDigest(name);
      digest.update(bytes);
      return Buffer.from(await digest.sum()).toString('hex');
    };
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 200 }),
        fc.uint8Array({ maxLength: 200 }),
        async (a, b) => {
          const combined = combineCrc(
            name,
            Buffer.from(await sum(a), 'hex'),
            Buffer.from(await sum(b), 'hex'),
            b.length,
          );
          expect(Buffer.from(combined).toString('hex')).toBe(await sum(Buffer.concat([a, b])));
        },
      ),
      { numRuns: 50 },
    );
  },
);
