import { createHash, randomBytes } from 'node:crypto';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  GetObjectAttributesCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  PutObjectCommand,
  UploadPartCommand,
  UploadPartCopyCommand,
  type CompletedPart,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createCrc } from '../s3/crc.ts';
import { bucket, openS3World, type S3World } from './s3-world.ts';

const PART_BYTES = 5 << 20;
const BODIES = [randomBytes(PART_BYTES), randomBytes(PART_BYTES + 1), randomBytes(1000)];
const WHOLE = Buffer.concat(BODIES);
const md5 = (body: Buffer) => createHash('md5').update(body).digest();

let world: S3World;
beforeAll(async () => {
  world = await openS3World();
});
afterAll(() => world.end());

async function create(key: string, more: object = {}): Promise<string> {
  return (
    await world.client.send(new CreateMultipartUploadCommand({ Bucket: bucket, Key: key, ...more }))
  ).UploadId!;
}
async function uploadParts(
  key: string,
  UploadId: string,
  parts: Buffer[] = BODIES,
  more: object = {},
): Promise<CompletedPart[]> {
  return Promise.all(
    parts.map(async (Body, index) => {
      const PartNumber = index + 1;
      const { ETag, ChecksumCRC32, ChecksumSHA256 } = await world.client.send(
        new UploadPartCommand({ Bucket: bucket, Key: key, UploadId, PartNumber, Body, ...more }),
      );
      return {
        PartNumber,
        ETag,
        ...(ChecksumCRC32 && { ChecksumCRC32 }),
        ...(ChecksumSHA256 && { ChecksumSHA256 }),
      };
    }),
  );
}
const complete = (key: string, UploadId: string, Parts: CompletedPart[], more: object = {}) =>
  world.client.send(
    new CompleteMultipartUploadCommand({
      Bucket: bucket,
      Key: key,
      UploadId,
      MultipartUpload: { Parts },
      ...more,
    }),
  );
const head = (key: string) =>
  world.client.send(new HeadObjectCommand({ Bucket: bucket, Key: key, ChecksumMode: 'ENABLED' }));

