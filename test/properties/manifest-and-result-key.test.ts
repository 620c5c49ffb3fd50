import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { combineCrc } from '../../core/cache/crc-combine.ts';
import type { CrcName } from '../../core/cache/crc-combine.ts';
import {
  encodeManifest,
  firstReadRange,
  manifestCount,
  manifestIndexRange,
  openValues,
  parseManifestEntry,
  valuesRange,
} from '../../core/submission/manifest.ts';
import { openResultBody, parseResultBody, sealResultBody } from '../../core/result/result-body.ts';
import { packRecord } from '../../core/result/result-bytes.ts';
import { decodeResultKey, encodeResultKey } from '../../core/result/result-key.ts';
import { proofOf } from '../../core/submission/proof.ts';
import type { ResultRecord } from '../../core/result/result.ts';
import { startDigest } from '../../stager/digest.ts';

const SECRET = Buffer.alloc(32, 7);
const OTHERS = Buffer.alloc(32, 8);
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
          fc.record({
            scriptSha256: sha256,
            values: fc.string({ unit: 'binary', maxLength: 50 }),
            attempt: fc.constant('1.1'),
          }),
          { minLength: 1, maxLength: 40 },
        ),
        (parts) => {
          const manifest = encodeManifest(SECRET, parts);
          expect(encodeManifest(SECRET, parts)).toEqual(manifest);
          expect(manifestCount(manifest.subarray(0, 16))).toBe(parts.length);
          for (const [index, part] of parts.entries()) {
            const entry = parseManifestEntry(slice(manifest, manifestIndexRange(index)), index);
            const range = valuesRange(entry);
            expect(entry.scriptSha256).toBe(part.scriptSha256);
            const sealed = range ? slice(manifest, range) : Buffer.alloc(0);
            expect(openValues(SECRET, entry, sealed)?.toString('utf8')).toBe(part.values);
            expect(openValues(OTHERS, entry, sealed)).toBeUndefined();
          }
        },
      ),
    );
  });

  test('a manifest of 10,000 tasks gives each its own part', () => {
    const parts = Array.from({ length: 10_000 }, (_, index) => ({
      scriptSha256: 'ab'.repeat(32),
      values: `v0='${index}'\n`.padEnd(300, 'x'),
      attempt: `${index}.1`,
    }));
    const manifest = encodeManifest(SECRET, parts);
    const last = parseManifestEntry(slice(manifest, firstReadRange(9_999)), 9_999);
    expect(last.valuesBytes).toBe(300);
  });

  test('a manifest refuses an index it does not hold, another form, and an entry in the place of another', () => {
    const manifest = encodeManifest(SECRET, [
      { scriptSha256: 'cd'.repeat(32), values: 'v0=1\n'.repeat(50), attempt: '1.1' },
    ]);
    expect(() => parseManifestEntry(slice(manifest, manifestIndexRange(1)), 1)).toThrow(/no entry/);
    expect(() => parseManifestEntry(slice(manifest, manifestIndexRange(9)), 9)).toThrow(
      /ends before/,
    );
    expect(() => parseManifestEntry(slice(manifest, manifestIndexRange(0)), 4)).toThrow(
      /says it is for 0/,
    );
    expect(() =>
      encodeManifest(SECRET, [{ scriptSha256: 'AB', values: '', attempt: '1.1' }]),
    ).toThrow(/Part 0/);
    expect(manifestCount(Buffer.from('<Error>something</Error>'))).toBeUndefined();
  });

  test('a changed bit of an entry or of its values takes the proof', () => {
    const parts = [
      { scriptSha256: 'cd'.repeat(32), values: "v0='a secret'\n", attempt: '1.1' },
      { scriptSha256: 'ef'.repeat(32), values: "v0='another'\n", attempt: '2.1' },
    ];
    const manifest = encodeManifest(SECRET, parts);
    expect(manifest.includes('secret')).toBe(false);
    const open = (bytes: Buffer): Buffer | undefined => {
      const entry = parseManifestEntry(slice(bytes, manifestIndexRange(1)), 1);
      return openValues(SECRET, entry, slice(bytes, valuesRange(entry) ?? { start: 0, end: 0 }));
    };
    expect(open(manifest)?.toString()).toBe(parts[1]?.values);
    const { start, end } = manifestIndexRange(1);
    const script = start + 24;
    for (const at of [script, end - 20, end, manifest.length - 1]) {
      const changed = Buffer.from(manifest);
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect(open(changed)).toBeUndefined();
    }
  });

  test('equal values of two indexes or two attempts are sealed differently', () => {
    const sealed = (attempts: string[]): string[] => {
      const parts = attempts.map((attempt) => ({
        scriptSha256: 'cd'.repeat(32),
        values: "v0='a secret'\n",
        attempt,
      }));
      const manifest = encodeManifest(SECRET, parts);
      return parts.map((_, at) => {
        const entry = parseManifestEntry(slice(manifest, manifestIndexRange(at)), at);
        return slice(manifest, valuesRange(entry) ?? { start: 0, end: 0 }).toString('hex');
      });
    };
    expect(new Set([...sealed(['1.1', '1.1']), ...sealed(['1.2'])]).size).toBe(3);
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
const usageOf = (withFiles: boolean) =>
  fc.record(
    {
      peakMemoryBytes: fc.nat().map((kib) => kib * 1024),
      cpuMs: fc.nat(),
      ...(withFiles && { readBytes: fc.nat(), writtenBytes: fc.nat() }),
    },
    { noNullPrototype: true },
  );

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
          // Stagers of an earlier version did not count bytes.
          usage: fc.oneof(usageOf(false), usageOf(true)),
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
    leftOut: fc.array(fc.string(), { minLength: 1, maxLength: 2 }),
    error: fc.record(
      {
        kind: fc.constantFrom('input' as const, 'output' as const, 'script' as const),
        subject: fc.string(),
        message: fc.string({ maxLength: 600 }),
        transient: fc.constant(true as const),
        declared: fc.constant(true as const),
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
        const tail = encodeResultKey({ secret: SECRET, index, attempt }, record);
        expect(Buffer.byteLength(`${'p'.repeat(300)}results/${tail}`)).toBeLessThanOrEqual(1_024);
        const seen = decodeResultKey(SECRET, tail);
        expect(decodeResultKey(OTHERS, tail)).toBeUndefined();
        if (seen?.record) whole += 1;
        else long += 1;
        // Sums of inputs only save requests: they give way before the record does.
        const { sums, ...inputs } = record.inputs ?? {};
        const kept = seen?.record?.inputs && 'sums' in seen.record.inputs;
        expect(seen).toEqual(
          tail.includes('.long.')
            ? { index, attempt, endedMs: record.endedMs }
            : {
                index,
                attempt,
                endedMs: record.endedMs,
                record: {
                  ...record,
                  ...(record.inputs && { inputs: { ...inputs, ...(kept && { sums }) } }),
                },
              },
        );
        const recorded = { secret: SECRET, index, attempt };
        const body = sealResultBody(recorded, record);
        expect(openResultBody(recorded, body)).toEqual(record);
        expect(parseResultBody(JSON.parse(body))).toEqual(record);
        for (const other of [
          { ...recorded, secret: OTHERS },
          { ...recorded, index: index + 1 },
          { ...recorded, attempt: attempt + 1 },
        ])
          expect(openResultBody(other, body)).toBeUndefined();
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
          usage: {
            peakMemoryBytes: 2 ** 33,
            cpuMs: 349_000,
            readBytes: 2 ** 38,
            writtenBytes: 2 ** 37,
          },
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
    expect(
      decodeResultKey(SECRET, encodeResultKey({ secret: SECRET, index: 9_999, attempt: 1 }, record))
        ?.record,
    ).toEqual(record);
  });

  test('sorts by the time of its end, and names index and attempt in the open', () => {
    const empty = { startedMs: 1, endedMs: 2, executors: [], outputs: [], missingOutputs: [] };
    expect(encodeResultKey({ secret: SECRET, index: 42, attempt: 1 }, empty)).toMatch(
      /^0000000000002\.00042\.1\.[\w-]+$/,
    );
  });

  test('of a foreign kind is nothing, and never throws', () => {
    const good = packRecord({
      startedMs: 1,
      endedMs: 2,
      executors: [],
      outputs: [],
      missingOutputs: [],
    });
    // With a valid proof: what is refused is refused by its form.
    const inKey = (bytes: Uint8Array, head = '0000000000002.00001.1.', secret = SECRET) => {
      const proof = proofOf(secret, 'result-key', [2, 1, 1], Buffer.from(bytes));
      return head + Buffer.concat([bytes, proof]).toString('base64url');
    };
    const decode = (tail: string) => decodeResultKey(SECRET, tail);
    expect(decode(inKey(good))?.record).toBeDefined();
    const foreign = [
      '',
      'x',
      '0000000000002.00001',
      '0000000000002.00001.1',
      '2.00001.1.long',
      '0000000000002.1.1.long',
      // Without a proof, with one of another submission, and with that of another time, index or attempt.
      `0000000000002.00001.1.${good.toString('base64url')}`,
      inKey(good, '0000000000002.00001.1.', OTHERS),
      inKey(good, '0000000000003.00001.1.'),
      inKey(good, '0000000000002.00002.1.'),
      inKey(good, '0000000000002.00001.2.'),
      '0000000000002.00001.1.long',
      `0000000000002.00001.1.long.${Buffer.alloc(16).toString('base64url')}`,
      '0000000000002.00001.0.long',
      '0000000000002.00001.1.',
      '0000000000002.00001.1.!!',
      '0000000000002.00001.1.AAAA',
      '0000000000002.00001.1.long.tmp',
      '00000000000002.00001.1.long',
      packed({}),
      packed([1, 1, 2, [], [], []]),
      inKey(good.subarray(0, -1)),
      inKey(Buffer.concat([good, Buffer.from([0])])),
      inKey(Buffer.concat([Buffer.from([1]), good.subarray(1)])),
      inKey(Buffer.concat([Buffer.from([2, 255]), good.subarray(2)])),
      inKey(Buffer.from([2, 0, 1, 2, 255, 255, 255, 255, 15])),
      inKey(Buffer.from([2, 0, 1, 2, 0, 1, 0, 2, 0xff, 0xfe, 0, 0])),
    ];
    expect(foreign.map(decode)).toEqual(foreign.map(() => undefined));
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          fc
            .json()
            .map((json) => `0000000000002.00001.1.${Buffer.from(json).toString('base64url')}`),
          fc
            .uint8Array({ maxLength: 60 })
            .map(
              (raw) => `0000000000002.00001.1.${Buffer.from([2, ...raw]).toString('base64url')}`,
            ),
        ),
        (key) => {
          expect(() => decode(key)).not.toThrow();
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
