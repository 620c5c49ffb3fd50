/** Files on the mount and their objects in S3: whether two are the same, and how one becomes the other. */
import type { BigIntStats } from 'node:fs';
import { addNextToWire } from '../../aws/wire.ts';
import { openObjectStore, type DescribedObject, type ObjectStore } from '../../aws/s3.ts';
import { parseS3Url, type S3Place } from '../../core/s3-url.ts';
import { digestFile, inBase64 } from '../../stager/digest.ts';
import { download } from '../../stager/download.ts';
import { FinalError, isFinal, openS3, reasonOf, statusOf } from '../../stager/s3.ts';
import { createUploader } from '../../stager/upload.ts';
import { createMetrics } from '../../telemetry/metrics.ts';
import { statOf } from './mount.ts';

export interface Copies {
  objects: Pick<ObjectStore, 'describe' | 'list' | 'put'>;
  /** Whether file and object hold the same bytes, by size and CRC64NVME. An object without that checksum counts as another. */
  isSame(path: string, object: DescribedObject): Promise<boolean>;
  /** The file as it stands when it ends: one that changes meanwhile is a failure. @returns its bytes */
  upload(path: string, url: string): Promise<number>;
  /** There whole or not at all. `gone` when S3 has no such object. */
  download(url: string, path: string): Promise<'there' | 'gone'>;
  /** Cuts what is under way; it fails, and leaves nothing unfinished behind. */
  close(): Promise<void>;
}

export interface CopiesOptions {
  environment: NodeJS.ProcessEnv;
  pathStyle: boolean;
  nowMs: () => number;
}

export function openCopies({ environment, pathStyle, nowMs }: CopiesOptions): Copies {
  const objects = openObjectStore({ metrics: createMetrics(), pathStyle });
  const s3 = openS3(environment);
  const uploader = createUploader(s3);
  const sumOf = rememberSums(nowMs);
  let closed = false;
  addNextToWire(s3, 'untilClosed', (next) => async (args) => {
    if (closed) throw new FinalError('the stage is closing');
    return next(args);
  });
  return {
    objects,
    async isSame(path, { sizeBytes, checksums }) {
      const facts = await statOf(path);
      return facts !== undefined && Number(facts.size) === sizeBytes && checksums.crc64nvme !== undefined && (await sumOf(path)) === checksums.crc64nvme;
    },
    async upload(path, url) {
      const before = await statOf(path);
      const { sizeBytes } = await uploader.upload(path, placeOf(url), 'application/octet-stream');
      const after = await statOf(path);
      if (before === undefined || after === undefined || markOf(before) !== markOf(after)) throw new Error(`${path} changed while it was brought to S3`);
      return sizeBytes;
    },
    async download(url, path) {
      try {
        await download(s3, placeOf(url), path);
        return 'there';
      } catch (error) {
        if (statusOf(error) === 404 && (error as Error).name === 'NoSuchKey') return 'gone';
        throw new Error(`${url} could not be brought to ${path}: ${reasonOf(error)}`, { cause: error });
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
  if (!place || place.key === '') throw new FinalError(`${url} is no s3://bucket/key`);
  return place;
}

/** Differs once a file was written again: its time of change, unlike that of modification, nobody can set. */
const markOf = ({ ino, size, mtimeNs, ctimeNs }: BigIntStats): string => `${ino} ${size} ${mtimeNs} ${ctimeNs}`;

/** Some file systems give whole seconds: a file may be written twice within one, and look the same. */
const STILL_FOR_MS = 2500;
/** Some 200 bytes each. */
const MOST_SUMS = 100_000;

/** A reference of 100 GB is an input of every call of a scatter, and takes minutes to read. */
function rememberSums(nowMs: () => number): (path: string) => Promise<string> {
  const sums = new Map<string, { mark: string; sum: string }>();
  return async (path) => {
    const facts = await statOf(path);
    const mark = facts && markOf(facts);
    const known = sums.get(path);
    if (known && known.mark === mark) return known.sum;
    const wasStill = facts !== undefined && nowMs() - Number(facts.ctimeMs) > STILL_FOR_MS;
    const sum = inBase64(await digestFile(path, 'CRC64NVME'));
    sums.delete(path);
    if (mark !== undefined && wasStill) sums.set(path, { mark, sum });
    const [oldest] = sums.keys();
    if (oldest !== undefined && sums.size > MOST_SUMS) sums.delete(oldest);
    return sum;
  };
}

/** Whether another try would end the same. Credentials run out, and are renewed. */
export function isForGood(error: unknown): boolean {
  const first = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return isFinal(first) && !/Expired|RequestTimeTooSkewed/.test((first as Error).name);
}
