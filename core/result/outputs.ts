/** The URLs of a task's outputs, from what was uploaded or what a cache entry holds. */
import { literalStart } from '../files/path-pattern.ts';
import { joinUrl } from '../files/s3-url.ts';
import type { TaskSpec } from '../task/task.ts';

interface OutputFile {
  /** Position in the declared outputs. */
  output: number;
  /** '' for a FILE, otherwise the path below the output's URL. */
  path: string;
  sizeBytes: number;
  crc64nvme: string;
}

/**
 * The URL of a file of a task. Throws a RangeError for a position that the task does not declare.
 */
export function outputUrl(spec: TaskSpec, file: { output: number; path: string }): string {
  const declared = spec.outputs[file.output];
  if (!declared)
    throw new RangeError(
      `The task declares ${spec.outputs.length} outputs; there is no output ${file.output}.`,
    );
  return joinUrl(declared.url, file.path);
}

/** The path of a file in the container: the inverse of how the stager cuts the path of a match. */
export function pathInContainer(
  { outputs }: TaskSpec,
  { output, path }: { output: number; path: string },
): string {
  const declared = outputs[output];
  if (!declared) return path;
  const { path_prefix: prefix } = declared;
  if (prefix === undefined) return joinUrl(declared.path, path);
  // The pattern may be written with escapes; its prefix is stored without them.
  const cutAtSlash =
    prefix.endsWith('/') || literalStart(declared.path).startsWith('/', prefix.length);
  return cutAtSlash ? joinUrl(prefix, path) : prefix + path;
}

/** Whether a declared output that was not written fails the task. */
export const missingOutputsFail = ({ resources }: TaskSpec): boolean =>
  resources.backend_parameters?.['missing_outputs'] === 'fail';

export interface PriorOutput extends OutputFile {
  url: string;
  /** As S3 answered when it was written, without quotes; '' when it gave none. */
  etag: string;
}

export interface FoundObject {
  sizeBytes: number;
  /** Without quotes. */
  etag: string;
}

export type PriorState =
  | 'as-it-was'
  | 'gone'
  /** Written again, with another number of bytes. */
  | 'changed'
  /** Written again, maybe with the same bytes: only its checksum tells. */
  | 'rewritten';

/**
 * Whether a prior output is still what the entry says, from a listing: no time has a part in it.
 * @param etagsCount false for a bucket whose ETags tell nothing
 */
export function judgePrior(
  prior: PriorOutput,
  found: FoundObject | undefined,
  etagsCount: boolean,
): PriorState {
  if (!found) return 'gone';
  if (found.sizeBytes !== prior.sizeBytes) return 'changed';
  return etagsCount && prior.etag !== '' && found.etag === prior.etag ? 'as-it-was' : 'rewritten';
}
