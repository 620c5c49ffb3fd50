/**
 * Asks an S3 endpoint whether its ETags tell contents apart. Some gateways give every object one ETag, or none, and a
 * listing of such a bucket says nothing of what its objects hold.
 */
import { judgeEtags, type EtagVerdict } from '../core/cache/judge-etags.ts';
import type { ObjectStore } from './s3.ts';

/** Of one size. */
const PROBES = { one: '1', two: '2' };

/** One listing; two small writes the first time. @param prefixUrl where the two objects are kept */
export async function probeEtags(objects: ObjectStore, prefixUrl: string): Promise<EtagVerdict> {
  const seen = await listEtags(objects, prefixUrl);
  if (seen) return judgeEtags(seen);
  for (const [name, body] of Object.entries(PROBES)) await objects.put(prefixUrl + name, body);
  return judgeEtags((await listEtags(objects, prefixUrl)) ?? ['', '']);
}

/** Undefined until both objects are there. */
async function listEtags(
  objects: ObjectStore,
  prefixUrl: string,
): Promise<[string, string] | undefined> {
  const etags = new Map<string, string>();
  for await (const page of objects.list(prefixUrl))
    for (const { url, etag } of page) etags.set(url, etag);
  const [one, two] = Object.keys(PROBES).map((name) => etags.get(prefixUrl + name));
  return one === undefined || two === undefined ? undefined : [one, two];
}
