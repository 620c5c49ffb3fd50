/** The URLs of a task's outputs, from what was uploaded or what a cache entry holds. */
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

/** Whether a declared output that was not written fails the task. */
export const missingOutputsFail = ({ resources }: TaskSpec): boolean =>
  resources.backend_parameters?.['missing_outputs'] === 'fail';

export interface PriorOutput extends OutputFile {
  url: string;
}

export interface FoundObject {
  sizeBytes: number;
  lastModifiedMs: number;
}

export type PriorState = 'as-it-was' | 'gone' | 'maybe-changed';

/** S3 gives whole seconds, and clocks differ slightly. */
const CLOCK_SLACK_MS = 5000;

/**
 * Whether a prior output is still what the entry says. A listing shows size and time; of an object
 * that was written again since then, the checksum must be compared.
 */
export function judgePrior(
  prior: PriorOutput,
  entryMs: number,
  found: FoundObject | undefined,
): PriorState {
  if (!found || found.sizeBytes !== prior.sizeBytes) return 'gone';
  return found.lastModifiedMs > entryMs + CLOCK_SLACK_MS ? 'maybe-changed' : 'as-it-was';
}
