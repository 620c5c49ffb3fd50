/** Reads a task's executors. */
import { problemAt, type Problem } from '../problems.ts';
import { checkPath, LONGEST_PATH_BYTES } from './parse-files.ts';
import {
  flagOf,
  optional,
  rawOf,
  refuse,
  textMapOf,
  textOf,
  textsOf,
  type Source,
  type TextRule,
} from './read-fields.ts';
import type { ExecutorOf } from './task.ts';

/** Linux's MAX_ARG_STRLEN: a program cannot be given a longer argument or variable. */
const LONGEST_ARGUMENT_BYTES = 131_071;

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
    key: (key) =>
      /^[A-Za-z_][A-Za-z0-9_]*$/.test(key)
        ? undefined
        : 'a variable name of letters, digits and _ that does not begin with a digit',
    value: { longestBytes: LONGEST_ARGUMENT_BYTES, secret: true },
  });
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
