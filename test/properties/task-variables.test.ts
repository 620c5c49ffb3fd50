/**
 * A command gets exactly the variables that its task declares, whatever their names mean to shells;
 * those that it could not get are refused.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { renderScript, renderValues } from '../../core/container/script.ts';
import { wrongVariableName, wrongVariableValue } from '../../core/container/shell-names.ts';
import { splitTask } from '../../core/task/template.ts';
import { emptyTask } from '../contract/stager-world.ts';
import { runText, shells } from '../task-shells.ts';

/** All that the manuals of bash 5.3, dash, busybox and mksh name, and those of the script. */
const NAMES = `
_ BASH BASHOPTS BASHPID BASH_ALIASES BASH_ARGC BASH_ARGV BASH_ARGV0 BASH_CMDS BASH_COMMAND BASH_COMPAT
BASH_ENV BASH_EXECUTION_STRING BASH_LINENO BASH_LOADABLES_PATH BASH_MONOSECONDS BASH_REMATCH BASH_SOURCE
BASH_SUBSHELL BASH_TRAPSIG BASH_VERSINFO BASH_VERSION BASH_XTRACEFD CATCH CDPATH CHILD_MAX COLUMNS
COMP_CWORD COMP_KEY COMP_LINE COMP_POINT COMP_TYPE COMP_WORDBREAKS COMP_WORDS COMPREPLY COPROC DIRSTACK
EDITOR EMACS ENV EPOCHREALTIME EPOCHSECONDS ERRNO EUID EXECIGNORE EXECSHELL FCEDIT FIGNORE FPATH FUNCNAME
FUNCNEST GLOBIGNORE GLOBSORT GROUPS HISTCMD HISTCONTROL HISTFILE HISTFILESIZE HISTIGNORE HISTSIZE
HISTTIMEFORMAT HOME HOSTFILE HOSTNAME HOSTTYPE IFS IGNOREEOF INPUTRC INSIDE_EMACS KSHEGID KSHGID KSHUID
KSH_MATCH KSH_VERSION LANG LC_ALL LC_COLLATE LC_CTYPE LC_MESSAGES LC_NUMERIC LC_TIME LINENO LINES LOGNAME
MACHTYPE MAIL MAILCHECK MAILPATH MAPFILE OLDPWD OPTARG OPTERR OPTIND OSTYPE PATHSEP PGRP PIPESTATUS
POSIXLY_CORRECT PPID PROMPT_COMMAND PROMPT_DIRTRIM PS0 PS1 PS2 PS3 PS4 PWD RANDOM READLINE_LINE REPLY SECONDS
SHELL SHELLOPTS SHLVL SRANDOM TERM TEXTDOMAIN TIMEFORMAT TMOUT TMPDIR TZ UID USER USERNAME USER_ID VISUAL
auto_resume histchars answer folder found left logs rc v0 v1 v2 v150 __proto__ constructor toString hasOwnProperty
`
  .trim()
  .split(/\s+/);

const VALUES = [
  '',
  '5',
  '0',
  '0012',
  'abc',
  'a b',
  '/bin',
  'xx_YY.UTF-8',
  'a:b',
  '-1',
  '3+4',
  'x[0]',
  '$(id)',
  "it's",
  'é\n\u00ff\n',
];

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'task-variables-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

describe.each(shells.map((shell) => ({ name: shell.join(' '), shell })))('$name', ({ shell }) => {
  test.each(VALUES)(
    'every variable that is accepted reaches the command as %j, and the shell says nothing',
    async (value) => {
      const names = NAMES.filter(
        (name) =>
          wrongVariableName(name) === undefined && wrongVariableValue(name, value) === undefined,
      );
      const folder = await mkdtemp(join(root, 'run-'));
      const env = Object.fromEntries(names.map((name) => [name, value]));
      const [stdout, stderr] = [join(folder, 'out'), join(folder, 'err')];
      const { template, values } = splitTask(
        emptyTask({
          executors: [{ image: 'i', command: ['/usr/bin/env', '-0'], env, stdout, stderr }],
        }),
      );
      const { code } = await runText(
        shell,
        folder,
        renderValues(template, values) + renderScript(template),
      );
      expect([code, await readFile(stderr, 'utf8')]).toEqual([0, '']);
      const got = new Set((await readFile(stdout, 'utf8')).split('\0'));
      expect(names.filter((name) => !got.has(`${name}=${value}`))).toEqual([]);
    },
  );
});

test('names that shells keep for themselves are refused, with the way to set them', () => {
  for (const name of ['UID', 'PPID', 'SHELLOPTS', 'OPTIND', '_'])
    expect(wrongVariableName(name)).toContain(`begin the command with: env ${name}=…`);
  for (const name of ['a.b', 'a-b', '1a', '', 'a b', 'a=b', 'BASH_FUNC_x%%', 'é'])
    expect(wrongVariableName(name)).toMatch(/^a variable name of letters/);
  expect(wrongVariableValue('HISTSIZE', 'many')).toMatch(/^a whole number/);
});
