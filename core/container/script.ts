/**
 * The task script: a POSIX shell script with everything a task does, shared by all tasks of one
 * template. What a task runs is exactly `renderValues(…) + renderScript(…)`. The stager runs it and
 * serves its requests; docs/task-script.md describes the protocol.
 *
 * Only shell builtins are used, because an image may have no other program.
 */
import { stagerExit } from './container.ts';
import { isVariableName, mustBeUnset } from './shell-names.ts';
import type { ExecutorOf, InputOf, OutputOf } from '../task/task.ts';
import type { Template, Text } from '../task/template.ts';

/** Single quotes preserve every character except themselves. */
const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/** A shell cannot hold NUL, and would silently cut the text or drop the character. */
function quoteChecked(text: string): string {
  if (text.includes('\0'))
    throw new RangeError(
      `A text of the task contains NUL, which file names, arguments and variables cannot contain: ` +
        `${JSON.stringify(text.slice(0, 80))}.`,
    );
  return quote(text);
}

/** How a text is written in the script. */
type Word = (text: Text) => string;

const word: Word = (text) => (typeof text === 'string' ? quoteChecked(text) : `"$v${text.slot}"`);

/** A comment ends at a newline, so a quoted text in it must not contain one. */
const cite = (text: string): string => JSON.stringify(text);

const HEAD = `# A Batchwell task. The task's own values are above this line, as v0='...' and so on.
# The stager runs this text as: sh FILE LOGS-FOLDER. It needs no program but the shell itself.

# ask: sends a request to the stager. Its words go to 3, the answer (ok or no) comes from 4.
ask() { printf '%s\\0' "$#" "$@" >&3 && IFS= read -r answer <&4 && [ "$answer" = ok ]; }

# finish: writes the result record, as the last action, and exits with this exit code.
finish() { ask result "$1" || [ "$1" -ne 0 ] || exit ${stagerExit.output}; exit "$1"; }

# On SIGTERM this shell waits for the task's command, which may have something to save.
trap : TERM

# enter: changes into a folder, whatever its name.
enter() { case $1 in /*) cd "$1" || exit 126 ;; *) CDPATH='' cd "./$1" || exit 126 ;; esac; }

# locate: finds the program of a command on a search path. The shell does not look it up itself:
# some shells would run their own builtin or applet instead of the image's program.
locate() {
  case $2 in
    /*) found=$2; return ;;
    */*) found=./$2; return ;;
  esac
  left=$1:
  while [ -n "$left" ]; do
    folder=\${left%%:*}
    left=\${left#*:}
    found=\${folder:-.}/$2
    [ -f "$found" ] && [ -x "$found" ] && return
  done
  printf 'batchwell: the command %s is not on the PATH %s\\n' "$2" "$1" >&2
  return 1
}
`;

function renderInput(input: InputOf<Text>, word: Word): string {
  const name = input.name === undefined ? '' : ` ${word(input.name)}`;
  const holdsContent =
    input.content !== undefined && (input.content !== '' || input.url === undefined);
  if (holdsContent && input.content !== undefined)
    return `ask content ${word(input.content)} ${word(input.path)}${name}`;
  if (input.url === undefined)
    throw new RangeError(`The input at ${cite(String(input.path))} has neither url nor content.`);
  return `ask input ${input.type} ${word(input.url)} ${word(input.path)}${name}`;
}

function renderOutput(output: OutputOf<Text>, word: Word): string {
  const prefix = output.path_prefix === undefined ? '' : ` ${word(output.path_prefix)}`;
  return `ask output ${output.type} ${word(output.url)} ${word(output.path)}${prefix}`;
}

/** A plain file needs no more than its folder. */
function renderPlace({ path, path_prefix, type }: OutputOf<Text>, word: Word): string {
  const prefix = path_prefix === undefined ? '' : ` ${word(path_prefix)}`;
  return `ask place ${word(path)}${type === 'FILE' && prefix === '' ? '' : ` ${type}${prefix}`}`;
}

function renderExports(env: Record<string, Text> | undefined, word: Word): string[] {
  const names = Object.keys(env ?? {});
  const pairs = Object.entries(env ?? {}).map(([name, text]) => {
    if (!isVariableName(name))
      throw new RangeError(
        `${cite(name)} is not a valid name of an environment variable. ` +
          'Use letters, digits and _, and do not begin with a digit.',
      );
    return `${name}=${word(text)}`;
  });
  const special = names.filter(mustBeUnset);
  // One command for all: its words are expanded before any variable is set, so a variable v0 cannot
  // change another's value. Shells would warn of a locale that the image lacks.
  return [
    ...(special.length === 0 ? [] : [`  unset ${special.join(' ')} 2>/dev/null`]),
    ...(pairs.length === 0
      ? []
      : [`  export ${pairs.join(' ')} 2>/dev/null || exit ${stagerExit.script}`]),
  ];
}

