/** The whole result record in an object's body, for a row that holds its beginning. */
import { createHash } from 'node:crypto';
import { parseResultBody } from './result-body.ts';
import type { ResultRecord, WholeRecord } from './result.ts';

/** Undefined for a body that is not the one of which the row holds the beginning. */
export function parseWholeRecord(
  body: Buffer,
  { bytes, sha256 }: Pick<WholeRecord, 'bytes' | 'sha256'>,
): ResultRecord | undefined {
  if (body.length !== bytes || createHash('sha256').update(body).digest('hex') !== sha256)
    return undefined;
  return parseResultBody(JSON.parse(body.toString('utf8')));
}
