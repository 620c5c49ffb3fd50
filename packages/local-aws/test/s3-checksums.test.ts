import { createHash, randomBytes } from 'node:crypto';
import { request } from 'node:http';
import { Readable } from 'node:stream';
import { crc32 } from 'node:zlib';
import {
  CopyObjectCommand,
  GetObjectAttributesCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  type ChecksumAlgorithm,
} from '@aws-sdk/client-s3';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { combineCrcs, createCrc } from '../s3/crc.ts';
import { bucket, openS3World, type S3World } from './s3-world.ts';

let world: S3World;
beforeAll(async () => {
  world = await openS3World();
});
afterAll(() => world.end());

const CRC_NAMES = ['CRC32', 'CRC32C', 'CRC64NVME'] as const;
const crcOf = (name: (typeof CRC_NAMES)[number], bytes: Uint8Array) => {
  const crc = createCrc(name);
  crc.update(bytes);
  return crc.digest();
};
const head = (key: string) =>
  world.client.send(new HeadObjectCommand({ Bucket: bucket, Key: key, ChecksumMode: 'ENABLED' }));

/** A PUT that no SDK would send. */
function putRaw(
  key: string,
  body: Buffer | string,
  headers: Record<string, string>,
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const sent = request(
      `${world.s3.url}/${bucket}/${key}`,
      { method: 'PUT', headers: { authorization: 'AWS4-HMAC-SHA256 Credential=x', ...headers } },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }),
        );
      },
    );
    sent.on('error', reject);
    sent.end(body);
  });
}

describe('the CRCs', () => {
  it('have the check values that their specifications list', () => {
    const check = Buffer.from('123456789');
    expect(CRC_NAMES.map((name) => crcOf(name, check).toString('hex'))).toEqual([
      'cbf43926',
      'e3069283',
      'ae8b14860a799888',
    ]);
  });

  it('do not depend on how the bytes are cut, and combine from those of the parts', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 100 }), { maxLength: 6 }),
        fc.constantFrom(...CRC_NAMES),
        (pieces, name) => {
          const whole = crcOf(name, Buffer.concat(pieces));
          const running = createCrc(name);
          for (const piece of pieces) running.update(piece);
          expect(running.digest()).toEqual(whole);
          expect(
            combineCrcs(
              name,
              pieces.map((piece) => ({ digest: crcOf(name, piece), bytes: piece.length })),
            ),
          ).toEqual(whole);
        },
      ),
    );
    const large = randomBytes(1_000_003);
    expect(crcOf('CRC32', large).readUInt32BE()).toBe(crc32(large));
  });
});

