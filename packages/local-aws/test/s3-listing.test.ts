import {
  DeleteObjectsCommand,
  GetObjectCommand,
  ListObjectsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  paginateListObjectsV2,
  type ListObjectsV2CommandInput,
} from '@aws-sdk/client-s3';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createCrc } from '../s3/crc.ts';
import { compareKeys, createKeyIndex } from '../s3/key-index.ts';
import { bucket, openS3World, type S3World } from './s3-world.ts';

let world: S3World;

function crc32Of(text: string): string {
  const crc = createCrc('CRC32');
  crc.update(Buffer.from(text));
  return crc.digest().toString('base64');
}

beforeAll(async () => {
  world = await openS3World({ createBuckets: [bucket, 'pages', 'odd-keys'] });
});
afterAll(() => world.end());

/** By fetch, which costs a tenth of the SDK's CPU. */
async function putAll(Bucket: string, keys: string[]): Promise<void> {
  const waiting = [...keys];
  await Promise.all(
    Array.from({ length: 16 }, async () => {
      for (let key = waiting.pop(); key !== undefined; key = waiting.pop()) {
        const headers = {
          authorization: 'AWS4-HMAC-SHA256 Credential=x',
          'x-amz-checksum-crc32': crc32Of(key.slice(0, 5)),
        };
        const { ok } = await fetch(`${world.s3.url}/${Bucket}/${key}`, {
          method: 'PUT',
          headers,
          body: key.slice(0, 5),
        });
        expect(ok).toBe(true);
      }
    }),
  );
}
async function listAll(input: ListObjectsV2CommandInput, pageSize?: number) {
  const keys: string[] = [];
  const groups: string[] = [];
  const sizes: number[] = [];
  for await (const page of paginateListObjectsV2(
    { client: world.client, ...(pageSize && { pageSize }) },
    input,
  )) {
    keys.push(...(page.Contents ?? []).map(({ Key }) => Key!));
    groups.push(...(page.CommonPrefixes ?? []).map(({ Prefix }) => Prefix!));
    sizes.push(page.KeyCount!);
  }
  return { keys, groups, sizes };
}

const bytewise = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));

describe('the index of keys', () => {
  const anyKey = fc.string({ unit: 'binary', maxLength: 6 });

  it('orders keys by their UTF-8 bytes', () => {
    fc.assert(
      fc.property(anyKey, anyKey, (a, b) => {
        expect(Math.sign(compareKeys(a, b))).toBe(Math.sign(bytewise(a, b)));
      }),
      { numRuns: 500 },
    );
    expect(compareKeys('\u{1f600}', '\uff01')).toBeGreaterThan(0);
  });

  it('equals a sorted set after any sequence of puts and deletes', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 0, max: 3000 })), {
          minLength: 1500,
          maxLength: 4000,
        }),
        fc.boolean(),
        (steps, ascending) => {
          const index = createKeyIndex<number>();
          const model = new Map<string, number>();
          const ordered = ascending ? steps.toSorted((a, b) => a[1] - b[1]) : steps;
          for (const [isPut, number] of ordered) {
            const key = `key-${String(number).padStart(5, '0')}`;
            if (isPut || number % 3 > 0) {
              index.set(key, number);
              model.set(key, number);
            } else {
              index.delete(key);
              model.delete(key);
            }
          }
          const found: string[] = [];
          const cursor = index.from(() => false);
          for (let entry = cursor.here(); entry !== undefined; entry = cursor.here()) {
            found.push(entry.key);
            cursor.next();
          }
          expect(found).toEqual([...model.keys()].toSorted(bytewise));
          expect(index.size).toBe(model.size);
        },
      ),
      { numRuns: 20 },
    );
  });
});

