/** Bucket and key of an S3 URL, as the SDK takes them. */
import { parseS3Url, type S3Place } from '../core/files/s3-url.ts';

/** Thrown for a URL that is not s3://bucket/key. */
export class S3UrlError extends Error {
  override readonly name = 'S3UrlError';
}

export function placeOf(url: string): S3Place {
  const place = parseS3Url(url);
  if (!place) throw new S3UrlError(`${JSON.stringify(url)} is not an S3 URL. Use s3://bucket/key.`);
  return place;
}

export const inS3 = ({ bucket, key }: S3Place): { Bucket: string; Key: string } => ({
  Bucket: bucket,
  Key: key,
});
