/** Paths that no container can have: known before the task runs, so the caller is told at once. */
import { problemAt, type Problem } from '../problems.ts';
import type { InputOf, TaskOf } from './task.ts';

/** Linux's NAME_MAX. */
const LONGEST_NAME_BYTES = 255;

/** What was expected of a path; undefined when a file system can have it. */
export function nameProblem(path: string): string | undefined {
  // A UTF-16 unit has up to three bytes in UTF-8.
  if (path.length * 3 <= LONGEST_NAME_BYTES) return undefined;
  const encoder = new TextEncoder();
  return path.split('/').some((name) => encoder.encode(name).length > LONGEST_NAME_BYTES)
    ? `a path whose names have at most ${LONGEST_NAME_BYTES} bytes each`
    : undefined;
}

const isIn = (path: string, folder: string): boolean =>
  path === folder || path.startsWith(`${folder}/`);

type Paths = Pick<TaskOf<string>, 'inputs' | 'outputs' | 'executors' | 'volumes'>;

export function refusePaths(task: Paths, problems: Problem[]): void {
  refuseKernelPaths(task.inputs, problems);
  refuseBelowFiles(task, problems);
}

/** Nothing can be written to the kernel's own file systems, whoever the user is. */
function refuseKernelPaths(inputs: readonly InputOf<string>[], problems: Problem[]): void {
  for (const [index, { path }] of inputs.entries())
    if (isIn(path, '/proc') || isIn(path, '/sys'))
      problems.push(problemAt(`inputs[${index}].path`, 'a path outside of /proc and /sys', path));
}

interface Placed {
  field: string;
  path: string;
}

/** A file cannot also be a folder: nothing can be in it. */
function refuseBelowFiles(
  { inputs, outputs, executors, volumes }: Paths,
  problems: Problem[],
): void {
  const files = new Map<string, string>();
  for (const [index, { path, type }] of inputs.entries())
    if (type === 'FILE' && !files.has(path)) files.set(path, `inputs[${index}]`);
  if (files.size === 0) return;
  const placed: Placed[] = [
    ...inputs.map(({ path }, index) => ({ field: `inputs[${index}].path`, path })),
    ...outputs.map(({ path }, index) => ({ field: `outputs[${index}].path`, path })),
    ...volumes.map((path, index) => ({ field: `volumes[${index}]`, path: `${path}/` })),
    ...executors.flatMap(({ workdir, stdin, stdout, stderr }, index) => [
      ...placedAt(`executors[${index}].workdir`, workdir && `${workdir}/`),
      ...placedAt(`executors[${index}].stdin`, stdin),
      ...placedAt(`executors[${index}].stdout`, stdout),
      ...placedAt(`executors[${index}].stderr`, stderr),
    ]),
  ];
  for (const { field, path } of placed) {
    const file = fileAbove(path, files);
    if (file === undefined) continue;
    const expected = `a path that is not at or below a file; ${files.get(file)} is a file at ${file}`;
    problems.push(problemAt(field, expected, path.replace(/\/$/, '')));
  }
}

const placedAt = (field: string, path: string | undefined): Placed[] =>
  path === undefined ? [] : [{ field, path }];

/** The file that a folder of the path is; a path that ends in '/' is a folder itself. */
function fileAbove(path: string, files: ReadonlyMap<string, string>): string | undefined {
  for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1)) {
    const folder = path.slice(0, end);
    if (files.has(folder)) return folder;
  }
  return undefined;
}
