/** s3://bucket/key, taken apart. The key is taken as it stands: S3 keys may hold '?', '#', '%' and spaces. */
export interface S3Place {
  bucket: string;
  /** May be empty: the whole bucket. */
  key: string;
}

/** Undefined when the text is not an s3 url with a bucket. */
export function parseS3Url(url: string): S3Place | undefined {
  const match = /^s3:\/\/([^/]+)(?:\/(.*))?$/s.exec(url);
  return match?.[1] === undefined ? undefined : { bucket: match[1], key: match[2] ?? '' };
}

export const formatS3Url = (place: S3Place): string => `s3://${place.bucket}/${place.key}`;

/** The url of one uploaded file: an output's url and the path in its record, joined by exactly one '/'. */
export const joinUrl = (url: string, path: string): string =>
  path === '' ? url : `${url.replace(/\/+$/, '')}/${path}`;
