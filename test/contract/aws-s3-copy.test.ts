/** Copies within S3: pinned, proven, and resumed. */
import { randomBytes } from 'node:crypto';
import {
  GetObjectTaggingCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { UploadMemory } from '../../aws/copy-request.ts';
import { openS3Edge, sourceOf, type S3Edge } from './aws-world.ts';

const PART = 64 * 1024;
let edge: S3Edge;
let s3: S3Client;
beforeAll(async () => {
  edge = await openS3Edge({
    copyLimits: { largestBytes: 2 * PART, partBytes: PART },
    copyLimitBytes: 2 * PART,
    partMinBytes: 1024,
  });
  s3 = new S3Client({ forcePathStyle: true });
});
afterAll(async () => {
  s3.destroy();
  await edge.close();
});
afterEach(() => edge.local.faults.clear());

const LARGE = randomBytes(5 * PART + 17);
let uploadId: string | undefined;
const memory: UploadMemory = {
  recall: async () => (uploadId === undefined ? undefined : { uploadId }),
  begin: async () => undefined,
  note: async (id) => (uploadId = id),
  forget: async () => void (uploadId = undefined),
};

const textAt = async (url: string) => (await edge.objects.get(url))?.toString();
async function openUploads(): Promise<(string | undefined)[]> {
  const { Uploads = [] } = await s3.send(new ListMultipartUploadsCommand({ Bucket: 'other' }));
  return Uploads.map(({ Key }) => Key);
}

test('a copy of an object that was overwritten after it was seen copies nothing', async () => {
  await edge.objects.put('s3://data/pinned', 'as it was');
  const from = await sourceOf(edge.objects, 's3://data/pinned');
  await edge.objects.put('s3://data/pinned', 'otherwise');
  expect(await edge.objects.copy({ from, toUrl: 's3://other/pinned' })).toMatchObject({
    did: 'source-changed',
  });
  expect(await textAt('s3://other/pinned')).toBeUndefined();
});

test('a copy whose bytes are not the expected ones does not count', async () => {
  await edge.objects.put('s3://data/odd', 'these bytes');
  const from = { ...(await sourceOf(edge.objects, 's3://data/odd')), crc64nvme: 'AAAAAAAAAAA=' };
  expect(await edge.objects.copy({ from, toUrl: 's3://other/odd' })).toMatchObject({
    did: 'source-changed',
    message: expect.stringContaining('another checksum') as string,
  });
});

test('a copy names the version that is known, and goes on by the ETag when that version has expired', async () => {
  await edge.objects.put('s3://data/versioned', 'bytes');
  const from = { ...(await sourceOf(edge.objects, 's3://data/versioned')), versionId: 'v+1' };
  const before = edge.asked('CopyObject');
  expect(await edge.objects.copy({ from, toUrl: 's3://other/versioned' })).toMatchObject({
    did: 'copied',
  });
  expect(edge.asked('CopyObject') - before, 'the local S3 knows no version v+1').toBe(2);
});

test('a copy reads the version that was seen, also when it was overwritten since', async () => {
  await s3.send(
    new PutBucketVersioningCommand({
      Bucket: 'data',
      VersioningConfiguration: { Status: 'Enabled' },
    }),
  );
  await edge.objects.put('s3://data/kept', 'as it was');
  const seen = await edge.objects.describe('s3://data/kept');
  const from = {
    ...(await sourceOf(edge.objects, 's3://data/kept')),
    versionId: seen?.versionId ?? null,
  };
  await edge.objects.put('s3://data/kept', 'otherwise');
  expect(await edge.objects.copy({ from, toUrl: 's3://other/kept' })).toMatchObject({
    did: 'copied',
  });
  expect(await textAt('s3://other/kept')).toBe('as it was');
});

test('a missing source is gone, and a missing destination bucket refuses', async () => {
  await edge.objects.put('s3://data/there', 'x');
  const from = await sourceOf(edge.objects, 's3://data/there');
  expect(
    await edge.objects.copy({ from: { ...from, url: 's3://data/none' }, toUrl: 's3://other/none' }),
  ).toMatchObject({
    did: 'source-gone',
    message: expect.stringMatching(
      /^S3 could not copy s3:\/\/data\/none to s3:\/\/other\/none: NoSuchKey: /,
    ) as string,
  });
  for (const toUrl of ['s3://no-such-bucket/x', 's3://Not_A_Bucket!/x', 'file:///x'])
    expect(await edge.objects.copy({ from, toUrl })).toMatchObject({ did: 'destination-refused' });
});

test('a copy that is denied says which side refused', async () => {
  await edge.objects.put('s3://data/denied', 'x');
  const from = await sourceOf(edge.objects, 's3://data/denied');
  const deny = (operation: string) =>
    edge.local.faults.add({
      service: 's3',
      operation,
      kind: 'error',
      status: 403,
      code: 'AccessDenied',
    });
  deny('CopyObject');
  expect(await edge.objects.copy({ from, toUrl: 's3://other/denied' })).toMatchObject({
    did: 'destination-refused',
  });
  deny('GetObject');
  expect(await edge.objects.copy({ from, toUrl: 's3://other/denied' })).toMatchObject({
    did: 'source-denied',
  });
});

test('a copy in parts is pinned, and one that cannot be completed leaves no upload open', async () => {
  await edge.objects.put('s3://data/large', LARGE);
  const from = await sourceOf(edge.objects, 's3://data/large');
  await edge.objects.put('s3://data/large', randomBytes(LARGE.length));
  expect(await edge.objects.copy({ from, toUrl: 's3://other/large' })).toMatchObject({
    did: 'source-changed',
  });
  expect(
    await edge.objects.copy({
      from: { ...(await sourceOf(edge.objects, 's3://data/large')), crc64nvme: from.crc64nvme },
      toUrl: 's3://other/large',
    }),
    'S3 itself refuses to complete it',
  ).toMatchObject({ did: 'source-changed' });
  expect(await edge.objects.describe('s3://other/large')).toBeUndefined();
  expect(await openUploads()).toEqual([]);
});

test('a copy in parts keeps content type, metadata, and tags', async () => {
  await s3.send(
    new PutObjectCommand({
      Bucket: 'data',
      Key: 'tagged',
      Body: LARGE,
      ContentType: 'application/vnd.bam',
      CacheControl: 'no-store',
      Metadata: { sample: 'NA12878' },
      Tagging: 'class=phi&of=a%20b',
      ChecksumAlgorithm: 'CRC64NVME',
    }),
  );
  const from = await sourceOf(edge.objects, 's3://data/tagged');
  expect(await edge.objects.copy({ from, toUrl: 's3://other/tagged' })).toMatchObject({
    did: 'copied',
    warnings: [],
  });
  const at = { Bucket: 'other', Key: 'tagged' };
  expect(await s3.send(new HeadObjectCommand(at))).toMatchObject({
    ContentLength: LARGE.length,
    ContentType: 'application/vnd.bam',
    CacheControl: 'no-store',
    Metadata: { sample: 'NA12878' },
  });
  expect((await s3.send(new GetObjectTaggingCommand(at))).TagSet).toEqual([
    { Key: 'class', Value: 'phi' },
    { Key: 'of', Value: 'a b' },
  ]);
});

test('a copy in parts without the permission to read tags says so', async () => {
  await edge.objects.put('s3://data/untagged', LARGE);
  edge.local.faults.add({
    service: 's3',
    operation: 'GetObjectTagging',
    kind: 'error',
    status: 403,
    code: 'AccessDenied',
  });
  const from = await sourceOf(edge.objects, 's3://data/untagged');
  expect(await edge.objects.copy({ from, toUrl: 's3://other/untagged' })).toMatchObject({
    did: 'copied',
    warnings: ['The tags of s3://data/untagged may not be read, so the copy of it has no tags.'],
  });
});

test('a copy in parts that was interrupted is resumed: parts that are there are not copied again', async () => {
  await edge.objects.put('s3://data/resumed', LARGE);
  const from = await sourceOf(edge.objects, 's3://data/resumed');
  const copy = () => edge.objects.copy({ from, toUrl: 's3://other/resumed', uploads: memory });
  edge.local.faults.add({
    service: 's3',
    operation: 'CompleteMultipartUpload',
    kind: 'error',
    status: 500,
    code: 'InternalError',
    times: 6,
  });
  expect(await copy()).toMatchObject({ did: 'transient' });
  expect(await openUploads()).toEqual(['resumed']);
  const before = edge.asked('UploadPartCopy');
  expect(await copy()).toMatchObject({ did: 'copied' });
  expect(edge.asked('UploadPartCopy')).toBe(before);
  expect(await openUploads()).toEqual([]);
  expect(uploadId).toBeUndefined();
  expect((await edge.objects.get('s3://other/resumed'))?.equals(LARGE)).toBe(true);
  expect(await copy(), 'a copy that is in place is not made again').toMatchObject({
    did: 'copied',
  });
  expect(edge.asked('UploadPartCopy')).toBe(before);
});

test('an upload that began and whose id was not noted is ended by the next try', async () => {
  await edge.objects.put('s3://data/begun', LARGE);
  const from = await sourceOf(edge.objects, 's3://data/begun');
  let begun = false;
  const crashing: UploadMemory = {
    ...memory,
    recall: async () => (begun ? 'begun' : undefined),
    begin: async () => void (begun = true),
    note: () => Promise.reject(new Error('killed')),
  };
  const copy = (uploads: UploadMemory) =>
    edge.objects.copy({ from, toUrl: 's3://other/begun', uploads });
  expect(await copy(crashing)).toMatchObject({ did: 'transient' });
  expect(await openUploads()).toEqual(['begun']);
  expect(await copy({ ...crashing, note: async (id) => id })).toMatchObject({ did: 'copied' });
  expect(await openUploads()).toEqual([]);
});

test('a copy in parts needs no permission to read its destination', async () => {
  await edge.objects.put('s3://data/blind', LARGE);
  const from = await sourceOf(edge.objects, 's3://data/blind');
  edge.local.faults.add({
    service: 's3',
    operation: 'HeadObject',
    match: 'other/blind',
    kind: 'error',
    status: 403,
    code: 'AccessDenied',
  });
  expect(await edge.objects.copy({ from, toUrl: 's3://other/blind' })).toMatchObject({
    did: 'copied',
  });
});

test('a cancelled copy ends at once and leaves no upload open', async () => {
  await edge.objects.put('s3://data/cancelled', LARGE);
  const from = await sourceOf(edge.objects, 's3://data/cancelled');
  edge.local.faults.add({
    service: 's3',
    operation: 'UploadPartCopy',
    kind: 'delay',
    delayMs: 5_000,
  });
  const leaving = new AbortController();
  setTimeout(() => leaving.abort(), 100);
  const beforeMs = Date.now();
  expect(
    await edge.objects.copy({
      from,
      toUrl: 's3://other/cancelled',
      signal: leaving.signal,
      uploads: memory,
    }),
  ).toEqual({ did: 'cancelled' });
  expect(Date.now() - beforeMs).toBeLessThan(4_000);
  expect(await openUploads()).toEqual([]);
});
