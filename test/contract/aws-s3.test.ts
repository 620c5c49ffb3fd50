import { randomBytes } from 'node:crypto';
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createEtagTrust } from '../../aws/etag-trust.ts';
import { inputKey, resolveInputs, strengthen } from '../../aws/identities.ts';
import type { IdentitySources } from '../../aws/identity-sources.ts';
import { seeObjects } from '../../aws/see-objects.ts';
import { memoInMemory } from '../memo.ts';
import { isPermanent } from '../../aws/s3-errors.ts';
import type { OpenOptions } from '../../aws/s3.ts';
import type { InputOf } from '../../core/task/task.ts';
import { openS3Edge, sourceOf, type S3Edge } from './aws-world.ts';

let edge: S3Edge;
let s3: S3Client;
beforeAll(async () => {
  edge = await openS3Edge();
  s3 = new S3Client({ forcePathStyle: true });
});
afterAll(async () => {
  s3.destroy();
  await edge.close();
});
afterEach(() => edge.local.faults.clear());

const sources = (memo = memoInMemory()): IdentitySources => ({
  objects: edge.objects,
  memo,
  etags: createEtagTrust({}),
});

const file = (url: string): InputOf<string> => ({ url, path: '/in', type: 'FILE' });
const folder = (url: string): InputOf<string> => ({ url, path: '/in', type: 'DIRECTORY' });
async function identity(input: InputOf<string>): Promise<string | undefined> {
  return (await resolveInputs(sources(), [input])).get(inputKey(input))?.identity;
}
/** Requests of an operation while `act` ran. */
async function during(operations: string[], act: () => Promise<unknown>): Promise<number[]> {
  const before = operations.map((one) => edge.asked(one));
  await act();
  return operations.map((one, at) => edge.asked(one) - (before[at] ?? 0));
}

async function putInParts(key: string, parts: Buffer[]): Promise<void> {
  const at = { Bucket: 'data', Key: key };
  const { UploadId } = await s3.send(
    new CreateMultipartUploadCommand({
      ...at,
      ChecksumAlgorithm: 'CRC64NVME',
      ChecksumType: 'FULL_OBJECT',
    }),
  );
  const done = [];
  for (const [position, Body] of parts.entries()) {
    const { ETag } = await s3.send(
      new UploadPartCommand({
        ...at,
        UploadId,
        PartNumber: position + 1,
        Body,
        ChecksumAlgorithm: 'CRC64NVME',
      }),
    );
    done.push({ ETag, PartNumber: position + 1 });
  }
  await s3.send(
    new CompleteMultipartUploadCommand({ ...at, UploadId, MultipartUpload: { Parts: done } }),
  );
}

