/** From what was uploaded, or what an entry holds, to the urls a task's outputs have. */
import { joinUrl } from '../files/s3-url.ts';
import type { TaskSpec } from '../task/task.ts';

export interface OutputFile {
  /** Position in the declared outputs. */
  output: number;
  /** '' for a FILE, the path below the output's url otherwise. */
  path: string;
  sizeBytes: number;
  crc64nvme: string;
}

/** Where a file of a task lies. Throws a RangeError for a position that the task does not declare. */
export function outputUrl(spec: TaskSpec, file: { output: number; path: string }): string {
  const declared = spec.outputs[file.output];
  if (!declared)
    throw new RangeError(
      `The task declares ${spec.outputs.length} outputs; there is no output ${file.output}.`,
    );
  return joinUrl(declared.url, file.path);
}

/** Whether a declared output that was not written is a failure of the task. */
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

/** S3 gives whole seconds, and clocks differ a little. */
const CLOCK_SLACK_MS = 5000;

/**
 * Whether a prior output is still what the entry says. A listing shows size and time; an object that was written
 * again since needs its checksum to be compared.
 */
export function judgePrior(
  prior: PriorOutput,
  entryMs: number,
  found: FoundObject | undefined,
): PriorState {
  if (!found || found.sizeBytes !== prior.sizeBytes) return 'gone';
  return found.lastModifiedMs > entryMs + CLOCK_SLACK_MS ? 'maybe-changed' : 'as-it-was';
}