describe('checksums of the local S3', () => {
  it.each(['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'] satisfies ChecksumAlgorithm[])(
    'of type %s are verified, stored and returned, as a header and as a trailer',
    async (algorithm) => {
      const body = randomBytes(50_000);
      const field = `Checksum${algorithm}` as const;
      // The SDK needs a further package for CRC64NVME, so the value is given.
      const given =
        algorithm === 'CRC64NVME'
          ? { ChecksumCRC64NVME: crcOf('CRC64NVME', body).toString('base64') }
          : { ChecksumAlgorithm: algorithm };
      const put = await world.client.send(
        new PutObjectCommand({ Bucket: bucket, Key: 'header', Body: body, ...given }),
      );
      const expected = algorithm.startsWith('SHA')
        ? createHash(algorithm).update(body).digest('base64')
        : crcOf(algorithm as 'CRC32', body).toString('base64');
      expect(put[field]).toBe(expected);
      expect(await head('header')).toMatchObject({
        [field]: expected,
        ChecksumType: 'FULL_OBJECT',
      });
      const { Checksum } = await world.client.send(
        new GetObjectAttributesCommand({
          Bucket: bucket,
          Key: 'header',
          ObjectAttributes: ['Checksum', 'ETag', 'ObjectSize'],
        }),
      );
      expect(Checksum).toEqual({ [field]: expected, ChecksumType: 'FULL_OBJECT' });
      if (algorithm === 'CRC64NVME') return;
      await world.client.send(
        new PutObjectCommand({
          Bucket: bucket,
          Key: 'trailer',
          Body: Readable.from([body]),
          ContentLength: body.length,
          ChecksumAlgorithm: algorithm,
        }),
      );
      expect((await head('trailer'))[field]).toBe(expected);
    },
  );

  it('are CRC64NVME when the client sends none', async () => {
    const plain = world.newClient({ requestChecksumCalculation: 'WHEN_REQUIRED' });
    await plain.send(new PutObjectCommand({ Bucket: bucket, Key: 'plain', Body: '123456789' }));
    expect(await head('plain')).toMatchObject({
      ChecksumCRC64NVME: 'rosUhgp5mIg=',
      ChecksumType: 'FULL_OBJECT',
    });
    const { ChecksumCRC64NVME } = await world.client.send(
      new HeadObjectCommand({ Bucket: bucket, Key: 'plain' }),
    );
    expect(ChecksumCRC64NVME).toBeUndefined();
  });

  it('are left out of range reads, which they would not match', async () => {
    await world.client.send(
      new PutObjectCommand({ Bucket: bucket, Key: 'ranged', Body: '123456789' }),
    );
    const got = await world.client.send(
      new GetObjectCommand({
        Bucket: bucket,
        Key: 'ranged',
        Range: 'bytes=1-3',
        ChecksumMode: 'ENABLED',
      }),
    );
    expect(await got.Body!.transformToString()).toBe('234');
  });

  it('of a full object survive a copy, which can also ask for another algorithm', async () => {
    await world.client.send(
      new PutObjectCommand({
        Bucket: bucket,
        Key: 'copied',
        Body: '123456789',
        ChecksumAlgorithm: 'CRC32C',
      }),
    );
    const { ChecksumCRC32C } = await head('copied');
    await world.client.send(
      new CopyObjectCommand({ Bucket: bucket, Key: 'copy', CopySource: `${bucket}/copied` }),
    );
    expect(await head('copy')).toMatchObject({ ChecksumCRC32C, ChecksumType: 'FULL_OBJECT' });
    const { CopyObjectResult } = await world.client.send(
      new CopyObjectCommand({
        Bucket: bucket,
        Key: 'copy',
        CopySource: `${bucket}/copied`,
        ChecksumAlgorithm: 'SHA256',
      }),
    );
    expect(CopyObjectResult?.ChecksumSHA256).toBe(
      createHash('sha256').update('123456789').digest('base64'),
    );
  });

  it.each([
    ['a wrong checksum', { 'x-amz-checksum-crc32': 'AAAAAA==' }, 'BadDigest'],
    ['a malformed checksum', { 'x-amz-checksum-crc32': 'AAA=' }, 'InvalidRequest'],
    [
      'two checksums',
      { 'x-amz-checksum-crc32': 'y/Q5Jg==', 'x-amz-checksum-sha1': '98O8HYCOBHMq32eZZczDTKeuNEE=' },
      'InvalidRequest',
    ],
    [
      'an algorithm without its checksum',
      { 'x-amz-sdk-checksum-algorithm': 'CRC32' },
      'InvalidRequest',
    ],
    ['a wrong Content-MD5', { 'content-md5': createHash('md5').digest('base64') }, 'BadDigest'],
    ['a malformed Content-MD5', { 'content-md5': 'nonsense' }, 'InvalidDigest'],
    [
      'a wrong payload digest',
      { 'x-amz-content-sha256': '0'.repeat(64) },
      'XAmzContentSHA256Mismatch',
    ],
  ])('refuse %s, and nothing is stored', async (_, headers, code) => {
    const answer = await putRaw('bad', '123456789', headers as Record<string, string>);
    expect(answer.status).toBe(400);
    expect(answer.text).toContain(`<Code>${code}</Code>`);
    await expect(head('bad')).rejects.toMatchObject({ name: 'NotFound' });
  });
});