/** Docker's default, for images that set no PATH. */
const USUAL_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

function renderExecutor(
  executor: ExecutorOf<Text>,
  position: number,
  count: number,
  word: Word,
): string {
  const { workdir, stdin, stdout, stderr, env, command, image } = executor;
  const orEmpty = (text: Text | undefined) => (text === undefined ? "''" : word(text));
  const streams = [workdir, stdin, stdout, stderr].map(orEmpty).join(' ');
  const notPrepared =
    position === 0 ? `finish ${stagerExit.script}` : `{ ask logs; finish ${stagerExit.script}; }`;
  const log = (name: string, own: Text | undefined) =>
    own === undefined ? `"$logs/${position}.${name}"` : word(own);
  const input = stdin === undefined ? '/dev/null' : word(stdin);
  const path = env?.['PATH'];
  const searched = path === undefined ? `"\${PATH-${USUAL_PATH}}"` : word(path);
  return [
    `# Executor ${position + 1} of ${count}, image ${cite(image)}: its folders, then its command,`,
    "# which has no access to the stager's channels.",
    `ask executor ${position} ${streams} || ${notPrepared}`,
    '(',
    ...(workdir === undefined ? [] : [`  enter ${word(workdir)}`]),
    `  set -- ${command.map((text) => word(text)).join(' ')}`,
    `  locate ${searched} "$1" || exit 127`,
    '  shift',
    '  set -- "$found" "$@"',
    ...renderExports(env, word),
    '  exec 3>&- 4<&-',
    '  exec "$@"',
    `) <${input} >>${log('stdout', stdout)} 2>>${log('stderr', stderr)}`,
    'rc=$?',
    `ask ended ${position} "$rc"`,
    executor.ignore_error === true
      ? '# The task ignores its exit code.'
      : '[ "$rc" -eq 0 ] || { ask logs; finish "$rc"; }',
  ].join('\n');
}

/** A comment, then a line of the script for each item; nothing when there are no items. */
const section = (comment: string, lines: readonly string[], ...then: string[]): string[] =>
  lines.length === 0 ? [] : [`${[comment, ...lines, ...then].join('\n')}\n`];

function render(template: Template, word: Word): string {
  const { inputs, outputs, executors, volumes } = template;
  const usesOwnLogs = executors.some(
    ({ stdout, stderr }) => stdout === undefined || stderr === undefined,
  );
  return [
    HEAD,
    ...section(
      '# Folders that the executors share.',
      volumes.map((volume) => `ask folder ${word(volume)} || finish ${stagerExit.script}`),
    ),
    ...section(
      '# The folder of each output: commands expect it to exist.',
      outputs.map((output) => `${renderPlace(output, word)} || finish ${stagerExit.script}`),
    ),
    ...section(
      '# Inputs: each is declared, then all are fetched at once and checked for size and checksum.',
      inputs.map((input) => renderInput(input, word)),
      `ask fetch || finish ${stagerExit.input}`,
    ),
    ...section(
      '# Logs of executors that name no file for stdout or stderr are kept here.',
      usesOwnLogs ? ['logs=$1'] : [],
    ),
    ...executors.map(
      (executor, position) => `${renderExecutor(executor, position, executors.length, word)}\n`,
    ),
    ...section('# Exit codes and logs go to S3 before anything else can fail.', ['ask logs']),
    ...section(
      '# Outputs: each is declared, then all are written at once.',
      outputs.map((output) => renderOutput(output, word)),
      `ask upload || finish ${stagerExit.output}`,
    ),
    'finish 0\n',
  ].join('\n');
}

/**
 * The script of a template, with "$v<i>" for slot i. It depends on the template alone.
 * @throws RangeError naming the text: a NUL, an invalid variable name, an input with neither url
 * nor content
 */
export const renderScript = (template: Template): string => render(template, word);

/**
 * The slots that the script uses, ascending. Descriptions, which only people read, are not in it.
 */
function usedSlots(template: Template): number[] {
  const used = new Set<number>();
  render(template, (text) => {
    if (typeof text !== 'string') used.add(text.slot);
    return '';
  });
  return [...used].toSorted((a, b) => a - b);
}

const slotsOfTemplate = new WeakMap<Template, number[]>();

/**
 * A task's own part of its script: an assignment for each slot that the script uses.
 * @throws RangeError when a value is missing or contains NUL
 */
export function renderValues(template: Template, values: readonly string[]): string {
  // A scatter renders the values of one template ten thousand times.
  const slots = slotsOfTemplate.get(template) ?? usedSlots(template);
  slotsOfTemplate.set(template, slots);
  return slots
    .map((slot) => {
      const value = values[slot];
      if (value === undefined)
        throw new RangeError(
          `Template slot ${slot} has no value; the task has ${values.length} values.`,
        );
      return `v${slot}=${quoteChecked(value)}\n`;
    })
    .join('');
}
