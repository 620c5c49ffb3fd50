import { createHash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import {
  CopyObjectCommand,
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetBucketLocationCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  PutObjectCommand,
  PutObjectTaggingCommand,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bucket, openS3World, type S3World } from './s3-world.ts';

let world: S3World;
beforeAll(async () => {
  world = await openS3World({ copyLimitBytes: 100_000 });
});
afterAll(() => world.end());

const md5 = (body: string | Buffer) => createHash('md5').update(body).digest('hex');
const put = (key: string, body: string | Buffer, more: object = {}) =>
  world.client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: body, ...more }));
const get = (key: string, more: object = {}) =>
  world.client.send(new GetObjectCommand({ Bucket: bucket, Key: key, ...more }));
const textOf = async (key: string, more: object = {}) =>
  (await get(key, more)).Body!.transformToString();

describe('objects of the local S3', () => {
  it('keep their bytes, headers, metadata and tags', async () => {
    const answer = await put('kept', 'hello', {
      ContentType: 'text/plain',
      CacheControl: 'no-cache',
      ContentEncoding: 'identity',
      ContentLanguage: 'de',
      ContentDisposition: 'attachment',
      Metadata: { colour: 'blue', 'two-words': 'a, b' },
      Tagging: 'a=1&b=two%20words',
    });
    expect(answer.ETag).toBe(`"${md5('hello')}"`);
    const got = await get('kept');
    expect(await got.Body!.transformToString()).toBe('hello');
    expect(got).toMatchObject({
      ContentType: 'text/plain',
      CacheControl: 'no-cache',
      ContentEncoding: 'identity',
      ContentLanguage: 'de',
      ContentDisposition: 'attachment',
      Metadata: { colour: 'blue', 'two-words': 'a, b' },
      ContentLength: 5,
      ETag: answer.ETag,
      AcceptRanges: 'bytes',
      TagCount: 2,
    });
    expect(got.$metadata.requestId).toMatch(/^[0-9A-F]{16}$/);
    expect(
      (await world.client.send(new GetObjectTaggingCommand({ Bucket: bucket, Key: 'kept' })))
        .TagSet,
    ).toEqual([
      { Key: 'a', Value: '1' },
      { Key: 'b', Value: 'two words' },
    ]);
    await world.client.send(
      new PutObjectTaggingCommand({
        Bucket: bucket,
        Key: 'kept',
        Tagging: { TagSet: [{ Key: 'c', Value: '<&>' }] },
      }),
    );
    expect(
      (await world.client.send(new GetObjectTaggingCommand({ Bucket: bucket, Key: 'kept' })))
        .TagSet,
    ).toEqual([{ Key: 'c', Value: '<&>' }]);
    expect(await textOf('kept')).toBe('hello');
  });

  it('of every size near the memory and buffer limits are returned whole', async () => {
    for (const bytes of [0, 1, 16_384, 16_385, 1 << 20, (3 << 20) + 7]) {
      const body = randomBytes(bytes);
      const { ETag } = await put('sized', body);
      expect(ETag).toBe(`"${md5(body)}"`);
      const got = await get('sized');
      expect(md5(Buffer.from(await got.Body!.transformToByteArray()))).toBe(md5(body));
    }
  });

  it('can be uploaded as a stream of known length, in signed or unsigned chunks', async () => {
    const body = randomBytes(300_000);
    await world.client.send(
      new PutObjectCommand({
        Bucket: bucket,
        Key: 'streamed',
        Body: Readable.from([body.subarray(0, 70_001), body.subarray(70_001)]),
        ContentLength: body.length,
      }),
    );
    const got = await get('streamed', { ChecksumMode: 'ENABLED' });
    expect(Buffer.from(await got.Body!.transformToByteArray()).equals(body)).toBe(true);
    expect(got.ChecksumCRC32).toBeDefined();
    expect(got.ContentEncoding).toBeUndefined();
  });

  it('are read in ranges: from, to, suffix and beyond the end', async () => {
    const small = 'abcdefghij';
    const large = randomBytes(40_000);
    await put('small', small);
    await put('large', large);
    expect(await textOf('small', { Range: 'bytes=2-4' })).toBe('cde');
    expect(await textOf('small', { Range: 'bytes=7-' })).toBe('hij');
    expect(await textOf('small', { Range: 'bytes=-3' })).toBe('hij');
    expect(await textOf('small', { Range: 'bytes=-30' })).toBe(small);
    const part = await get('large', { Range: 'bytes=100-30000' });
    expect(part.$metadata.httpStatusCode).toBe(206);
    expect(part.ContentRange).toBe('bytes 100-30000/40000');
    expect(
      Buffer.from(await part.Body!.transformToByteArray()).equals(large.subarray(100, 30_001)),
    ).toBe(true);
    await expect(get('small', { Range: 'bytes=10-' })).rejects.toMatchObject({
      name: 'InvalidRange',
      $metadata: { httpStatusCode: 416 },
    });
  });

  it('are read subject to conditions', async () => {
    const { ETag } = await put('conditional', 'x');
    const past = new Date(Date.now() - 60_000);
    const future = new Date(Date.now() + 60_000);
    expect(await textOf('conditional', { IfMatch: ETag })).toBe('x');
    await expect(get('conditional', { IfMatch: '"no"' })).rejects.toMatchObject({
      name: 'PreconditionFailed',
    });
    await expect(get('conditional', { IfNoneMatch: ETag })).rejects.toMatchObject({
      $metadata: { httpStatusCode: 304 },
    });
    await expect(get('conditional', { IfModifiedSince: future })).rejects.toMatchObject({
      $metadata: { httpStatusCode: 304 },
    });
    expect(await textOf('conditional', { IfModifiedSince: past })).toBe('x');
    await expect(get('conditional', { IfUnmodifiedSince: past })).rejects.toMatchObject({
      name: 'PreconditionFailed',
    });
    expect(await textOf('conditional', { IfMatch: ETag, IfUnmodifiedSince: past })).toBe('x');
  });

  it('are returned with the response headers that a request overrides', async () => {
    await put('overridden', 'x', { ContentType: 'text/plain' });
    const got = await get('overridden', {
      ResponseContentType: 'a/b',
      ResponseContentDisposition: 'inline',
    });
    expect(got).toMatchObject({ ContentType: 'a/b', ContentDisposition: 'inline' });
  });

  it('are copied with or without their metadata, subject to conditions', async () => {
    const { ETag } = await put('from/ä &+.txt', 'source', {
      ContentType: 'text/x',
      Metadata: { a: '1' },
    });
    const copy = (more: object) =>
      world.client.send(
        new CopyObjectCommand({
          Bucket: bucket,
          Key: 'to',
          CopySource: encodeURI(`${bucket}/from/ä &`) + '%2B.txt',
          ...more,
        }),
      );
    expect((await copy({})).CopyObjectResult).toMatchObject({ ETag });
    expect(await get('to')).toMatchObject({ ContentType: 'text/x', Metadata: { a: '1' } });
    await copy({ MetadataDirective: 'REPLACE', Metadata: { b: '2' } });
    expect(await get('to')).toMatchObject({ Metadata: { b: '2' } });
    expect(await textOf('to')).toBe('source');
    await copy({ CopySourceIfMatch: ETag });
    await expect(copy({ CopySourceIfMatch: '"no"' })).rejects.toMatchObject({
      name: 'PreconditionFailed',
    });
    await expect(copy({ CopySourceIfNoneMatch: ETag })).rejects.toMatchObject({
      name: 'PreconditionFailed',
    });
    await expect(copy({ CopySource: `${bucket}/nothing` })).rejects.toMatchObject({
      name: 'NoSuchKey',
    });
    await expect(
      world.client.send(
        new CopyObjectCommand({ Bucket: bucket, Key: 'to', CopySource: `${bucket}/to` }),
      ),
    ).rejects.toMatchObject({ name: 'InvalidRequest' });
  });

  it('above the copy limit are not copied in one call', async () => {
    await put('huge', randomBytes(100_001));
    await expect(
      world.client.send(
        new CopyObjectCommand({ Bucket: bucket, Key: 'x', CopySource: `${bucket}/huge` }),
      ),
    ).rejects.toMatchObject({
      name: 'InvalidRequest',
      message: expect.stringContaining('larger than the maximum allowable size for a copy source'),
    });
  });

  it('stay readable in a copy after a delete and in a download after an overwrite', async () => {
    const body = randomBytes(60_000);
    await put('original', body);
    await world.client.send(
      new CopyObjectCommand({ Bucket: bucket, Key: 'copied', CopySource: `${bucket}/original` }),
    );
    const reading = await get('original');
    await put('original', 'short');
    await world.client.send(new DeleteObjectCommand({ Bucket: bucket, Key: 'original' }));
    expect(Buffer.from(await reading.Body!.transformToByteArray()).equals(body)).toBe(true);
    expect(Buffer.from(await (await get('copied')).Body!.transformToByteArray()).equals(body)).toBe(
      true,
    );
  });

  it('are deleted one by one and many at once, whether they exist or not', async () => {
    await put('gone/1', 'x');
    await put('gone/2 <&>', 'x');
    await world.client.send(new DeleteObjectCommand({ Bucket: bucket, Key: 'gone/never' }));
    const answer = await world.client.send(
      new DeleteObjectsCommand({
        Bucket: bucket,
        Delete: { Objects: [{ Key: 'gone/1' }, { Key: 'gone/2 <&>' }, { Key: 'gone/3' }] },
      }),
    );
    expect(answer.Deleted?.map(({ Key }) => Key)).toEqual(['gone/1', 'gone/2 <&>', 'gone/3']);
    await expect(get('gone/2 <&>')).rejects.toMatchObject({
      name: 'NoSuchKey',
      $metadata: { httpStatusCode: 404 },
    });
    await expect(
      world.client.send(new HeadObjectCommand({ Bucket: bucket, Key: 'gone/1' })),
    ).rejects.toMatchObject({ name: 'NotFound' });
  });
});

