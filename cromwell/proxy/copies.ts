/**
 * Files on the mount and their objects in S3: whether two are the same, and how one is copied to
 * the other.
 */
import { readPayingBuckets, REQUESTER_PAYS_VARIABLE } from '../../core/files/requester-pays.ts';
import { addNextToWire } from '../../aws/request-middleware.ts';
import { openObjectStore, type DescribedObject, type ObjectStore } from '../../aws/s3.ts';
import { parseS3Url, type S3Place } from '../../core/files/s3-url.ts';
import { download } from '../../stager/download.ts';
import { anyRoom } from '../../stager/room.ts';
import { FinalError, isFinal, openS3, reasonOf, statusOf } from '../../stager/s3.ts';
import { createUploader } from '../../stager/upload.ts';
import { createMetrics } from '../../telemetry/metrics.ts';
import { statOf } from './mount.ts';
import { markOf, rememberSums } from './sums.ts';

export interface Copies {
  objects: Pick<ObjectStore, 'describe' | 'list' | 'put'>;
  /**
   * Whether file and object hold the same bytes, by size and CRC64NVME. An object without that
   * checksum counts as different.
   */
  isSame(path: string, object: DescribedObject): Promise<boolean>;
  /** Fails when the file changes during the upload. @returns its bytes */
  upload(path: string, url: string): Promise<number>;
  /** Writes the whole file or none of it; `gone` when S3 has no such object. */
  download(url: string, path: string): Promise<'there' | 'gone'>;
  /** Aborts copies in progress; they fail and leave nothing unfinished behind. */
  close(): Promise<void>;
}

export interface CopiesOptions {
  environment: NodeJS.ProcessEnv;
  pathStyle: boolean;
  nowMs: () => number;
}

export function openCopies({ environment, pathStyle, nowMs }: CopiesOptions): Copies {
  const objects = openObjectStore({
    metrics: createMetrics(),
    pathStyle,
    requesterPays: readPayingBuckets(environment[REQUESTER_PAYS_VARIABLE]),
  });
  const s3 = openS3(environment);
  const uploader = createUploader(s3);
  const sums = rememberSums(nowMs);
  let closed = false;
  addNextToWire(s3, 'untilClosed', (next) => async (args) => {
    if (closed) throw new FinalError('the proxy is shutting down');
    return next(args);
  });
  return {
    objects,
    async isSame(path, { sizeBytes, checksums }) {
      const facts = await statOf(path);
      return (
        facts !== undefined &&
        Number(facts.size) === sizeBytes &&
        checksums.crc64nvme !== undefined &&
        (await sums.of(path)) === checksums.crc64nvme
      );
    },
    async upload(path, url) {
      const [fromMs, before] = [nowMs(), await statOf(path)];
      const { sizeBytes, crc64nvme } = await uploader.upload(
        path,
        placeOf(url),
        'application/octet-stream',
      );
      const after = await statOf(path);
      if (before === undefined || after === undefined || markOf(before) !== markOf(after))
        throw new Error(`${path} changed while it was uploaded`);
      sums.learn(path, after, { sum: crc64nvme, fromMs });
      return sizeBytes;
    },
    async download(url, path) {
      try {
        await download(s3, placeOf(url), path, { room: anyRoom });
        return 'there';
      } catch (error) {
        if (statusOf(error) === 404 && (error as Error).name === 'NoSuchKey') return 'gone';
        throw new Error(`${url} could not be downloaded to ${path}: ${reasonOf(error)}`, {
          cause: error,
        });
      }
    },
    async close() {
      await uploader.abandon();
      closed = true;
      s3.destroy();
      objects.close();
    },
  };
}

function placeOf(url: string): S3Place {
  const place = parseS3Url(url);
  if (!place || place.key === '') throw new FinalError(`${url} is not of the form s3://bucket/key`);
  return place;
}

/**
 * Whether a retry would fail in the same way. Expired credentials are renewed, so they do not
 * count.
 */
export function isPermanent(error: unknown): boolean {
  const first = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return isFinal(first) && !/Expired|RequestTimeTooSkewed/.test((first as Error).name);
}
