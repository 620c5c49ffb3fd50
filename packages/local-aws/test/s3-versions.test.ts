import {
  CopyObjectCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  GetBucketVersioningCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  PutObjectTaggingCommand,
} from '@aws-sdk/client-s3';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { bucket, openS3World, type S3World } from './s3-world.ts';

let world: S3World;
beforeEach(async () => {
  world = await openS3World();
});
afterEach(() => world.end());

const keepVersions = () =>
  world.client.send(
    new PutBucketVersioningCommand({
      Bucket: bucket,
      VersioningConfiguration: { Status: 'Enabled' },
    }),
  );
const put = async (Body: string, Key = 'x') =>
  (await world.client.send(new PutObjectCommand({ Bucket: bucket, Key, Body }))).VersionId;
async function read(VersionId?: string): Promise<string | undefined> {
  const { Body } = await world.client.send(
    new GetObjectCommand({ Bucket: bucket, Key: 'x', VersionId }),
  );
  return Body?.transformToString();
}

test('a bucket keeps no versions until it is told to', async () => {
  const at = { Bucket: bucket };
  expect(await put('one')).toBeUndefined();
  expect((await world.client.send(new GetBucketVersioningCommand(at))).Status).toBeUndefined();
  await keepVersions();
  expect((await world.client.send(new GetBucketVersioningCommand(at))).Status).toBe('Enabled');
  expect(
    (await world.client.send(new HeadObjectCommand({ ...at, Key: 'x' }))).VersionId,
    'what was there before has the version null',
  ).toBe('null');
});

test('an earlier version is read after it was overwritten and deleted, also after a restart', async () => {
  await put('before');
  await keepVersions();
  const one = await put('one');
  const two = await put('two');
  expect(new Set([one, two, undefined]).size).toBe(3);
  await world.client.send(new DeleteObjectCommand({ Bucket: bucket, Key: 'x' }));
  const readAll = () => Promise.all(['null', one, two].map((version) => read(version)));
  expect(await readAll()).toEqual(['before', 'one', 'two']);
  await expect(read()).rejects.toMatchObject({ name: 'NoSuchKey' });
  await expect(read('other')).rejects.toMatchObject({ name: 'NoSuchVersion' });
  await world.restart();
  expect(await readAll()).toEqual(['before', 'one', 'two']);
  await expect(read()).rejects.toMatchObject({ name: 'NoSuchKey' });
  await expect(
    world.client.send(new DeleteBucketCommand({ Bucket: bucket })),
  ).rejects.toMatchObject({ name: 'BucketNotEmpty' });
});

test('a copy takes the version that its source names, and answers both versions', async () => {
  await keepVersions();
  const one = await put('one');
  await put('two');
  const copied = await world.client.send(
    new CopyObjectCommand({
      Bucket: bucket,
      Key: 'copy',
      CopySource: `${bucket}/x?versionId=${one}`,
    }),
  );
  expect(copied.CopySourceVersionId).toBe(one);
  const head = await world.client.send(new HeadObjectCommand({ Bucket: bucket, Key: 'copy' }));
  expect(head).toMatchObject({ ContentLength: 3, VersionId: copied.VersionId });
});

test('new tags are not a new version', async () => {
  await keepVersions();
  const one = await put('one');
  await world.client.send(
    new PutObjectTaggingCommand({
      Bucket: bucket,
      Key: 'x',
      Tagging: { TagSet: [{ Key: 'a', Value: 'b' }] },
    }),
  );
  const head = await world.client.send(new HeadObjectCommand({ Bucket: bucket, Key: 'x' }));
  expect(head).toMatchObject({ VersionId: one, TagCount: 1 });
});
