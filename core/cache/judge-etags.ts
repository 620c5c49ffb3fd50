/** Whether the ETags of an S3 endpoint tell two objects of one size apart. */

export type EtagVerdict =
  | 'distinct'
  /** Both objects have one ETag. */
  | 'same'
  /** An object has none. */
  | 'none';

/** @param etags of two objects of one size with different bytes, without quotes */
export function judgeEtags([one, other]: readonly [string, string]): EtagVerdict {
  if (one === '' || other === '') return 'none';
  return one === other ? 'same' : 'distinct';
}