describe('multipart uploads of the local S3', () => {
  it('become one object with the ETag of its parts and a full-object CRC64NVME', async () => {
    const UploadId = await create('whole', { ContentType: 'a/b', Metadata: { m: '1' } });
    const parts = await uploadParts('whole', UploadId);
    const done = await complete('whole', UploadId, parts);
    expect(done.ETag).toBe(
      `"${createHash('md5')
        .update(Buffer.concat(BODIES.map(md5)))
        .digest('hex')}-3"`,
    );
    const got = await world.client.send(
      new GetObjectCommand({ Bucket: bucket, Key: 'whole', ChecksumMode: 'ENABLED' }),
    );
    expect(md5(Buffer.from(await got.Body!.transformToByteArray())).equals(md5(WHOLE))).toBe(true);
    expect(got).toMatchObject({ ContentType: 'a/b', Metadata: { m: '1' } });
    const crc = createCrc('CRC64NVME');
    crc.update(WHOLE);
    expect(await head('whole')).toMatchObject({
      ChecksumCRC64NVME: crc.digest().toString('base64'),
      ChecksumType: 'FULL_OBJECT',
      ContentLength: WHOLE.length,
    });
    const across = await world.client.send(
      new GetObjectCommand({
        Bucket: bucket,
        Key: 'whole',
        Range: `bytes=${PART_BYTES - 3}-${2 * PART_BYTES + 9}`,
      }),
    );
    expect(
      Buffer.from(await across.Body!.transformToByteArray()).equals(
        WHOLE.subarray(PART_BYTES - 3, 2 * PART_BYTES + 10),
      ),
    ).toBe(true);
    const second = await world.client.send(
      new GetObjectCommand({ Bucket: bucket, Key: 'whole', PartNumber: 2 }),
    );
    expect(second).toMatchObject({ PartsCount: 3, ContentLength: PART_BYTES + 1 });
    await second.Body!.transformToByteArray();
    await expect(complete('whole', UploadId, parts)).rejects.toMatchObject({
      name: 'NoSuchUpload',
    });
  });

  it('have a composite checksum when only the algorithm is named, and their copies a new one', async () => {
    const UploadId = await create('composite', { ChecksumAlgorithm: 'SHA256' });
    const parts = await uploadParts('composite', UploadId, BODIES, { ChecksumAlgorithm: 'SHA256' });
    await expect(
      complete(
        'composite',
        UploadId,
        parts.map(({ PartNumber, ETag }) => ({ PartNumber, ETag })),
      ),
    ).rejects.toMatchObject({
      name: 'InvalidRequest',
      message: expect.stringContaining('must include the checksum for each part'),
    });
    await complete('composite', UploadId, parts);
    const digests = BODIES.map((body) => createHash('sha256').update(body).digest());
    expect(await head('composite')).toMatchObject({
      ChecksumSHA256: `${createHash('sha256').update(Buffer.concat(digests)).digest('base64')}-3`,
      ChecksumType: 'COMPOSITE',
    });
    const { ObjectParts } = await world.client.send(
      new GetObjectAttributesCommand({
        Bucket: bucket,
        Key: 'composite',
        ObjectAttributes: ['ObjectParts'],
        MaxParts: 2,
      }),
    );
    expect(ObjectParts).toMatchObject({
      TotalPartsCount: 3,
      IsTruncated: true,
      NextPartNumberMarker: '2',
    });
    expect(ObjectParts?.Parts?.[1]).toMatchObject({
      PartNumber: 2,
      Size: PART_BYTES + 1,
      ChecksumSHA256: digests[1]?.toString('base64'),
    });
    await world.client.send(
      new CopyObjectCommand({
        Bucket: bucket,
        Key: 'composite-copy',
        CopySource: `${bucket}/composite`,
      }),
    );
    expect(await head('composite-copy')).toMatchObject({
      ETag: `"${md5(WHOLE).toString('hex')}"`,
      ChecksumSHA256: createHash('sha256').update(WHOLE).digest('base64'),
      ChecksumType: 'FULL_OBJECT',
    });
  });

  it('have a full-object checksum when asked for, which is verified and kept by a copy', async () => {
    const crc = createCrc('CRC32');
    crc.update(WHOLE);
    const ChecksumCRC32 = crc.digest().toString('base64');
    const UploadId = await create('full', {
      ChecksumAlgorithm: 'CRC32',
      ChecksumType: 'FULL_OBJECT',
    });
    const parts = await uploadParts('full', UploadId, BODIES, { ChecksumAlgorithm: 'CRC32' });
    await expect(
      complete('full', UploadId, parts, { ChecksumCRC32: 'AAAAAA==', ChecksumType: 'FULL_OBJECT' }),
    ).rejects.toMatchObject({ name: 'BadDigest' });
    await expect(head('full')).rejects.toMatchObject({ name: 'NotFound' });
    await complete('full', UploadId, parts, {
      ChecksumCRC32,
      ChecksumType: 'FULL_OBJECT',
      MpuObjectSize: WHOLE.length,
    });
    expect(await head('full')).toMatchObject({ ChecksumCRC32, ChecksumType: 'FULL_OBJECT' });
    await world.client.send(
      new CopyObjectCommand({ Bucket: bucket, Key: 'full-copy', CopySource: `${bucket}/full` }),
    );
    expect(await head('full-copy')).toMatchObject({ ChecksumCRC32, ChecksumType: 'FULL_OBJECT' });
  });

  it('accept parts copied from an object, whole or by range', async () => {
    await world.client.send(new PutObjectCommand({ Bucket: bucket, Key: 'source', Body: WHOLE }));
    const UploadId = await create('joined');
    const ranges = [`bytes=0-${PART_BYTES - 1}`, `bytes=${PART_BYTES}-${WHOLE.length - 1}`];
    const parts = await Promise.all(
      ranges.map(async (CopySourceRange, index) => {
        const { CopyPartResult } = await world.client.send(
          new UploadPartCopyCommand({
            Bucket: bucket,
            Key: 'joined',
            UploadId,
            PartNumber: index + 1,
            CopySource: `${bucket}/source`,
            CopySourceRange,
          }),
        );
        return { PartNumber: index + 1, ETag: CopyPartResult?.ETag };
      }),
    );
    await complete('joined', UploadId, parts);
    const got = await world.client.send(new GetObjectCommand({ Bucket: bucket, Key: 'joined' }));
    expect(md5(Buffer.from(await got.Body!.transformToByteArray())).equals(md5(WHOLE))).toBe(true);
    const other = await create('joined');
    await expect(
      world.client.send(
        new UploadPartCopyCommand({
          Bucket: bucket,
          Key: 'joined',
          UploadId: other,
          PartNumber: 1,
          CopySource: `${bucket}/source`,
          CopySourceRange: `bytes=0-${WHOLE.length}`,
        }),
      ),
    ).rejects.toMatchObject({ name: 'InvalidArgument' });
    await world.client.send(
      new AbortMultipartUploadCommand({ Bucket: bucket, Key: 'joined', UploadId: other }),
    );
  });

  it('refuse parts that are too small, out of order, unknown or have another ETag', async () => {
    const UploadId = await create('refused');
    const parts = await uploadParts('refused', UploadId, [Buffer.from('a'), Buffer.from('b')]);
    const [first, second] = parts as [CompletedPart, CompletedPart];
    await expect(complete('refused', UploadId, [first, second])).rejects.toMatchObject({
      name: 'EntityTooSmall',
    });
    await expect(complete('refused', UploadId, [second, first])).rejects.toMatchObject({
      name: 'InvalidPartOrder',
    });
    await expect(
      complete('refused', UploadId, [{ ...first, PartNumber: 7 }]),
    ).rejects.toMatchObject({ name: 'InvalidPart' });
    await expect(
      complete('refused', UploadId, [{ ...first, ETag: second.ETag }]),
    ).rejects.toMatchObject({ name: 'InvalidPart' });
    await complete('refused', UploadId, [second]);
    expect((await head('refused')).ContentLength).toBe(1);
  });

  it('are listed with their parts until they are aborted', async () => {
    const ids = [await create('open/b'), await create('open/a'), await create('open/a')];
    await uploadParts('open/b', ids[0]!, [Buffer.from('a'), Buffer.from('bb')]);
    const listed = await world.client.send(
      new ListMultipartUploadsCommand({ Bucket: bucket, Prefix: 'open/', MaxUploads: 2 }),
    );
    expect(listed.Uploads?.map(({ Key }) => Key)).toEqual(['open/a', 'open/a']);
    const rest = await world.client.send(
      new ListMultipartUploadsCommand({
        Bucket: bucket,
        Prefix: 'open/',
        KeyMarker: listed.NextKeyMarker,
        UploadIdMarker: listed.NextUploadIdMarker,
      }),
    );
    expect(rest.Uploads?.map(({ UploadId }) => UploadId)).toEqual([ids[0]]);
    const page = await world.client.send(
      new ListPartsCommand({ Bucket: bucket, Key: 'open/b', UploadId: ids[0], MaxParts: 1 }),
    );
    expect(page).toMatchObject({ IsTruncated: true, NextPartNumberMarker: '1' });
    const next = await world.client.send(
      new ListPartsCommand({
        Bucket: bucket,
        Key: 'open/b',
        UploadId: ids[0],
        PartNumberMarker: '1',
      }),
    );
    expect(next.Parts?.map(({ PartNumber, Size }) => [PartNumber, Size])).toEqual([[2, 2]]);
    await world.client.send(
      new AbortMultipartUploadCommand({ Bucket: bucket, Key: 'open/b', UploadId: ids[0] }),
    );
    await expect(
      world.client.send(new ListPartsCommand({ Bucket: bucket, Key: 'open/b', UploadId: ids[0] })),
    ).rejects.toMatchObject({ name: 'NoSuchUpload' });
    await expect(uploadParts('open/b', ids[0]!, [Buffer.from('a')])).rejects.toMatchObject({
      name: 'NoSuchUpload',
    });
  });
});
