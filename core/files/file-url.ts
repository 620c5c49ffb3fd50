/**
 * Which URLs a task's files may have. Only the form is checked here; whether a file exists is known
 * where the task runs.
 */
import { LONGEST_KEY_BYTES, parseS3Url } from './s3-url.ts';
import { namesUser } from './url-secrets.ts';

/** Bucket names as S3 has allowed them since 2018. */
const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;

/** What was expected of the URL; undefined when it is valid. */
export type UrlRule = (url: string, directory: boolean) => string | undefined;

const s3Problem: UrlRule = (url, directory) => {
  const place = parseS3Url(url);
  if (!place || !BUCKET.test(place.bucket))
    return 's3://bucket/key with a bucket name of 3 to 63 lower-case letters, digits, dots and hyphens';
  if (!directory && place.key === '') return 's3://bucket/key; the key is missing';
  if (new TextEncoder().encode(place.key).length > LONGEST_KEY_BYTES)
    return `an S3 key of at most ${LONGEST_KEY_BYTES} bytes`;
  return undefined;
};

/** The path of a bare path or a file:// URL. */
export const pathOfUrl = (url: string): string | undefined => {
  if (url.startsWith('file:///')) return url.slice('file://'.length);
  return url.startsWith('/') ? url : undefined;
};

/**
 * Cromwell sends paths of its own file system. Whether one can be read is known where the task
 * runs.
 */
const isPath = (url: string): boolean => pathOfUrl(url) !== undefined;

/**
 * A task is stored and shown with its URLs: to its owner, in its script, and to whoever may read
 * the work bucket.
 */
const NO_USER =
  'a URL without user and password, because tasks are stored and shown with their URLs; ' +
  'use a presigned URL, or copy the file to S3';

export const inputUrlProblem: UrlRule = (url, directory) => {
  if (namesUser(url)) return NO_USER;
  if (url.startsWith('s3://')) return s3Problem(url, directory);
  if (/^https?:\/\//.test(url))
    return URL.canParse(url) ? undefined : 'a valid http:// or https:// URL';
  return isPath(url) ? undefined : 's3://bucket/key, http://… or https://…';
};

export const outputUrlProblem: UrlRule = (url, directory) => {
  if (namesUser(url)) return NO_USER;
  if (url.startsWith('s3://')) return s3Problem(url, directory);
  return isPath(url) ? undefined : 's3://bucket/key';
};