describe('buckets of the local S3', () => {
  it('are created, found, listed and, when empty, deleted', async () => {
    const { client } = world;
    await client.send(new CreateBucketCommand({ Bucket: 'another' }));
    await client.send(new HeadBucketCommand({ Bucket: 'another' }));
    expect(
      (await client.send(new ListBucketsCommand({}))).Buckets?.map(({ Name }) => Name),
    ).toEqual(['another', bucket]);
    expect(
      (await client.send(new GetBucketLocationCommand({ Bucket: 'another' }))).LocationConstraint,
    ).toBeUndefined();
    await client.send(new PutObjectCommand({ Bucket: 'another', Key: 'a', Body: 'x' }));
    await expect(client.send(new DeleteBucketCommand({ Bucket: 'another' }))).rejects.toMatchObject(
      { name: 'BucketNotEmpty' },
    );
    await client.send(new DeleteObjectCommand({ Bucket: 'another', Key: 'a' }));
    await client.send(new DeleteBucketCommand({ Bucket: 'another' }));
    await expect(client.send(new HeadBucketCommand({ Bucket: 'another' }))).rejects.toMatchObject({
      name: 'NotFound',
    });
    await expect(
      client.send(new PutObjectCommand({ Bucket: 'another', Key: 'a', Body: 'x' })),
    ).rejects.toMatchObject({ name: 'NoSuchBucket' });
    await expect(
      client.send(new CreateBucketCommand({ Bucket: 'Not_A_Name' })),
    ).rejects.toMatchObject({ name: 'InvalidBucketName' });
  });
});
