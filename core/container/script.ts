/**
 * The task script: POSIX shell that says everything a task does, shared by all tasks of one
 * template. What a task runs is exactly `renderValues(…) + renderScript(…)`. It is run by the
 * stager, which serves its requests; the protocol is described in docs/task-script.md.
 *
 * Only shell builtins are used, because an image may hold no other program.
 */
import { stagerExit } from './container.ts';
import type { ExecutorOf, InputOf, OutputOf } from '../task/task.ts';
import type { Template, Text } from '../task/template.ts';

/** Single quotes keep every character but themselves. */
const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/** A shell has no way to hold NUL, and would cut or drop it silently. */
function quoteChecked(text: string): string {
  if (text.includes('\0'))
    throw new RangeError(
      `A task's text holds a NUL character, which no file name, command word or variable can hold: ${JSON.stringify(text.slice(0, 80))}.`,
    );
  return quote(text);
}

/** How a text stands in the script. */
type Word = (text: Text) => string;

const word: Word = (text) => (typeof text === 'string' ? quoteChecked(text) : `"$v${text.slot}"`);

/** A comment ends at a newline, so what it cites must hold none. */
const cite = (text: string): string => JSON.stringify(text);

const HEAD = `# A Batchwell task. The task's own values stand above this line as v0='...' and so on.
# The stager runs this text as: sh FILE LOGS-FOLDER. It needs no program but the shell itself.

# ask: one request to the stager. Its words go out on 3, the answer (ok or no) comes back on 4.
ask() { printf '%s\\0' "$#" "$@" >&3 && IFS= read -r answer <&4 && [ "$answer" = ok ]; }

# finish: the result record is written, last of all, and the task ends with this exit code.
finish() { ask result "$1" || [ "$1" -ne 0 ] || exit ${stagerExit.output}; exit "$1"; }

# A SIGTERM is for the task's command, which may have something to save: this shell waits for it.
trap : TERM

# enter: change into a folder, whatever its name.
enter() { case $1 in /*) cd "$1" || exit 126 ;; *) CDPATH='' cd "./$1" || exit 126 ;; esac; }

# locate: which file a command word means on a search path. The shell is not left to look it up itself:
# some would take a builtin or an applet of their own instead of the image's program.
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

function renderExports(env: Record<string, Text> | undefined, word: Word): string[] {
  const pairs = Object.entries(env ?? {}).map(([name, text]) => {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
      throw new RangeError(
        `${cite(name)} is not a name an environment variable can have: letters, digits and _ are, not starting with a digit.`,
      );
    return `${name}=${word(text)}`;
  });
  // One command for all: its words are expanded before any is set, so a variable called v0 cannot
  // change another's value.
  return pairs.length === 0 ? [] : [`  export ${pairs.join(' ')} || exit ${stagerExit.script}`];
}

/** Docker's own default, for images that set no PATH. */
const USUAL_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

function renderExecutor(
  executor: ExecutorOf<Text>,
  position: number,
  count: number,
  word: Word,
): string {
  const streams = [executor.workdir, executor.stdin, executor.stdout, executor.stderr].map((text) =>
    text === undefined ? "''" : word(text),
  );
  const log = (name: string, own: Text | undefined) =>
    own === undefined ? `"$logs/${position}.${name}"` : word(own);
  const path = executor.env?.['PATH'];
  const lines = [
    `# Executor ${position + 1} of ${count}, image ${cite(executor.image)}: its folders, then the command, outside the stager's channels.`,
    `ask executor ${position} ${streams.join(' ')} || ${position === 0 ? `finish ${stagerExit.script}` : `{ ask logs; finish ${stagerExit.script}; }`}`,
    '(',
    ...(executor.workdir === undefined ? [] : [`  enter ${word(executor.workdir)}`]),
    `  set -- ${executor.command.map((text) => word(text)).join(' ')}`,
    `  locate ${path === undefined ? `"\${PATH-${USUAL_PATH}}"` : word(path)} "$1" || exit 127`,
    '  shift',
    '  set -- "$found" "$@"',
    ...renderExports(executor.env, word),
    '  exec 3>&- 4<&-',
    '  exec "$@"',
    `) <${executor.stdin === undefined ? '/dev/null' : word(executor.stdin)} >>${log('stdout', executor.stdout)} 2>>${log('stderr', executor.stderr)}`,
    'rc=$?',
    `ask ended ${position} "$rc"`,
    executor.ignore_error === true
      ? '# Its exit code is ignored, as the task says.'
      : '[ "$rc" -eq 0 ] || { ask logs; finish "$rc"; }',
  ];
  return lines.join('\n');
}

function render(template: Template, word: Word): string {
  const { inputs, outputs, executors, volumes } = template;
  const sections = [HEAD];
  if (volumes.length > 0)
    sections.push(
      `# Folders that the executors share.\n${volumes.map((volume) => `ask folder ${word(volume)} || finish ${stagerExit.script}`).join('\n')}\n`,
    );
  if (outputs.length > 0) {
    sections.push(
      `# Commands expect the folder to be there in which an output is to lie.\n${outputs.map(({ path }) => `ask place ${word(path)} || finish ${stagerExit.script}`).join('\n')}\n`,
    );
  }
  if (inputs.length > 0) {
    sections.push(
      `# Inputs: each is declared, then all are fetched at once, checked for size and checksum.\n${inputs.map((input) => renderInput(input, word)).join('\n')}\nask fetch || finish ${stagerExit.input}\n`,
    );
  }
  if (executors.some(({ stdout, stderr }) => stdout === undefined || stderr === undefined))
    sections.push(
      '# Where an executor names no file of its own for stdout or stderr, they are kept here.\nlogs=$1\n',
    );
  executors.forEach((executor, position) =>
    sections.push(`${renderExecutor(executor, position, executors.length, word)}\n`),
  );
  sections.push('# Exit codes and logs go to S3 before anything else can fail.\nask logs\n');
  if (outputs.length > 0) {
    sections.push(
      `# Outputs: each is declared, then all are written at once.\n${outputs.map((output) => renderOutput(output, word)).join('\n')}\nask upload || finish ${stagerExit.output}\n`,
    );
  }
  sections.push('finish 0\n');
  return sections.join('\n');
}

/**
 * The script of a template: where slot i is, stands "$v<i>". A function of the template alone.
 * @throws RangeError naming the text: a NUL, an impossible variable name, an input with neither url
 * nor content.
 */
export const renderScript = (template: Template): string => render(template, word);

/** The slots that stand in the script, ascending: descriptions, which only people read, do not. */
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
 * A task's own part of its script: one assignment per slot that the script uses.
 * @throws RangeError when a value is missing or holds NUL.
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
          `Template slot ${slot} has no value; the task holds ${values.length} values.`,
        );
      return `v${slot}=${quoteChecked(value)}\n`;
    })
    .join('');
}
