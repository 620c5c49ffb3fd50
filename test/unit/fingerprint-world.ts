/** Tasks as the cache sees them, with the objects of a bucket in memory. */
import { createHash } from 'node:crypto';
import { createEtagTrust } from '../../aws/etag-trust.ts';
import { resolveComponents } from '../../aws/fingerprints.ts';
import { strengthen } from '../../aws/identities.ts';
import type { IdentitySources } from '../../aws/identity-sources.ts';
import type { ObjectStore } from '../../aws/s3.ts';
import { fingerprintOf } from '../../core/cache/fingerprint.ts';
import { cacheSetting } from '../../core/cache/setting.ts';
import { parseTesTask } from '../../core/task/parse-task.ts';
import type { NewTask } from '../../core/task/task.ts';
import { memoInMemory } from '../memo.ts';

interface StoredObject {
  body: string;
  /** The MD5 of the body when absent. */
  etag?: string;
  checksums?: Record<string, string>;
  versionId?: string;
}
/** By URL. */
export type Bucket = Record<string, StoredObject>;

/** How the identities of inputs are learned. */
export interface Looks {
  bucket?: Bucket;
  /** CRC64NVMEs that a run learned, hex, by URL. */
  memo?: Record<string, string>;
  /** Whether HEAD is asked for all inputs, as cache-check does where a usable entry may be of the same bytes. */
  byHead?: boolean;
}

const md5 = (text: string): string => createHash('md5').update(text).digest('hex');

function storeOf(bucket: Bucket): ObjectStore {
  const seen = (url: string) => {
    const object = bucket[url];
    return (
      object && {
        url,
        etag: object.etag ?? md5(object.body),
        sizeBytes: Buffer.byteLength(object.body),
        lastModifiedMs: 1000,
      }
    );
  };
  return {
    getTail: async (url: string, bytes: number) =>
      bucket[url] && Buffer.from(bucket[url].body).subarray(-bytes),
    async describe(url: string) {
      const [object, one] = [bucket[url], seen(url)];
      return object && { ...one, checksums: object.checksums ?? {}, versionId: object.versionId };
    },
    async *list(prefix: string) {
      yield Object.keys(bucket)
        .filter((url) => url.startsWith(prefix))
        .toSorted()
        .map(seen);
    },
  } as unknown as ObjectStore;
}

function parseTask(task: object): NewTask {
  const parsed = parseTesTask(task, {
    cache: 'readwrite',
    pathMap: new Map(),
    limits: { jobRoles: ['arn:aws:iam::123456789012:role/a', 'arn:aws:iam::123456789012:role/b'] },
  });
  if ('problems' in parsed) throw new Error(JSON.stringify(parsed.problems));
  return parsed.task;
}

/** Undefined when the task cannot be cached. */
export async function fingerprintOfNew(
  { spec, profile }: NewTask,
  { bucket = {}, memo: known = {}, byHead = false }: Looks = {},
): Promise<string | undefined> {
  const memo = memoInMemory();
  await memo.learn(
    Object.entries(known).map(([url, sum]) => ({
      url,
      sum,
      etag: bucket[url]?.etag ?? md5(bucket[url]?.body ?? ''),
      sizeBytes: Buffer.byteLength(bucket[url]?.body ?? ''),
    })),
  );
  const sources: IdentitySources = {
    objects: storeOf(bucket),
    memo,
    etags: createEtagTrust({}),
  };
  if (byHead) await strengthen(sources, spec.inputs);
  const setting = cacheSetting(
    spec,
    { jobRole: '', jobQueue: 'q', queueArchitectures: [], sharedFolders: [] },
    { replicate: 0, owner: 'me' },
  );
  const [described] = await resolveComponents(sources, [{ spec, profile, setting }]);
  return described?.components && fingerprintOf(described.components).toString('hex');
}

export const fingerprintOfSent = (task: object, looks: Looks = {}): Promise<string | undefined> =>
  fingerprintOfNew(parseTask(task), looks);
