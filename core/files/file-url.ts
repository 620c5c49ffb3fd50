/** Which urls a task's files may have. Only their form is checked: what is there is known where the task runs. */
import { parseS3Url } from './s3-url.ts';

/** Bucket names as S3 has allowed them since 2018. */
const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
const LONGEST_KEY_BYTES = 1024;

/** What was expected of the url, or undefined when it is good. */
export type UrlRule = (url: string, directory: boolean) => string | undefined;

const s3Problem: UrlRule = (url, directory) => {
  const place = parseS3Url(url);
  if (!place || !BUCKET.test(place.bucket))
    return 's3://bucket/key with a bucket name of 3 to 63 lower-case letters, digits, dots and hyphens';
  if (!directory && place.key === '') return 's3://bucket/key; the key is missing';
  if (new TextEncoder().encode(place.key).length > LONGEST_KEY_BYTES)
    return `a key of at most ${LONGEST_KEY_BYTES} bytes`;
  return undefined;
};

/** The path of a bare path or a file:// url. */
export const pathOfUrl = (url: string): string | undefined => {
  if (url.startsWith('file:///')) return url.slice('file://'.length);
  return url.startsWith('/') ? url : undefined;
};

/** Cromwell sends paths of its own file system; which of them can be reached is known where the task runs. */
const isPath = (url: string): boolean => pathOfUrl(url) !== undefined;

export const inputUrlProblem: UrlRule = (url, directory) => {
  if (url.startsWith('s3://')) return s3Problem(url, directory);
  if (/^https?:\/\//.test(url))
    return URL.canParse(url) ? undefined : 'a well-formed http:// or https:// url';
  return isPath(url) ? undefined : 's3://bucket/key, http://… or https://…';
};

export const outputUrlProblem: UrlRule = (url, directory) => {
  if (url.startsWith('s3://')) return s3Problem(url, directory);
  return isPath(url) ? undefined : 's3://bucket/key';
};
