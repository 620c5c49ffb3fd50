/**
 * s3://bucket/key as its parts. The key is not decoded: S3 keys may contain '?', '#', '%' and
 * spaces.
 */
export interface S3Place {
  bucket: string;
  /** May be empty: the whole bucket. */
  key: string;
}

/** Undefined when the text is not an s3:// URL with a bucket. */
export function parseS3Url(url: string): S3Place | undefined {
  const match = /^s3:\/\/([^/]+)(?:\/(.*))?$/s.exec(url);
  return match?.[1] === undefined ? undefined : { bucket: match[1], key: match[2] ?? '' };
}

export const formatS3Url = (place: S3Place): string => `s3://${place.bucket}/${place.key}`;

/**
 * The URL of one uploaded file: the output's URL and the path in its record, joined by exactly one
 * '/'. The path of a folder ends in '/', and '/' alone is the output's own folder.
 */
export const joinUrl = (url: string, path: string): string =>
  path === '' ? url : `${url.replace(/\/+$/, '')}/${path.replace(/^\/+/, '')}`;

/** A text is longer in bytes than in characters. */
export const LONGEST_KEY_BYTES = 1024;
