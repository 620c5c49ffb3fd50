/** Writes the call cache: an entry for each run that read what its fingerprint was made of. */
import { knownFolderEtag } from '../../../aws/folder-identities.ts';
import type { KnownObject } from '../../../aws/identity-sources.ts';
import { fingerprintFrom } from '../../../core/cache/fingerprint.ts';
import { readDigest } from '../../../core/cache/read-digest.ts';
import { componentsOf, withSums, type StoredInput } from '../../../core/cache/stored-input.ts';
import { parseS3Url } from '../../../core/files/s3-url.ts';
import { profiles } from '../../../core/profiles/profiles.ts';
import { outputUrl } from '../../../core/result/outputs.ts';
import type { ResultRecord } from '../../../core/result/result.ts';
import { writesCache } from '../../../core/task/task.ts';
import {
  readFingerprints,
  saveEntries,
  type FingerprintRow,
  type NewEntry,
} from '../../../db/call-cache.ts';
import type { Runtime } from '../../runtime.ts';
import type { FinalizedTask } from './hits/hit.ts';

export interface FinishedRun extends FinalizedTask {
  result: ResultRecord;
  warnings: readonly string[];
}

interface ProvenRun extends FinishedRun {
  fingerprint: FingerprintRow;
}

export async function writeCache(
  runtime: Runtime,
  finished: readonly FinishedRun[],
): Promise<void> {
  const candidates = finished.filter(isWorthKeeping);
  const fingerprints = await readFingerprints(
    runtime.database.pool,
    candidates.flatMap(({ row }) => row.fingerprint ?? []),
  );
  const proven = candidates.flatMap((run): ProvenRun[] => {
    const fingerprint = fingerprints.get(run.row.fingerprint?.toString('hex') ?? '');
    return fingerprint && readWhatWasChecked(run) ? [{ ...run, fingerprint }] : [];
  });
  await runtime.identities.memo.learn(proven.flatMap((run) => learned(runtime, run)));
  const entries = proven.flatMap((run) => entryOf(run) ?? []);
  await saveEntries(runtime.database, entries, runtime.nowMs());
}

const isWorthKeeping = ({ row, spec, result }: FinishedRun): boolean =>
  writesCache(row.cache) &&
  row.fingerprint !== null &&
  result.outputs.length > 0 &&
  (profiles[row.profile].mayCache?.(spec, result) ?? true);

const READ_NOTHING = readDigest([]);

/** By what S3 said of each object as it was read; no time has a part in it. */
function readWhatWasChecked({ row, spec, result }: FinishedRun): boolean {
  const expected = row.inputsRead?.toString('hex');
  if (expected === undefined) return false;
  if (spec.inputs.length === 0) return expected === READ_NOTHING;
  return expected === result.inputs?.digest || expected === result.inputs?.sumsDigest;
}

/** Under the strongest identities that are known now: what the run learned as it read its inputs counts. */
function entryOf(run: ProvenRun): NewEntry | undefined {
  const { row, result, fingerprint, warnings } = run;
  const outputs = outputsToKeep(run);
  if (outputs.length === 0) return undefined;
  const inputs = withSums(fingerprint.inputs, result.inputs?.sums ?? []);
  return {
    domain: row.cacheDomain,
    fingerprint: fingerprintFrom(fingerprint.base, componentsOf(inputs)),
    listedFingerprint: fingerprint.listedFingerprint,
    taskId: row.id,
    warnings,
    outputs,
  };
}

/**
 * What goes out under the URL that it came in by is the caller's own, and another run's is another. A client's script
 * stays as it is. Anything else may have been changed in place, which no copy repeats: of such a run nothing is kept.
 */
function outputsToKeep({ row, spec, result }: FinishedRun): NewEntry['outputs'] {
  const inputUrls = new Set(spec.inputs.map(({ url }) => url));
  const texts = new Set(
    (profiles[row.profile].textsWanted?.(spec) ?? []).map((position) => spec.inputs[position]?.url),
  );
  const files = result.outputs.map((file) => ({
    ...file,
    url: outputUrl(spec, file),
    versionId: file.versionId ?? null,
  }));
  if (files.some(({ url }) => inputUrls.has(url) && !texts.has(url))) return [];
  return files.filter(({ url }) => !inputUrls.has(url));
}

/** For the memo: what the run read and wrote, so that the next step knows it without asking S3. */
function learned(
  { identities: { etags } }: Runtime,
  { spec, result, fingerprint }: ProvenRun,
): (KnownObject & { sum: string })[] {
  const sums = result.inputs?.sums ?? [];
  const inputs = fingerprint.inputs.flatMap((input, position) => {
    const { url, type } = spec.inputs[position] ?? {};
    const sum = sums[position] ?? null;
    const etag = etagIn(input);
    if (url === undefined || sum === null || etag === undefined) return [];
    const prefix = type === 'DIRECTORY' && !url.endsWith('/') ? `${url}/` : url;
    return [{ url: prefix, etag, sizeBytes: input[2], sum }];
  });
  const outputs = result.outputs.map((file) => ({
    url: outputUrl(spec, file),
    etag: file.etag,
    sizeBytes: file.sizeBytes,
    sum: Buffer.from(file.crc64nvme, 'base64').toString('hex'),
  }));
  return [...inputs, ...outputs].filter(
    ({ url, etag }) => etag !== '' && etags.trusts(parseS3Url(url)?.bucket ?? ''),
  );
}

/** Of an input that was known by its ETag only when it was checked. */
function etagIn([, value]: StoredInput): string | undefined {
  const [type, form, ...rest] = value.split(' ');
  if (form !== 'etag') return undefined;
  return type === 'DIRECTORY' ? knownFolderEtag(rest.join(' ')) : rest[0];
}
