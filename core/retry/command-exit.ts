// cspell:ignore SIGTRAP SIGSTKFLT SIGTTIN SIGTTOU SIGXCPU SIGXFSZ SIGVTALRM SIGWINCH SIGSYS
/** What the exit code of a command tells, by the conventions of shells. */

/** Signals of Linux, by number (source: signal(7), x86 and ARM). */
const SIGNALS = [
  'SIGHUP',
  'SIGINT',
  'SIGQUIT',
  'SIGILL',
  'SIGTRAP',
  'SIGABRT',
  'SIGBUS',
  'SIGFPE',
  'SIGKILL',
  'SIGUSR1',
  'SIGSEGV',
  'SIGUSR2',
  'SIGPIPE',
  'SIGALRM',
  'SIGTERM',
  'SIGSTKFLT',
  'SIGCHLD',
  'SIGCONT',
  'SIGSTOP',
  'SIGTSTP',
  'SIGTTIN',
  'SIGTTOU',
  'SIGURG',
  'SIGXCPU',
  'SIGXFSZ',
  'SIGVTALRM',
  'SIGPROF',
  'SIGWINCH',
  'SIGIO',
  'SIGPWR',
  'SIGSYS',
];

const FIRST_SIGNAL_CODE = 128;
const READ_LOGS = "Read the task's stdout and stderr.";

interface ExitMeaning {
  /** In parentheses after the code. */
  brief?: string;
  advice: string;
}

const MEANINGS: Readonly<Record<number, ExitMeaning>> = {
  126: {
    brief: 'not executable',
    advice:
      'Check that the program can be executed, that it is built for the architecture of the hosts, ' +
      `and that the workdir can be entered. ${READ_LOGS}`,
  },
  127: {
    brief: 'command not found',
    advice: `Check that the image has the program, and the PATH. ${READ_LOGS}`,
  },
  [FIRST_SIGNAL_CODE + 4]: {
    advice: `Use a program that is built for the processors of the hosts. ${READ_LOGS}`,
  },
  [FIRST_SIGNAL_CODE + 7]: {
    advice: `Most often shared memory or a disk was full. ${READ_LOGS}`,
  },
  [FIRST_SIGNAL_CODE + 9]: {
    advice: `Something killed it. If it ran out of memory, request more ram_gb. ${READ_LOGS}`,
  },
  [FIRST_SIGNAL_CODE + 25]: {
    advice: `The command wrote a file that is larger than its limit allows. ${READ_LOGS}`,
  },
};

/** A code that shells give no meaning has only its advice. */
export function meaningOfExit(exitCode: number): ExitMeaning {
  const meaning = MEANINGS[exitCode] ?? { advice: READ_LOGS };
  const signal = SIGNALS[exitCode - FIRST_SIGNAL_CODE - 1];
  return signal === undefined ? meaning : { ...meaning, brief: signal };
}
