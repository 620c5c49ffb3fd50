/**
 * Each file in this folder adds one group of commands to the program; this is what it gets for
 * that.
 */
import type { Command } from 'commander';
import type { ExitCode } from '../exit-codes.ts';
import type { Terminal } from '../output/terminal.ts';

export interface CommandContext {
  program: Command;
  terminal: Terminal;
  /** Wraps the action of a command, whose exit code becomes that of the process. */
  act<Arguments extends unknown[]>(
    run: (...given: Arguments) => Promise<ExitCode>,
  ): (...given: Arguments) => Promise<void>;
}
