/**
 * Reads what this container runs: its own part of the manifest, and the script that this part
 * names.
 */
import type { S3Client } from '@aws-sdk/client-s3';
import { createHash } from 'node:crypto';
import {
  firstReadRange,
  manifestIndexRange,
  parseManifestEntry,
  valuesRange,
} from '../core/submission/manifest.ts';
import { inSubmission, scriptKey } from '../core/files/s3-layout.ts';
import { formatS3Url } from '../core/files/s3-url.ts';
import type { S3Place } from '../core/files/s3-url.ts';
import { FinalError, readBytes } from './s3.ts';

/** `submissions/<key>/` may be under a prefix of the bucket; `scripts/` is under the same one. */
const besideSubmissions = (submission: S3Place): string =>
  submission.key.replace(/submissions\/[^/]+\/$/, '');

/**
 * The exact text that runs: values, then script.
 * @throws when one cannot be read or does not match its name
 */
export async function readTaskText(
  s3: S3Client,
  submission: S3Place,
  index: number,
): Promise<string> {
  const manifest = { bucket: submission.bucket, key: submission.key + inSubmission.manifest };
  const first = firstReadRange(index);
  const head = await readBytes(s3, manifest, first);

  const within = manifestIndexRange(index);
  const entry = parseManifestEntry(
    head.subarray(within.start - first.start, within.end - first.start + 1),
    index,
  );
  const wanted = valuesRange(entry);
  const script = {
    bucket: submission.bucket,
    key: besideSubmissions(submission) + scriptKey(entry.scriptSha256),
  };

  const [values, text] = await Promise.all([
    wanted === undefined
      ? Buffer.alloc(0)
      : wanted.start >= first.start && wanted.end < first.start + head.length
        ? head.subarray(wanted.start - first.start, wanted.end - first.start + 1)
        : readBytes(s3, manifest, wanted),
    readBytes(s3, script),
  ]);
  if (values.length !== entry.valuesBytes)
    throw new FinalError(
      `${formatS3Url(manifest)} is incomplete: it ends within the values of index ${index}`,
    );
  const digest = createHash('sha256').update(text).digest('hex');
  if (digest !== entry.scriptSha256)
    throw new FinalError(
      `the content of ${formatS3Url(script)} does not match its name: its SHA-256 is ${digest}`,
    );
  return values.toString('utf8') + text.toString('utf8');
}
