/**
 * Calls of Cromwell's config backend, as cromwell/batchwell-submit sends them. They are those of the
 * TES backend, but for the folders of their inputs: Cromwell copies an input to
 * `…/inputs/<n>/<name>`, where n is a hash of the folder that it came from (source: Cromwell's
 * SharedFileSystem.scala). For a file that another call made, that folder has the workflow's id.
 */
import type { TaskSpec } from '../task/task.ts';

/** The name of the output that batchwell-submit declares, by which its tasks are known. */
export const EXECUTION_FOLDER = 'execution folder';

const isShimCall = ({ outputs }: TaskSpec): boolean =>
  outputs.some(({ name, type }) => name === EXECUTION_FOLDER && type === 'DIRECTORY');

/** The numbered folder that a path of an input is in. */
export function numberedFolder(path: string, callFolder: string): string | undefined {
  const inputs = `${callFolder}/inputs/`;
  const number = path.startsWith(inputs) ? /^-?\d+(?=\/)/.exec(path.slice(inputs.length)) : null;
  return number ? inputs + number[0] : undefined;
}

interface CallTexts {
  /** The script without what Cromwell wraps around the command. */
  command: string;
  /** Files that Cromwell wrote for the call. */
  lists: readonly string[];
}

/** A command with these may put two such folders in the order of their numbers, or show a number. */
const LOOKS_BETWEEN = /dirname|\.parent|%\/|[\\/]inputs(?![\w.])|(?<![\w.])\.\.(?![\w.])/;

/**
 * Folders of inputs whose numbers can be left out, in the order in which the call names them. The
 * order of the numbers themselves differs between runs. None where the command may show them.
 */
export function numberedFolders(
  spec: TaskSpec,
  callFolder: string,
  { command, lists }: CallTexts,
): string[] {
  if (!isShimCall(spec)) return [];
  const known = new Set(spec.inputs.map(({ path }) => numberedFolder(path, callFolder)));
  const inputs = `${callFolder}/inputs/`;
  const named = new Set<string>();
  /** What is left of a text without these folders. */
  const note = (text: string): string => {
    const [first = '', ...pieces] = text.split(inputs);
    return pieces.reduce((rest, piece) => {
      const number = /^-?\d+(?=\/)/.exec(piece)?.[0] ?? '';
      if (!known.has(inputs + number)) return rest + inputs + piece;
      named.add(inputs + number);
      return rest + piece.slice(number.length);
    }, first);
  };
  const rest = note(command);
  for (const list of lists) note(list);
  return LOOKS_BETWEEN.test(rest) ? [] : [...named];
}