describe('the identity of an input', () => {
  test('1,000 files of one folder are identified by a few listings', async () => {
    const urls = Array.from({ length: 1000 }, (_, at) => `s3://data/shards/part-${at}.fq`);
    await Promise.all(urls.map((url) => edge.objects.put(url, url)));
    await Promise.all(
      Array.from({ length: 50 }, (_, at) => edge.objects.put(`s3://data/shards/other-${at}`, 'x')),
    );
    let found: (string | undefined)[] = [];
    const [listings = 0, heads] = await during(['ListObjectsV2', 'HeadObject'], async () => {
      found = [...(await resolveInputs(sources(), urls.map(file))).values()].map(
        (one) => one.identity,
      );
    });
    expect(listings).toBeLessThanOrEqual(3);
    expect(heads).toBe(0);
    expect(new Set(found).size).toBe(1000);
    expect(found).not.toContain(undefined);
  });

  test('files among many others are requested one by one instead of listing all others', async () => {
    const wanted = Array.from({ length: 5 }, (_, at) => `s3://data/crowd/${at}-wanted`);
    await Promise.all(
      [...wanted, ...Array.from({ length: 1500 }, (_, at) => `s3://data/crowd/0-x${at}`)].map(
        (url) => edge.objects.put(url, url),
      ),
    );
    const [listings = 0, heads] = await during(['ListObjectsV2', 'HeadObject'], async () => {
      expect((await seeObjects(edge.objects, wanted)).size).toBe(5);
    });
    expect(listings).toBeLessThanOrEqual(4);
    expect(heads).toBeGreaterThan(0);
  });

  test('the identity depends on the content and not on the name', async () => {
    await edge.objects.put('s3://data/a', 'same');
    await edge.objects.put('s3://other/b', 'same');
    await edge.objects.put('s3://data/c', 'else');
    const [a, b, c] = await Promise.all(
      ['s3://data/a', 's3://other/b', 's3://data/c'].map((url) => identity(file(url))),
    );
    expect(a).toBe(b);
    expect(c).not.toBe(a);
  });

  test('a multipart object is identified by its full checksum, whatever the size of its parts', async () => {
    const bytes = randomBytes(11 * 2 ** 20);
    await putInParts('cut/a', [bytes.subarray(0, 5 * 2 ** 20), bytes.subarray(5 * 2 ** 20)]);
    await putInParts('cut/b', [bytes.subarray(0, 6 * 2 ** 20), bytes.subarray(6 * 2 ** 20)]);
    expect((await edge.objects.describe('s3://data/cut/a'))?.etag).not.toBe(
      (await edge.objects.describe('s3://data/cut/b'))?.etag,
    );
    const [a, b] = await Promise.all([
      identity(file('s3://data/cut/a')),
      identity(file('s3://data/cut/b')),
    ]);
    expect(a).toMatch(/^crc64nvme /);
    expect(a).toBe(b);
  });

  test('a folder is identified by the names and contents below it', async () => {
    await edge.objects.put('s3://data/d1/x/a', '1');
    await edge.objects.put('s3://data/d2/x/a', '1');
    await edge.objects.put('s3://data/d3/y/a', '1');
    const [d1, d2, d3] = await Promise.all([
      identity(folder('s3://data/d1')),
      identity(folder('s3://data/d2/')),
      identity(folder('s3://data/d3')),
    ]);
    expect(d1).toBe(d2);
    expect(d3).not.toBe(d1);
    await edge.objects.put('s3://data/d1x/a', 'a neighbour whose name begins alike');
    expect(await identity(folder('s3://data/d1'))).toBe(d1);
    expect(await identity(folder('s3://data/nothing-here'))).toBeUndefined();
  });

  test('content in the task needs no request, and an http input has no identity', async () => {
    await edge.objects.put('s3://data/content', 'x');
    const asked = await during(['HeadObject', 'ListObjectsV2'], async () => {
      expect(await identity({ path: '/in', type: 'FILE', content: 'x' })).toMatch(/^crc64nvme /);
      expect(await identity(file('https://example.org/x'))).toBeUndefined();
    });
    expect(asked).toEqual([0, 0]);
  });

  test('the memo gives the strong identity of an object that was read before, and no other', async () => {
    const memo = memoInMemory();
    const urls = Array.from({ length: 4 }, (_, at) => `s3://data/memo/${at}`);
    await Promise.all(urls.map((url) => edge.objects.put(url, url)));
    const [one = ''] = urls;
    const seen = (await seeObjects(edge.objects, urls)).get(one);
    if (!seen) throw new Error('The object was not listed.');
    await memo.learn([{ ...seen, sum: '01'.repeat(8) }]);
    const found = await resolveInputs(sources(memo), urls.map(file));
    expect(urls.map((url) => found.get(inputKey(file(url)))?.identity?.split(' ')[0])).toEqual([
      'crc64nvme',
      'etag',
      'etag',
      'etag',
    ]);
    await edge.objects.put(one, 'something else');
    const again = await resolveInputs(sources(memo), urls.map(file));
    expect(again.get(inputKey(file(one)))?.identity).toMatch(/^etag /);
  });

  test('a directory whose files were read or written one by one has its strong identity', async () => {
    const memo = memoInMemory();
    const urls = Array.from({ length: 4 }, (_, at) => `s3://data/copied/d/${at}`);
    await Promise.all(urls.map((url) => edge.objects.put(url, url)));
    const weak = await resolveInputs(sources(memo), [folder('s3://data/copied/d')]);
    expect([...weak.values()][0]?.identity).toMatch(/^etag directory /);
    for (const object of (await seeObjects(edge.objects, urls)).values())
      await memo.learn([{ ...object, sum: '02'.repeat(8) }]);
    const strong = await resolveInputs(sources(memo), [folder('s3://data/copied/d')]);
    expect([...strong.values()][0]?.identity).toMatch(/^directory [0-9a-f]{32}$/);
  });

  test('a HEAD gives the strong identity of what a listing tells by its ETag only', async () => {
    const memo = memoInMemory();
    const urls = Array.from({ length: 4 }, (_, at) => `s3://data/heads/${at}`);
    for (const url of urls)
      await s3.send(
        new PutObjectCommand({
          Bucket: 'data',
          Key: url.replace('s3://data/', ''),
          Body: url,
          ChecksumAlgorithm: 'CRC64NVME',
        }),
      );
    await strengthen(sources(memo), urls.map(file));
    const found = await resolveInputs(sources(memo), urls.map(file));
    expect([...found.values()].every(({ identity }) => identity?.startsWith('crc64nvme '))).toBe(
      true,
    );
  });

  test('an ETag that is seen with two sizes identifies nothing in its bucket', async () => {
    const etags = createEtagTrust({});
    etags.note('data', 'd41d8cd98f00b204e9800998ecf8427e', 1);
    etags.note('data', 'd41d8cd98f00b204e9800998ecf8427e', 2);
    // The SDK's own checksum, a CRC32, identifies nothing either.
    await s3.send(new PutObjectCommand({ Bucket: 'data', Key: 'doubted', Body: 'x' }));
    const [input] = [file('s3://data/doubted')];
    const found = await resolveInputs({ ...sources(), etags }, [input]);
    expect(found.get(inputKey(input))).toMatchObject({ why: 'no-identity' });
  });

  test('an object that does not exist or cannot be read has no identity, and the others have theirs', async () => {
    await edge.objects.put('s3://data/there', 'x');
    edge.local.faults.add({
      service: 's3',
      operation: 'HeadObject',
      kind: 'error',
      status: 403,
      code: 'AccessDenied',
      match: 'data/secret',
    });
    const inputs = [
      file('s3://data/there'),
      file('s3://data/not-there'),
      file('s3://no-bucket/x'),
      file('s3://data/secret'),
      folder('s3://no-bucket/'),
      file('s3://Bad_Bucket!/x'),
    ];
    const found = await resolveInputs(sources(), inputs);
    expect(inputs.map((one) => found.get(inputKey(one))?.identity !== undefined)).toEqual([
      true,
      false,
      false,
      false,
      false,
      false,
    ]);
    expect(inputs.map((one) => found.get(inputKey(one))?.why)).toEqual([
      undefined,
      'missing',
      'missing',
      'denied',
      'missing',
      'missing',
    ]);
  });

  test('an S3 that does not answer is an error that can be retried', async () => {
    edge.local.faults.add({
      service: 's3',
      operation: 'HeadObject',
      kind: 'error',
      status: 503,
      code: 'SlowDown',
      match: 'data/there',
    });
    const asked = resolveInputs(sources(), [file('s3://data/there')]);
    await expect(asked).rejects.toThrow('S3 could not look at s3://data/there');
    expect(isPermanent(await asked.catch((error: unknown) => error))).toBe(false);
  }, 30_000);
});

