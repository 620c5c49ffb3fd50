/** Objects that a story changes, and what each held when: so that a test can say what a look may have seen. */
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  PutObjectCommand,
  UploadPartCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { parseS3Url } from '../../core/files/s3-url.ts';

/** How an object is written; each leaves other ETags and checksums for the same bytes. */
export const ways = ['crc64nvme', 'crc32', 'sha256', 'multipart', 'composite', 'copy'] as const;
export type Way = (typeof ways)[number];

export interface Shelf {
  write(url: string, bytes: Buffer, way: Way): Promise<void>;
  remove(url: string): Promise<void>;
  /** Everything that the object may have held at a moment of this time; undefined where it may have been absent. */
  held(url: string, during: Span): (Buffer | undefined)[];
}

export interface Span {
  fromMs: number;
  untilMs: number;
}

interface Version {
  bytes: Buffer | undefined;
  /** When its write began. */
  fromMs: number;
  /** When the write of the next one had ended. */
  untilMs: number;
}

export function openShelf(s3: S3Client): Shelf {
  const versions = new Map<string, Version[]>();
  const change = async (
    url: string,
    bytes: Buffer | undefined,
    act: () => Promise<unknown>,
  ): Promise<void> => {
    const known = versions.get(url) ?? [
      { bytes: undefined, fromMs: 0, untilMs: Number.POSITIVE_INFINITY },
    ];
    versions.set(url, known);
    const before = known.at(-1);
    known.push({ bytes, fromMs: Date.now(), untilMs: Number.POSITIVE_INFINITY });
    await act();
    if (before) before.untilMs = Date.now();
  };
  return {
    write: (url, bytes, way) => change(url, bytes, () => put(s3, { url, bytes, way })),
    remove: (url) => {
      const { bucket, key } = placeOf(url);
      return change(url, undefined, () =>
        s3.send(new DeleteObjectCommand({ Bucket: bucket, Key: key })),
      );
    },
    held: (url, { fromMs, untilMs }) =>
      (versions.get(url) ?? [])
        .filter((one) => one.fromMs <= untilMs && one.untilMs >= fromMs)
        .map(({ bytes }) => bytes),
  };
}

const placeOf = (url: string): { bucket: string; key: string } =>
  parseS3Url(url) ?? { bucket: '', key: '' };

interface Put {
  url: string;
  bytes: Buffer;
  way: Way;
}

async function put(s3: S3Client, { url, bytes, way }: Put): Promise<void> {
  const { bucket, key } = placeOf(url);
  const to = { Bucket: bucket, Key: key };
  if (way === 'multipart' || way === 'composite') await putInParts(s3, to, bytes, way);
  else if (way === 'copy') {
    const source = { Bucket: bucket, Key: `elsewhere/${key}` };
    await s3.send(new PutObjectCommand({ ...source, Body: bytes }));
    await s3.send(
      new CopyObjectCommand({ ...to, CopySource: `${source.Bucket}/${encodeURI(source.Key)}` }),
    );
  } else {
    const algorithms = { crc64nvme: 'CRC64NVME', crc32: 'CRC32', sha256: 'SHA256' } as const;
    await s3.send(new PutObjectCommand({ ...to, Body: bytes, ChecksumAlgorithm: algorithms[way] }));
  }
}

async function putInParts(
  s3: S3Client,
  to: { Bucket: string; Key: string },
  bytes: Buffer,
  way: 'multipart' | 'composite',
): Promise<void> {
  const checksum =
    way === 'multipart'
      ? ({ ChecksumAlgorithm: 'CRC64NVME', ChecksumType: 'FULL_OBJECT' } as const)
      : ({ ChecksumAlgorithm: 'CRC32', ChecksumType: 'COMPOSITE' } as const);
  const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ ...to, ...checksum }));
  const cut = Math.ceil(bytes.length / 2);
  const Parts = [];
  for (const [at, part] of [bytes.subarray(0, cut), bytes.subarray(cut)].entries()) {
    const { ChecksumAlgorithm } = checksum;
    const answer = await s3.send(
      new UploadPartCommand({ ...to, UploadId, PartNumber: at + 1, Body: part, ChecksumAlgorithm }),
    );
    Parts.push({
      PartNumber: at + 1,
      ETag: answer.ETag,
      ChecksumCRC32: answer.ChecksumCRC32,
      ChecksumCRC64NVME: answer.ChecksumCRC64NVME,
    });
  }
  await s3.send(
    new CompleteMultipartUploadCommand({ ...to, UploadId, MultipartUpload: { Parts } }),
  );
}