describe('lists of the local S3', () => {
  const keys = Array.from(
    { length: 2500 },
    (_, index) => `run-${index % 7}/shard-${String(index).padStart(5, '0')}/out.txt`,
  );
  beforeAll(() => putAll('pages', keys));

  it('come in pages of 1,000, sorted and complete', async () => {
    const listed = await listAll({ Bucket: 'pages' });
    expect(listed.sizes).toEqual([1000, 1000, 500]);
    expect(listed.keys).toEqual(keys.toSorted(bytewise));
  });

  it('select by prefix, group by delimiter and start after a key', async () => {
    expect((await listAll({ Bucket: 'pages', Prefix: 'run-3/shard-000' })).keys).toEqual(
      keys.filter((key) => key.startsWith('run-3/shard-000')).toSorted(bytewise),
    );
    expect(await listAll({ Bucket: 'pages', Delimiter: '/' })).toEqual({
      keys: [],
      groups: [0, 1, 2, 3, 4, 5, 6].map((n) => `run-${n}/`),
      sizes: [7],
    });
    expect((await listAll({ Bucket: 'pages', Delimiter: '/' }, 3)).sizes).toEqual([3, 3, 1]);
    const sorted = keys.toSorted(bytewise);
    expect((await listAll({ Bucket: 'pages', StartAfter: sorted[2400]! })).keys).toEqual(
      sorted.slice(2401),
    );
  });

  it('show size, ETag, time, storage class and, on request, the owner', async () => {
    const { Contents } = await world.client.send(
      new ListObjectsV2Command({ Bucket: 'pages', MaxKeys: 1, FetchOwner: true }),
    );
    expect(Contents?.[0]).toMatchObject({
      Size: 5,
      StorageClass: 'STANDARD',
      ETag: expect.stringMatching(/^"[0-9a-f]{32}"$/),
      Owner: { DisplayName: 'local' },
      ChecksumAlgorithm: ['CRC32'],
    });
    expect(Math.abs(Contents![0]!.LastModified!.getTime() - Date.now())).toBeLessThan(60_000);
  });

  it('of version 1 continue from a marker', async () => {
    const first = await world.client.send(
      new ListObjectsCommand({ Bucket: 'pages', Delimiter: '/', MaxKeys: 4 }),
    );
    expect(first).toMatchObject({ IsTruncated: true, NextMarker: 'run-3/' });
    const second = await world.client.send(
      new ListObjectsCommand({ Bucket: 'pages', Delimiter: '/', Marker: first.NextMarker }),
    );
    expect(second.CommonPrefixes?.map(({ Prefix }) => Prefix)).toEqual([
      'run-4/',
      'run-5/',
      'run-6/',
    ]);
    expect(second.IsTruncated).toBe(false);
  });

  it('refuse an invalid number or encoding', async () => {
    await expect(
      world.client.send(
        new ListObjectsV2Command({ Bucket: 'pages', EncodingType: 'utf' as 'url' }),
      ),
    ).rejects.toMatchObject({ name: 'InvalidArgument' });
    await expect(
      world.client.send(new ListObjectsV2Command({ Bucket: 'no-such' })),
    ).rejects.toMatchObject({ name: 'NoSuchBucket' });
  });
});

describe('odd keys', () => {
  // What XML can carry; the SDK itself cannot read other control characters from a list without
  // EncodingType.
  const oddKey = fc
    .oneof(
      fc.string({
        unit: fc.constantFrom(
          '.',
          '/',
          '..',
          '//',
          ' ',
          '+',
          '%',
          '%2F',
          '&amp;',
          '<',
          '>',
          '"',
          "'",
          '\\',
          '?',
          '#',
          '\n',
          '\r',
          '\t',
          'ä',
          '日',
          '\u{1f600}',
          '\u2028',
          '~',
          '*',
          ':',
          'a',
        ),
        minLength: 1,
        maxLength: 12,
      }),
      fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }),
      fc.constantFrom(
        '..',
        '/',
        '//',
        '../../etc/passwd',
        'a/../b',
        './x',
        'x/',
        '&#65;',
        'k'.repeat(1024),
        '日'.repeat(341),
      ),
    )
    .filter((key) => Buffer.byteLength(key) <= 1024);

  it('are kept apart, read, listed and deleted unchanged', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(oddKey, { minLength: 1, maxLength: 8 }), async (keys) => {
        for (const key of keys)
          await world.client.send(
            new PutObjectCommand({ Bucket: 'odd-keys', Key: key, Body: `body of ${key}` }),
          );
        for (const key of keys) {
          const got = await world.client.send(
            new GetObjectCommand({ Bucket: 'odd-keys', Key: key }),
          );
          expect(await got.Body!.transformToString()).toBe(`body of ${key}`);
        }
        const encoded = await listAll({ Bucket: 'odd-keys', EncodingType: 'url' }, 3);
        expect(encoded.keys.map((key) => decodeURIComponent(key))).toEqual(keys.toSorted(bytewise));
        const { Deleted } = await world.client.send(
          new DeleteObjectsCommand({
            Bucket: 'odd-keys',
            Delete: { Objects: keys.map((Key) => ({ Key })) },
          }),
        );
        expect(Deleted).toHaveLength(keys.length);
        expect((await listAll({ Bucket: 'odd-keys' })).keys).toEqual([]);
      }),
      { numRuns: 25 },
    );
  });

  it('are at most 1,024 bytes of UTF-8', async () => {
    await expect(
      world.client.send(
        new PutObjectCommand({ Bucket: 'odd-keys', Key: '日'.repeat(342), Body: '' }),
      ),
    ).rejects.toMatchObject({ name: 'KeyTooLongError' });
  });
});
