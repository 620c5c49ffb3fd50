/** Whether what entries hold is still what their runs wrote. */
import type { CopySource } from '../../../../aws/copy-request.ts';
import { inParallel } from '../../../../aws/in-parallel.ts';
import { statusOf } from '../../../../aws/s3-errors.ts';
import { seeObjects } from '../../../../aws/see-objects.ts';
import type { DescribedObject, SeenObject } from '../../../../aws/s3.ts';
import { parseS3Url } from '../../../../core/files/s3-url.ts';
import { judgePrior } from '../../../../core/result/outputs.ts';
import type { CacheOutput } from '../../../../db/call-cache.ts';
import type { Runtime } from '../../../runtime.ts';

/** An output as S3 shows it now: what its copy is pinned to. */
export interface Source extends CopySource {
  output: number;
  path: string;
}

export type JudgedEntry =
  | { state: 'usable'; sources: Source[] }
  /** An output is gone or holds something else; the reason is a sentence. */
  | { state: 'lost'; reason: string }
  | { state: 'denied'; url: string; message: string }
  /** S3 did not tell. */
  | { state: 'unknown'; message: string };

type JudgedOutput = Source | Exclude<JudgedEntry, { state: 'usable' }>;

export async function judgeEntries(
  runtime: Runtime,
  entries: ReadonlyMap<number, readonly CacheOutput[]>,
): Promise<Map<number, JudgedEntry>> {
  const seen = await seeByBucket(
    runtime,
    [...entries.values()].flat().map(({ url }) => url),
  );
  const judged = await inParallel(
    [...entries].map(
      ([entryId, outputs]) =>
        async () =>
          [entryId, await judgeEntry(runtime, outputs, seen)] as const,
    ),
  );
  return new Map(judged);
}

type Seen = Map<string, SeenObject | { unknown: string }>;

/** A bucket that does not answer leaves the others' entries as they are. */
async function seeByBucket(runtime: Runtime, urls: readonly string[]): Promise<Seen> {
  const buckets = Map.groupBy(urls, (url) => parseS3Url(url)?.bucket ?? '');
  const seen: Seen = new Map();
  await inParallel(
    [...buckets.values()].map((own) => async () => {
      try {
        for (const [url, one] of await seeObjects(runtime.objects, own)) seen.set(url, one);
      } catch (error) {
        for (const url of own) seen.set(url, { unknown: (error as Error).message });
      }
    }),
  );
  return seen;
}

async function judgeEntry(
  runtime: Runtime,
  outputs: readonly CacheOutput[],
  seen: Seen,
): Promise<JudgedEntry> {
  if (outputs.length === 0) return { state: 'lost', reason: 'It has no outputs.' };
  const sources: Source[] = [];
  for (const output of outputs) {
    const judged = await judgeOutput(runtime, output, seen.get(output.url));
    if ('state' in judged) return judged;
    sources.push(judged);
  }
  return { state: 'usable', sources };
}

async function judgeOutput(
  runtime: Runtime,
  output: CacheOutput,
  found: SeenObject | { unknown: string } | undefined,
): Promise<JudgedOutput> {
  if (found && 'unknown' in found) return { state: 'unknown', message: found.unknown };
  const bucket = parseS3Url(output.url)?.bucket ?? '';
  const state = judgePrior(output, found, runtime.identities.etags.trusts(bucket));
  if (state === 'as-it-was') return { ...output, etag: found?.etag ?? '' };
  if (state === 'changed') return overwritten(output, found);
  return judgeByHead(runtime, output);
}

/** What a listing did not show may be there: it shows nothing of what may not be read. */
async function judgeByHead(runtime: Runtime, output: CacheOutput): Promise<JudgedOutput> {
  const described = await describe(runtime, output.url);
  if ('state' in described) return described;
  if (described.sizeBytes !== output.sizeBytes) return overwritten(output, described);
  if (described.checksums.crc64nvme === output.crc64nvme)
    return { ...output, etag: described.etag, versionId: described.versionId ?? null };
  return { state: 'lost', reason: `${output.url} was overwritten with other content.` };
}

function overwritten(output: CacheOutput, found: SeenObject | undefined): JudgedOutput {
  const sizes = `It had ${output.sizeBytes} bytes and has ${found?.sizeBytes} now.`;
  return { state: 'lost', reason: `${output.url} was overwritten. ${sizes}` };
}

async function describe(
  { objects }: Runtime,
  url: string,
): Promise<DescribedObject | Exclude<JudgedEntry, { state: 'usable' }>> {
  try {
    const described = await objects.describe(url);
    return described ?? { state: 'lost', reason: `${url} no longer exists.` };
  } catch (error) {
    const { message, cause } = error as Error;
    // Nothing else says that the object is gone: a token that has expired, for example, does not.
    return statusOf(cause) === 403
      ? { state: 'denied', url, message }
      : { state: 'unknown', message };
  }
}
