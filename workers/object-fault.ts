/** Whose fault it is that one of the fleet's own objects cannot be read: the object's, or a role's. */
import { statusOf } from '../aws/s3-errors.ts';
import { ETAG_PROBE } from '../core/files/s3-layout.ts';
import type { Runtime } from './runtime.ts';

/** Somebody who may write there can leave an object that nobody can read: archived, or encrypted. */
const REFUSED: ReadonlySet<number> = new Set([400, 403, 405]);

/**
 * True when S3 refuses this object and gives another one: what a permission of the fleet would
 * change fails for both.
 */
export async function isObjectAtFault(
  { objects, workUrl, log }: Runtime,
  url: string,
  error: unknown,
): Promise<boolean> {
  if (!(error instanceof Error) || !REFUSED.has(statusOf(error.cause))) return false;
  const isReadable = await objects.get(workUrl(`${ETAG_PROBE}one`)).then(
    () => true,
    () => false,
  );
  if (isReadable) log.error({ url, err: error }, 'object-unreadable');
  return isReadable;
}