const SIGNED = ';chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648';
const encode = (pieces: Buffer[], extension: string, trailers: string[]) =>
  Buffer.concat([
    ...pieces
      .filter((piece) => piece.length > 0)
      .flatMap((piece) => [
        Buffer.from(`${piece.length.toString(16)}${extension}\r\n`),
        piece,
        Buffer.from('\r\n'),
      ]),
    Buffer.from(`0${extension}\r\n${trailers.map((line) => `${line}\r\n`).join('')}\r\n`),
  ]);
const chunkedHeaders = (bytes: number, sha: string) => ({
  'content-encoding': 'aws-chunked',
  'x-amz-decoded-content-length': String(bytes),
  'x-amz-content-sha256': sha,
});

describe('the aws-chunked encoding', () => {
  it('is decoded however it is chunked, signed or not, with or without a trailer', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ maxLength: 3000 }), { maxLength: 5 }),
        fc.boolean(),
        fc.boolean(),
        async (arrays, isSigned, withTrailer) => {
          const pieces = arrays.map((array) => Buffer.from(array));
          const whole = Buffer.concat(pieces);
          const trailers = withTrailer
            ? [
                `x-amz-checksum-crc32c:${crcOf('CRC32C', whole).toString('base64')}`,
                ...(isSigned ? ['x-amz-trailer-signature:abc'] : []),
              ]
            : [];
          const sha = isSigned
            ? `STREAMING-AWS4-HMAC-SHA256-PAYLOAD${withTrailer ? '-TRAILER' : ''}`
            : 'STREAMING-UNSIGNED-PAYLOAD-TRAILER';
          const answer = await putRaw('chunked', encode(pieces, isSigned ? SIGNED : '', trailers), {
            ...chunkedHeaders(whole.length, sha),
            ...(withTrailer && { 'x-amz-trailer': 'x-amz-checksum-crc32c' }),
          });
          expect(answer).toEqual({ status: 200, text: '' });
          const got = await world.client.send(
            new GetObjectCommand({ Bucket: bucket, Key: 'chunked' }),
          );
          expect(Buffer.from(await got.Body!.transformToByteArray()).equals(whole)).toBe(true);
          expect(got.ContentEncoding).toBeUndefined();
        },
      ),
      { numRuns: 40 },
    );
  });

  it.each([
    [
      'a trailer that does not match',
      encode([Buffer.from('123456789')], '', ['x-amz-checksum-crc32:AAAAAA==']),
      9,
      'BadDigest',
    ],
    ['a missing trailer', encode([Buffer.from('123456789')], '', []), 9, 'InvalidRequest'],
    ['a missing end', Buffer.from('9\r\n123456789\r\n'), 9, 'IncompleteBody'],
    [
      'a size that is not a number',
      Buffer.from('zz\r\n123456789\r\n0\r\n\r\n'),
      9,
      'IncompleteBody',
    ],
    [
      'fewer bytes than announced',
      encode([Buffer.from('123456789')], '', ['x-amz-checksum-crc32:y/Q5Jg==']),
      10,
      'IncompleteBody',
    ],
    [
      'more bytes than announced',
      encode([Buffer.from('123456789')], '', ['x-amz-checksum-crc32:y/Q5Jg==']),
      8,
      'IncompleteBody',
    ],
  ])('with %s is refused and nothing is stored', async (_, body, bytes, code) => {
    const answer = await putRaw('broken', body, {
      ...chunkedHeaders(bytes, 'STREAMING-UNSIGNED-PAYLOAD-TRAILER'),
      'x-amz-trailer': 'x-amz-checksum-crc32',
    });
    expect(answer.text).toContain(`<Code>${code}</Code>`);
    await expect(head('broken')).rejects.toMatchObject({ name: 'NotFound' });
  });
});
