/**
 * Whether the outputs of a run that ended well are kept in the call cache. What an entry holds is
 * given to every equal task, so failures and halves are never kept.
 */
import type { ProfileName } from '../profiles/profile-names.ts';
import { profiles } from '../profiles/profiles.ts';
import { outputUrl } from '../result/outputs.ts';
import type { ResultRecord, UploadedFile } from '../result/result.ts';
import { writesCache, type CacheMode, type TaskSpec } from '../task/task.ts';
import { readDigest } from './read-digest.ts';
import type { Sharing } from './sharing.ts';

export interface EndedRun {
  cache: CacheMode;
  profile: ProfileName;
  spec: TaskSpec;
  result: ResultRecord;
  /** Whether the task had a fingerprint when it was checked. */
  hasFingerprint: boolean;
  /** What the run must have read for that fingerprint, hex; see core/cache/read-digest.ts. */
  inputsRead: string | undefined;
  /** Where a CRC64NVME is not enough to share, it is no proof of what was read either. */
  sharing: Sharing;
}

export type NotKept =
  | { because: 'off' }
  /** An input had no identity when the task was checked. */
  | { because: 'no-fingerprint' }
  | { because: 'no-outputs' }
  /** An executor exited with another code than 0, and the task ignores that. */
  | { because: 'executor-failed'; executor: number; exitCode: number }
  | { because: 'output-missing'; paths: string[] }
  /** Its client takes the run for a failed one. */
  | { because: 'client-failed'; profile: ProfileName }
  /** The run read something else than what was checked. */
  | { because: 'input-changed' }
  /** It wrote to the URL of one of its inputs, which no copy repeats. */
  | { because: 'input-overwritten'; urls: string[] };

/** Undefined when they are kept. */
export function whyNotKept(run: EndedRun): NotKept | undefined {
  const { cache, profile, spec, result, hasFingerprint } = run;
  if (!writesCache(cache)) return { because: 'off' };
  if (!hasFingerprint) return { because: 'no-fingerprint' };
  const failed = failedExecutor(run);
  if (failed) return { because: 'executor-failed', ...failed };
  const paths = missingOutputs(run);
  if (paths.length > 0) return { because: 'output-missing', paths };
  if (profiles[profile].mayCache?.(spec, result) === false)
    return { because: 'client-failed', profile };
  if (!readWhatWasChecked(run)) return { because: 'input-changed' };
  const urls = overwrittenInputs(run);
  if (urls.length > 0) return { because: 'input-overwritten', urls };
  return outputsToKeep(run).length === 0 ? { because: 'no-outputs' } : undefined;
}

function failedExecutor({
  result: { executors },
}: EndedRun): { executor: number; exitCode: number } | undefined {
  const executor = executors.findIndex(({ exitCode }) => exitCode !== 0);
  const exitCode = executors[executor]?.exitCode;
  return exitCode === undefined ? undefined : { executor, exitCode };
}

/** A wildcard may match nothing, and clients declare files of their own that a run need not write. */
function missingOutputs({ profile, spec, result }: EndedRun): string[] {
  return result.missingOutputs.flatMap((position) => {
    const output = spec.outputs[position];
    return output &&
      output.path_prefix === undefined &&
      profiles[profile].mayMiss?.(output) !== true
      ? [output.path]
      : [];
  });
}

const READ_NOTHING = readDigest([]);

/** By what S3 said of each object as it was read; no time has a part in it. */
function readWhatWasChecked({ inputsRead, spec, result, sharing }: EndedRun): boolean {
  const { inputs } = result;
  if (inputsRead === undefined) return false;
  if (spec.inputs.length === 0) return inputsRead === READ_NOTHING;
  if (inputsRead === inputs?.digest) return true;
  return sharing === 'any' && inputsRead === inputs?.sumsDigest;
}

type CalledRun = Pick<EndedRun, 'profile' | 'spec' | 'result'>;

/** What went out under the URL of an input. A client's script stays as it is, so it does not count. */
function overwrittenInputs({ profile, spec, result }: CalledRun): string[] {
  const inputUrls = new Set(spec.inputs.map(({ url }) => url));
  for (const position of profiles[profile].textsWanted?.(spec) ?? [])
    inputUrls.delete(spec.inputs[position]?.url);
  return result.outputs.map((file) => outputUrl(spec, file)).filter((url) => inputUrls.has(url));
}

export interface KeptOutput extends UploadedFile {
  url: string;
}

/** Without the client's script, which is an input of the next task too. */
export function outputsToKeep({ spec, result }: CalledRun): KeptOutput[] {
  const inputUrls = new Set(spec.inputs.map(({ url }) => url));
  return result.outputs
    .map((file) => ({ ...file, url: outputUrl(spec, file) }))
    .filter(({ url }) => !inputUrls.has(url));
}
