/** Copies the outputs of one hit to the URLs of its task. */
import { append } from '../../../../core/append.ts';
import type { CopyOutcome, UploadMemory } from '../../../../aws/copy-request.ts';
import { COPY_LIMITS } from '../../../../aws/copy-request.ts';
import type { KnownObject } from '../../../../aws/identity-sources.ts';
import { inParallel } from '../../../../aws/in-parallel.ts';
import { seeObjects } from '../../../../aws/see-objects.ts';
import { planCopies } from '../../../../core/cache/copy-plan.ts';
import { parseS3Url } from '../../../../core/files/s3-url.ts';
import { outputUrl } from '../../../../core/result/outputs.ts';
import { beginUpload, forgetUpload, noteUpload, readUpload } from '../../../../db/cache-uploads.ts';
import type { Runtime } from '../../../runtime.ts';
import type { Hit } from './hit.ts';
import type { Source } from './judge-entries.ts';

/** One hit does not take all of the process's copies. */
const COPIES_AT_ONCE = 32;
/** From this many copies on, what an earlier try has copied is looked for: one listing per 1,000. */
const LOOK_FROM = 100;

export type CopiedOutputs =
  | { did: 'copied'; warnings: string[]; learned: Learned[] }
  | { did: 'urls-exchanged'; message: string }
  | { did: 'failed'; source: Source; outcome: FailedOutcome; learned: Learned[] };

type FailedOutcome = Exclude<CopyOutcome, { did: 'copied' }>;

/** What a copy holds, for the memo. */
export type Learned = KnownObject & { sum: string };

interface OneCopy extends Source {
  fromUrl: string;
  toUrl: string;
}

export async function copyOutputs(
  runtime: Runtime,
  hit: Hit,
  sources: readonly Source[],
): Promise<CopiedOutputs> {
  const plan = planCopies(
    sources.map((source): OneCopy => ({
      ...source,
      fromUrl: source.url,
      toUrl: outputUrl(hit.spec, source),
    })),
  );
  if (plan.do === 'run') return { did: 'urls-exchanged', message: plan.because };
  const done: Done = { warnings: [], learned: [] };
  for (const wave of plan.waves) {
    const failed = await copyWave(runtime, hit, wave, done);
    if (failed) return { did: 'failed', ...failed, learned: done.learned };
  }
  return { did: 'copied', ...done };
}

interface Done {
  warnings: string[];
  learned: Learned[];
}

type Failed = Pick<Extract<CopiedOutputs, { did: 'failed' }>, 'source' | 'outcome'>;

/** After the first failure no further copy begins. */
async function copyWave(
  runtime: Runtime,
  hit: Hit,
  wave: readonly OneCopy[],
  done: Done,
): Promise<Failed | undefined> {
  const inPlace = await findInPlace(runtime, wave);
  let failed: Failed | undefined;
  const copyOne = async (copy: OneCopy): Promise<void> => {
    if (failed || inPlace.has(copy.toUrl)) return;
    const outcome = await copyWithin(runtime, hit, copy);
    if (outcome.did !== 'copied') {
      failed ??= { source: copy, outcome };
      return;
    }
    append(done.warnings, outcome.warnings);
    const known = { url: copy.toUrl, etag: outcome.etag, sizeBytes: copy.sizeBytes };
    if (isKnowable(runtime, known)) done.learned.push({ ...known, sum: sumOf(copy) });
  };
  await inParallel(
    wave.map((copy) => () => copyOne(copy)),
    COPIES_AT_ONCE,
  );
  return failed;
}

const sumOf = ({ crc64nvme }: Source): string => Buffer.from(crc64nvme, 'base64').toString('hex');

/** The memo knows objects by their ETags. */
const isKnowable = ({ identities }: Runtime, { url, etag }: KnownObject): boolean =>
  etag !== '' && identities.etags.trusts(parseS3Url(url)?.bucket ?? '');

async function copyWithin(runtime: Runtime, hit: Hit, copy: OneCopy): Promise<CopyOutcome> {
  const { signal } = hit.leaving;
  const isLarge = copy.sizeBytes > COPY_LIMITS.largestBytes;
  return runtime.copies[isLarge ? 'large' : 'small'].run(async () =>
    signal.aborted
      ? { did: 'cancelled' }
      : runtime.objects.copy({
          from: copy,
          toUrl: copy.toUrl,
          signal,
          uploads: uploadMemory(runtime, hit, copy),
        }),
  );
}

function uploadMemory(runtime: Runtime, { row }: Hit, copy: OneCopy): UploadMemory {
  const { pool } = runtime.database;
  const upload = { taskId: row.id, url: copy.toUrl, source: copy };
  return {
    async recall() {
      const uploadId = await readUpload(pool, upload);
      return uploadId === '' ? 'begun' : uploadId === undefined ? undefined : { uploadId };
    },
    begin: () => beginUpload(pool, upload, runtime.nowMs()),
    note: (uploadId) => noteUpload(pool, upload, uploadId),
    forget: () => forgetUpload(pool, upload),
  };
}

/** Destinations that hold the right bytes already, by the memo. */
async function findInPlace(runtime: Runtime, wave: readonly OneCopy[]): Promise<Set<string>> {
  if (wave.length < LOOK_FROM) return new Set();
  const seen = await seeObjects(
    runtime.objects,
    wave.map(({ toUrl }) => toUrl),
  ).catch(() => new Map<string, KnownObject>());
  const there = wave.flatMap((copy) => {
    const object = seen.get(copy.toUrl);
    return object && isKnowable(runtime, object) ? [{ copy, object }] : [];
  });
  const sums = await runtime.identities.memo.recall(there.map(({ object }) => object));
  return new Set(
    there.flatMap(({ copy, object }, position) =>
      object.sizeBytes === copy.sizeBytes && sums[position] === sumOf(copy) ? [copy.toUrl] : [],
    ),
  );
}
