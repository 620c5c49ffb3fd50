/** Reads a task's executors. */
import { wrongVariableName, wrongVariableValue } from '../container/shell-names.ts';
import { memberPath, problemAt, type Problem } from '../problems.ts';
import { checkPath, LONGEST_PATH_BYTES } from './parse-files.ts';
import {
  byteLength,
  flagOf,
  optional,
  pathOf,
  rawOf,
  refuse,
  textMapOf,
  textOf,
  textsOf,
  type Source,
  type TextRule,
} from './read-fields.ts';
import type { ExecutorOf } from './task.ts';

/**
 * Linux's MAX_ARG_STRLEN, without the NUL at the end: a program cannot be given a longer argument, or a
 * variable that is longer with its name and `=`.
 */
const LONGEST_ARGUMENT_BYTES = 131_071;
/**
 * Of all arguments and variables together Linux takes a quarter of the stack's limit, which is 8 MiB
 * unless a host changes it. The rest is for what the image and Batch set, and for the program's path.
 */
const MOST_ARGUMENT_BYTES = 2 * 1_048_576 - 65_536;
/** Each has a NUL and a pointer. */
const BYTES_PER_ARGUMENT = 9;

const STREAM: TextRule = { emptyIsAbsent: true, longestBytes: LONGEST_PATH_BYTES };

export function readExecutor(executor: Source): ExecutorOf<string> | undefined {
  const image = textOf(executor, 'image', { required: true, emptyIsAbsent: true, longest: 1024 });
  if (image !== undefined && !/^[\x21-\x7e]+$/.test(image))
    refuse(executor, 'image', 'the name of a container image, without spaces', image);
  const command = readCommand(executor);
  const streams = ['workdir', 'stdin', 'stdout', 'stderr'].map((name) => [
    name,
    checkPath(executor, name, textOf(executor, name, STREAM)),
  ]);
  const env = textMapOf(executor, 'env', {
    key: wrongVariableName,
    value: { longestBytes: LONGEST_ARGUMENT_BYTES, secret: true },
  });
  checkVariables(executor, env);
  checkTotal(executor, command, env);
  const ignoreError = flagOf(executor, 'ignore_error');
  if (image === undefined) return undefined;
  return {
    image,
    command,
    ...Object.fromEntries(streams.filter(([, path]) => path !== undefined)),
    ...(Object.keys(env).length > 0 && { env }),
    ...optional('ignore_error', ignoreError),
  };
}

function readCommand(executor: Source): string[] {
  const command = textsOf(executor, 'command', { longestBytes: LONGEST_ARGUMENT_BYTES });
  const given = rawOf(executor, 'command');
  const empty =
    given === undefined || (Array.isArray(given) && (given.length === 0 || given[0] === ''));
  if (empty) refuse(executor, 'command', 'a list of strings that begins with a program', given);
  return command;
}

function checkVariables(executor: Source, env: Record<string, string>): void {
  for (const [name, value] of Object.entries(env)) {
    const longest = LONGEST_ARGUMENT_BYTES - byteLength(`${name}=`);
    const bytes = byteLength(value);
    const expected =
      wrongVariableValue(name, value) ??
      (bytes > longest
        ? `at most ${longest} bytes, ${LONGEST_ARGUMENT_BYTES} with its name and "="; this has ${bytes}`
        : undefined);
    if (expected !== undefined)
      executor.problems.push({ field: memberPath(pathOf(executor, 'env'), name), expected });
  }
}

function checkTotal(executor: Source, command: string[], env: Record<string, string>): void {
  const texts = [...command, ...Object.entries(env).map(([name, value]) => `${name}=${value}`)];
  const bytes = texts.reduce((sum, text) => sum + byteLength(text) + BYTES_PER_ARGUMENT, 0);
  if (bytes > MOST_ARGUMENT_BYTES)
    refuse(
      executor,
      Object.keys(env).length === 0 ? 'command' : 'env',
      `at most ${MOST_ARGUMENT_BYTES} bytes in the arguments and variables of an executor together, ` +
        `with ${BYTES_PER_ARGUMENT} for each; these have ${bytes}. Put long texts into an input`,
    );
}

/** A task runs in one container (docs/adr/0007-one-image-per-task.md). */
export function refuseOtherImages(
  executors: readonly ExecutorOf<string>[],
  problems: Problem[],
): void {
  const [first] = executors;
  executors.forEach(({ image }, index) => {
    if (first && image !== first.image)
      problems.push(
        problemAt(
          `executors[${index}].image`,
          `the image of executors[0], ${first.image}, because a task runs in one container`,
          image,
        ),
      );
  });
}
