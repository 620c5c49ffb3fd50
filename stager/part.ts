/**
 * Reads what this container runs: its own part of the manifest, and the script that this part
 * names.
 */
import type { S3Client } from '@aws-sdk/client-s3';
import { createHash } from 'node:crypto';
import {
  firstReadRange,
  manifestIndexRange,
  openValues,
  parseManifestEntry,
  valuesRange,
  type ByteRange,
  type ManifestEntry,
} from '../core/submission/manifest.ts';
import { inSubmission, scriptBeside } from '../core/files/s3-layout.ts';
import { formatS3Url } from '../core/files/s3-url.ts';
import type { S3Place } from '../core/files/s3-url.ts';
import type { OwnSubmission } from './fence.ts';
import { FinalError, readBytes, reasonOf, statusOf } from './s3.ts';

/** An object is not what the fleet wrote. */
export class ForgedError extends FinalError {
  override name = 'ForgedError';
}

/**
 * The exact text that runs: values, then script.
 * @throws ForgedError when one is not what the fleet wrote; another error when it cannot be read
 */
export async function readTaskText(
  s3: S3Client,
  { submission, secret }: OwnSubmission,
  index: number,
): Promise<string> {
  const manifest = { bucket: submission.bucket, key: submission.key + inSubmission.manifest };
  const first = firstReadRange(index);
  const head = await readManifest(s3, manifest, first);

  const within = manifestIndexRange(index);
  const entry = readEntry(
    head.subarray(within.start - first.start, within.end - first.start + 1),
    index,
    manifest,
  );
  const wanted = valuesRange(entry);
  const script = {
    bucket: submission.bucket,
    key: scriptBeside(submission.key, entry.scriptSha256),
  };
  const reading = readBytes(s3, script);
  // Awaited once the entry that names it is known to be the fleet's.
  reading.catch(() => undefined);
  const sealed =
    wanted === undefined
      ? Buffer.alloc(0)
      : wanted.start >= first.start && wanted.end < first.start + head.length
        ? head.subarray(wanted.start - first.start, wanted.end - first.start + 1)
        : await readManifest(s3, manifest, wanted);
  const values = openValues(secret, entry, sealed);
  if (values === undefined)
    throw new ForgedError(
      `${formatS3Url(manifest)} is not what Batchwell wrote: its entry for index ${index} carries no valid proof`,
    );
  const text = await reading.catch((error: unknown) => {
    if (statusOf(error) !== 404) throw error;
    throw new ForgedError(`${formatS3Url(script)} is gone`);
  });
  const digest = createHash('sha256').update(text).digest('hex');
  if (digest !== entry.scriptSha256)
    throw new ForgedError(
      `the content of ${formatS3Url(script)} does not match its name: its SHA-256 is ${digest}`,
    );
  return values.toString('utf8') + text.toString('utf8');
}

/** It was whole before the job was submitted: somebody took away what is missing. */
async function readManifest(s3: S3Client, manifest: S3Place, range: ByteRange): Promise<Buffer> {
  try {
    return await readBytes(s3, manifest, range);
  } catch (error) {
    const status = statusOf(error);
    if (status !== 404 && status !== 416) throw error;
    throw new ForgedError(
      `${formatS3Url(manifest)} is not what Batchwell wrote: it is gone or cut`,
    );
  }
}

function readEntry(bytes: Buffer, index: number, manifest: S3Place): ManifestEntry {
  try {
    return parseManifestEntry(bytes, index);
  } catch (error) {
    throw new ForgedError(
      `${formatS3Url(manifest)} is not what Batchwell wrote: ${reasonOf(error)}`,
    );
  }
}
