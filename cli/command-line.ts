/** The command line: what there is, what it takes, and how it ends. */
import { Command, CommanderError } from 'commander';
import { readFileSync } from 'node:fs';
import { addEventCommands } from './commands/events.ts';
import { addFleetCommands } from './commands/fleet.ts';
import { addDefinitionCommands } from './commands/definitions.ts';
import { addCacheCommands } from './commands/cache.ts';
import { addCromwellCommands } from './commands/cromwell-proxy.ts';
import { addSubmitCommands } from './commands/submit.ts';
import { addTokenCommands } from './commands/tokens.ts';
import { addWebhookCommands } from './commands/webhooks.ts';
import { addTaskCommands } from './commands/tasks.ts';
import { exitCodes, exitHelp, reportError, type ExitCode } from './errors.ts';
import { printLine, type Terminal } from './output/terminal.ts';

/** What every command is added with. */
export interface CommandParts {
  program: Command;
  terminal: Terminal;
  /** Wraps what a command does: its exit code is the CLI's. */
  act<Arguments extends unknown[]>(
    run: (...given: Arguments) => Promise<ExitCode>,
  ): (...given: Arguments) => Promise<void>;
}

/** Runs one command. Never rejects: whatever happened is told on `terminal.err` and in the exit code. */
export async function runCli(words: readonly string[], terminal: Terminal): Promise<ExitCode> {
  let code: ExitCode = exitCodes.ok;
  const program = describeProgram(terminal);
  const act: CommandParts['act'] =
    (run) =>
    async (...given) => {
      code = await run(...given);
    };
  const parts: CommandParts = { program, terminal, act };
  addFleetCommands(parts);
  addSubmitCommands(parts);
  addTaskCommands(parts);
  addEventCommands(parts);
  addCacheCommands(parts);
  addDefinitionCommands(parts);
  addTokenCommands(parts);
  addWebhookCommands(parts);
  addCromwellCommands(parts);
  inheritSettings(program, terminal);
  try {
    await program.parseAsync([...words], { from: 'user' });
    return code;
  } catch (error) {
    // Commander has printed its own sentence, or the help that was asked for.
    if (error instanceof CommanderError)
      return error.exitCode === 0 ? exitCodes.ok : exitCodes.refused;
    if (terminal.interrupted.aborted) {
      printLine(terminal.err, 'Interrupted.');
      return exitCodes.interrupted;
    }
    const report = reportError(error);
    for (const line of report.lines) printLine(terminal.err, line);
    return report.code;
  }
}

function describeProgram(terminal: Terminal): Command {
  const { version } = JSON.parse(
    readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
  ) as { version: string };
  return settings(new Command('batchwell'), terminal)
    .description('Runs scientific tasks on AWS Batch: scatters as array jobs, with a call cache.')
    .version(version, '-V, --version', 'print the version')
    .helpCommand('help [command]', 'show what a command takes')
    .addHelpText(
      'after',
      `
First steps:
  batchwell demo               a real scatter on this machine; no AWS account is needed
  batchwell up                 the same services, until Ctrl-C
  batchwell submit task.json   one GA4GH TES task
${exitHelp}`,
    );
}

/** Commander neither exits nor writes by itself, so that a test can run every command in its own process. */
const settings = (command: Command, terminal: Terminal): Command =>
  command
    .exitOverride()
    .showHelpAfterError('(add --help for what it takes)')
    .configureOutput({
      writeOut: (text) => void terminal.out.write(text),
      writeErr: (text) => void terminal.err.write(text),
    });

function inheritSettings(command: Command, terminal: Terminal): void {
  for (const child of command.commands) {
    settings(child, terminal);
    inheritSettings(child, terminal);
  }
}
