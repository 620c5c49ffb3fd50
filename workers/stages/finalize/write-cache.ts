/** Writes the call cache: an entry for each run that read what its fingerprint was made of. */
import { knownFolderEtag } from '../../../aws/folder-identities.ts';
import type { KnownObject } from '../../../aws/identity-sources.ts';
import { allowedMode } from '../../../core/cache/policy.ts';
import { fingerprintFrom } from '../../../core/cache/fingerprint.ts';
import { outputsToKeep, whyNotKept } from '../../../core/cache/keep-run.ts';
import type { UnkeptReason } from '../../../core/cache/reasons.ts';
import { sharingDomain } from '../../../core/cache/sharing.ts';
import { componentsOf, withSums, type StoredInput } from '../../../core/cache/stored-input.ts';
import { publicId } from '../../../core/ids.ts';
import { parseS3Url } from '../../../core/files/s3-url.ts';
import { outputUrl } from '../../../core/result/outputs.ts';
import type { ResultRecord } from '../../../core/result/result.ts';
import { boundWarnings } from '../../../core/result/stored-record.ts';
import { saveEntries, type NewEntry } from '../../../db/call-cache.ts';
import { readFingerprints, type FingerprintRow } from '../../../db/cache-fingerprints.ts';
import type { Runtime } from '../../runtime.ts';
import type { FinalizedTask } from './hits/hit.ts';

export interface FinishedRun extends FinalizedTask {
  result: ResultRecord;
  warnings: readonly string[];
}

interface KeptRun extends FinishedRun {
  fingerprint: FingerprintRow;
}

/** Returns why runs were not kept, by task; a task whose caching is off is not named. */
export async function writeCache(
  runtime: Runtime,
  finished: readonly FinishedRun[],
): Promise<Map<number, UnkeptReason>> {
  const unkept = new Map<number, UnkeptReason>();
  const candidates = finished.filter((run) => {
    const reason = whyUnkept(runtime, run);
    if (reason !== undefined && run.row.cache !== 'off') unkept.set(run.row.id, reason);
    return reason === undefined;
  });
  const fingerprints = await readFingerprints(
    runtime.database.pool,
    candidates.flatMap(({ row }) => row.fingerprint ?? []),
  );
  const kept = candidates.flatMap((run): KeptRun[] => {
    const fingerprint = fingerprints.get(run.row.fingerprint?.toString('hex') ?? '');
    return fingerprint ? [{ ...run, fingerprint }] : [];
  });
  await runtime.identities.memo.learn(kept.flatMap((run) => learned(runtime, run)));
  await saveEntries(
    runtime.database,
    kept.map((run) => entryOf(runtime, run)),
    runtime.nowMs(),
  );
  return unkept;
}

function whyUnkept(
  { config, metrics }: Runtime,
  { row, spec, result }: FinishedRun,
): UnkeptReason | undefined {
  const reason = whyNotKept({
    cache: allowedMode(row, config),
    profile: row.profile,
    spec,
    result,
    hasFingerprint: row.fingerprint !== null,
    inputsRead: row.inputsRead?.toString('hex'),
    sharing: config.cacheSharing,
  });
  metrics.cacheRuns.inc({ result: reason?.because ?? 'kept' });
  return reason?.because;
}

/**
 * Under the strongest identities that are known now: what the run learned as it read its inputs
 * counts.
 */
function entryOf(
  { config: { cacheSharing } }: Runtime,
  { row, spec, result, fingerprint, warnings }: KeptRun,
): NewEntry {
  const sums = result.inputs?.sums ?? [];
  const inputs = componentsOf(withSums(fingerprint.inputs, sums, cacheSharing === 'sha256'));
  return {
    domain: sharingDomain(row, inputs, cacheSharing),
    fingerprint: fingerprintFrom(fingerprint.base, inputs),
    listedFingerprint: fingerprint.listedFingerprint,
    taskId: row.id,
    owner: row.owner,
    name: row.name,
    runMs: Math.max(0, result.endedMs - result.startedMs),
    warnings: boundWarnings(warnings),
    replaces:
      row.cache === 'refresh'
        ? `${publicId('task', row)} ran the call again with cache mode refresh.`
        : undefined,
    outputs: outputsToKeep({ profile: row.profile, spec, result }).map((file) => ({
      ...file,
      versionId: file.versionId ?? null,
    })),
  };
}

/** For the memo: what the run read and wrote, so that the next step knows it without asking S3. */
function learned(
  { identities: { etags } }: Runtime,
  { spec, result, fingerprint }: KeptRun,
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