describe('objects', () => {
  test('an object written with ifAbsent is written by the first writer only', async () => {
    const outcomes = await Promise.all(
      Array.from({ length: 8 }, (_, at) =>
        edge.objects.put('s3://data/owner', `job-${at}`, { ifAbsent: true }),
      ),
    );
    expect(outcomes.filter((one) => one === 'written')).toHaveLength(1);
    expect((await edge.objects.get('s3://data/owner'))?.toString()).toBe(
      `job-${outcomes.indexOf('written')}`,
    );
  });

  test('an object is read whole or from its end, and a missing one is undefined', async () => {
    await edge.objects.put('s3://data/text', 'abcdef');
    await edge.objects.put('s3://data/empty', Buffer.alloc(0));
    expect((await edge.objects.getTail('s3://data/text', 2))?.toString()).toBe('ef');
    expect((await edge.objects.getTail('s3://data/text', 99))?.toString()).toBe('abcdef');
    expect((await edge.objects.getTail('s3://data/empty', 9))?.length).toBe(0);
    const etag = (await edge.objects.describe('s3://data/text'))?.etag;
    expect((await edge.objects.getTail('s3://data/text', 2, etag))?.toString()).toBe('ef');
    await expect(edge.objects.getTail('s3://data/text', 2, 'another')).rejects.toThrow(
      'S3 could not read s3://data/text: PreconditionFailed',
    );
    expect(await edge.objects.get('s3://data/none')).toBeUndefined();
    expect(await edge.objects.describe('s3://data/none')).toBeUndefined();
    await expect(edge.objects.get('https://x/y')).rejects.toThrow(
      '"https://x/y" is not an S3 URL. Use s3://bucket/key.',
    );
  });

  test('an object is opened with its metadata, from a given byte, and only if it changed', async () => {
    await s3.send(
      new PutObjectCommand({
        Bucket: 'data',
        Key: 'open',
        Body: 'abcdef',
        Metadata: { offset: '7' },
      }),
    );
    const read = async (options?: OpenOptions) => {
      const opened = await edge.objects.open('s3://data/open', options);
      if (opened === undefined || opened === 'unchanged') return opened;
      return { ...opened, text: Buffer.concat(await Array.fromAsync(opened.body)).toString() };
    };
    const whole = await read();
    expect(whole).toMatchObject({ text: 'abcdef', sizeBytes: 6, metadata: { offset: '7' } });
    const etag = typeof whole === 'object' ? whole.etag : '';
    expect(await read({ fromByte: 4 })).toMatchObject({ text: 'ef', sizeBytes: 2, etag });
    expect(await read({ unlessEtag: etag })).toBe('unchanged');
    expect(await read({ unlessEtag: 'another' })).toMatchObject({ text: 'abcdef' });
    expect(await edge.objects.open('s3://data/none')).toBeUndefined();
    expect((await edge.objects.describe('s3://data/open'))?.metadata).toEqual({ offset: '7' });
  });

  test('the signal aborts the reading of an object', async () => {
    await edge.objects.put('s3://data/long', Buffer.alloc(32 * 2 ** 20));
    const leaving = new AbortController();
    const opened = await edge.objects.open('s3://data/long', { signal: leaving.signal });
    const reading = async () => {
      if (typeof opened !== 'object') return;
      for await (const _ of opened.body) leaving.abort();
    };
    await expect(reading()).rejects.toThrow('aborted');
  });

  test('an error while nobody reads an object reaches its next reader', async () => {
    await edge.objects.put('s3://data/long', Buffer.alloc(32 * 2 ** 20));
    const leaving = new AbortController();
    const opened = await edge.objects.open('s3://data/long', { signal: leaving.signal });
    leaving.abort();
    await new Promise((resolve) => void setImmediate(resolve));
    await expect(
      typeof opened === 'object' ? Array.fromAsync(opened.body) : opened,
    ).rejects.toThrow('aborted');
  });

  test.each([
    'plain',
    'a b/c+d&e',
    'ünï/😀',
    'per%20cent',
    'quo\'te"s',
    'question?mark#hash',
    '-dash/..dots',
  ])('an object named %j is copied, listed and described under that name', async (key) => {
    await edge.objects.put(`s3://data/names/${key}`, key);
    expect(
      await edge.objects.copy({
        from: await sourceOf(edge.objects, `s3://data/names/${key}`),
        toUrl: `s3://other/copies/${key}`,
      }),
    ).toMatchObject({ did: 'copied' });
    expect((await edge.objects.get(`s3://other/copies/${key}`))?.toString()).toBe(key);
    const listed: string[] = [];
    for await (const page of edge.objects.list('s3://other/copies/'))
      listed.push(...page.map(({ url }) => url));
    expect(listed).toContain(`s3://other/copies/${key}`);
  });
});

test('requests wait for the budget of the fleet after S3 throttles, and not before', async () => {
  const fresh = await openS3Edge();
  try {
    await fresh.objects.put('s3://data/pressure', 'x');
    expect(fresh.budget).toEqual({ turns: 0, slowed: 0 });
    fresh.local.faults.add({ service: 's3', operation: 'PutObject', kind: 'throttle', times: 2 });
    expect(await fresh.objects.put('s3://data/pressure', 'y')).toBe('written');
    expect(fresh.budget, 'the second and the third try waited for their turn').toEqual({
      turns: 2,
      slowed: 2,
    });
    await fresh.objects.get('s3://data/pressure');
    expect(fresh.budget.turns).toBe(3);
  } finally {
    await fresh.close();
  }
});
