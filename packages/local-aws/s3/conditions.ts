/**
 * Conditions on reads, writes and copies, as values. Source: RFC 9110 section 13, and S3's
 * "conditional requests".
 */
import { headerOf, type Call } from './call.ts';
import { refuse, type Refusal } from './errors.ts';
import type { StoredObject } from './records.ts';

/** True when the list (`*`, or ETags with or without quotes) names this one. */
function names(list: string, etag: string): boolean {
  return list.split(',').some((one) => {
    const bare = one
      .trim()
      .replace(/^W\//, '')
      .replace(/^"(.*)"$/, '$1');
    return bare === '*' || bare === etag;
  });
}

const failed = (condition: string): Refusal =>
  refuse('PreconditionFailed', undefined, { Condition: condition });

/** HTTP dates have whole seconds. Undefined when the date is absent or invalid. */
function secondsOf(date: string | undefined): number | undefined {
  const ms = date === undefined ? Number.NaN : Date.parse(date);
  return Number.isNaN(ms) ? undefined : Math.floor(ms / 1000);
}

export type ReadVerdict = 'read' | 'not-modified' | Refusal;

/**
 * Whether a read or a copy may continue. The prefix is empty or `x-amz-copy-source-`.
 * If there is an ETag condition, it decides alone and the date is ignored, as in S3.
 */
export function checkRead(call: Call, object: StoredObject, prefix = ''): ReadVerdict {
  const header = (name: string) => headerOf(call, `${prefix}${name}`);
  const modified = Math.floor(object.modifiedAtMs / 1000);
  const ifMatch = header('if-match');
  if (ifMatch !== undefined && !names(ifMatch, object.etag)) return failed(`${prefix}If-Match`);
  const unmodifiedSince = secondsOf(header('if-unmodified-since'));
  if (ifMatch === undefined && unmodifiedSince !== undefined && modified > unmodifiedSince)
    return failed(`${prefix}If-Unmodified-Since`);
  const ifNoneMatch = header('if-none-match');
  if (ifNoneMatch !== undefined) return names(ifNoneMatch, object.etag) ? 'not-modified' : 'read';
  const modifiedSince = secondsOf(header('if-modified-since'));
  return modifiedSince !== undefined && modified <= modifiedSince ? 'not-modified' : 'read';
}

/**
 * Whether a write may replace what is at the key now. Call it in the same turn of the event loop as
 * the write. If-None-Match accepts only `*`, as on AWS.
 */
export function checkWrite(call: Call, current: StoredObject | undefined): Refusal | undefined {
  const ifNoneMatch = headerOf(call, 'if-none-match');
  if (ifNoneMatch !== undefined && ifNoneMatch.trim() !== '*') {
    return refuse(
      'NotImplemented',
      'A header you provided implies functionality that is not implemented',
      {
        Header: 'If-None-Match',
        additionalMessage:
          "We don't accept the provided value of If-None-Match header for this API",
      },
    );
  }
  if (ifNoneMatch !== undefined && current !== undefined) return failed('If-None-Match');
  const ifMatch = headerOf(call, 'if-match');
  if (ifMatch === undefined) return undefined;
  if (current === undefined) return refuse('NoSuchKey', undefined, { Key: call.key });
  return names(ifMatch, current.etag) ? undefined : failed('If-Match');
}
