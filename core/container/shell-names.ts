/**
 * Variables that shells treat in their own way. Any POSIX shell of an image may run a task's script,
 * and the command must get exactly the value that the task declares. Tried with dash, bash, busybox
 * and mksh; test/properties/task-script.test.ts tries those that are installed.
 */

/** In bash or mksh these are read-only, or no program can be given them, or dash ends at their value. */
const KEPT_BY_SHELLS = new Set(
  (
    '_ BASHOPTS BASH_ARGC BASH_ARGV BASH_LINENO BASH_SOURCE BASH_VERSINFO EUID KSH_VERSION OPTIND ' +
    'PIPESTATUS PPID SHELLOPTS UID'
  ).split(' '),
);

/** These get a value of the shell's own, but become ordinary variables once they are unset. */
const ORDINARY_ONCE_UNSET = new Set(
  (
    'BASHPID BASH_ALIASES BASH_CMDS BASH_COMMAND BASH_MONOSECONDS BASH_SUBSHELL BASH_TRAPSIG COLUMNS ' +
    'DIRSTACK EPOCHREALTIME EPOCHSECONDS FUNCNAME GROUPS HISTCMD KSHEGID KSHGID KSHUID LINENO LINES ' +
    'PGRP RANDOM SECONDS SRANDOM TMOUT USER_ID'
  ).split(' '),
);

export const mustBeUnset = (name: string): boolean => ORDINARY_ONCE_UNSET.has(name);

/** Whether a shell can set it. */
export const isVariableName = (name: string): boolean => /^[A-Za-z_][A-Za-z0-9_]*$/.test(name);

/** What was expected instead of the name of a variable; undefined when it is valid. */
export function wrongVariableName(name: string): string | undefined {
  if (!isVariableName(name))
    return 'a variable name of letters, digits and _ that does not begin with a digit';
  return KEPT_BY_SHELLS.has(name)
    ? `another name: shells set ${name} themselves, so the command might not get this value. ` +
        `To set it, begin the command with: env ${name}=…`
    : undefined;
}

/** What was expected instead of the value of a variable; undefined when it is valid. */
export const wrongVariableValue = (name: string, value: string): string | undefined =>
  name === 'HISTSIZE' && !/^-?\d{1,9}$/.test(value)
    ? 'a whole number: some shells take no other value of HISTSIZE'
    : undefined;
