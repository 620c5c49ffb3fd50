/** Buckets with SSE-KMS: ETags that are no MD5, and differ for the same bytes. */
import {
  CopyObjectCommand,
  HeadObjectCommand,
  type HeadObjectCommandOutput,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { bucket, openS3World, type S3World } from './s3-world.ts';

let world: S3World;
beforeAll(async () => {
  world = await openS3World({ kmsBuckets: [bucket], partMinBytes: 1 });
});
afterAll(() => world.end());

const head = (key: string): Promise<HeadObjectCommandOutput> =>
  world.client.send(new HeadObjectCommand({ Bucket: bucket, Key: key, ChecksumMode: 'ENABLED' }));

it('a bucket with SSE-KMS gives each write an ETag of its own, and the same bytes the same checksum', async () => {
  const answers = [await world.put('a', 'same'), await world.put('b', 'same')];
  const [a, b] = [await head('a'), await head('b')];
  expect(a.ETag).toMatch(/^"[0-9a-f]{32}"$/);
  expect(answers.map(({ ETag }) => ETag)).toEqual([a.ETag, b.ETag]);
  expect(a.ETag).not.toBe(b.ETag);
  expect(a.ServerSideEncryption).toBe('aws:kms');
  expect(a.ChecksumCRC32).toBe(b.ChecksumCRC32);
});

it('a copy in a bucket with SSE-KMS has an ETag of its own', async () => {
  await world.put('source', 'bytes');
  const copied = await world.client.send(
    new CopyObjectCommand({ Bucket: bucket, Key: 'copy', CopySource: `${bucket}/source` }),
  );
  const [source, copy] = [await head('source'), await head('copy')];
  expect(copied.CopyObjectResult?.ETag).toBe(copy.ETag);
  expect(copy.ETag).not.toBe(source.ETag);
  expect(await world.read('copy')).toBe('bytes');
});
