/**
 * This folder is the command line `batchwell`. This file puts the commands together and turns their
 * outcome into an exit code; commands/ holds one file per group of commands.
 */
import { Command, CommanderError } from 'commander';
import type { CommandContext } from './commands/context.ts';
import { addEventCommands } from './commands/events.ts';
import { addFileCommands } from './commands/files.ts';
import { addFleetCommands } from './commands/fleet.ts';
import { addDefinitionCommands } from './commands/definitions.ts';
import { addDoctorCommand } from './commands/doctor.ts';
import { addAdviseCommand } from './commands/advise.ts';
import { addOperatorCommands } from './commands/operators.ts';
import { addReportCommand } from './commands/report.ts';
import { addRetryCommand } from './commands/retry.ts';
import { addRestoreCommand } from './commands/restore.ts';
import { addCacheCommands } from './commands/cache/commands.ts';
import { addCromwellCommands } from './commands/cromwell-proxy.ts';
import { addSubmitCommands } from './commands/submit.ts';
import { addTokenCommands } from './commands/tokens.ts';
import { addVersionCommand } from './commands/version.ts';
import { addWebhookCommands } from './commands/webhooks.ts';
import { addStatusCommand } from './commands/status.ts';
import { addTaskCommands } from './commands/tasks.ts';
import { reportError } from './errors.ts';
import { exitCodes, exitHelp, type ExitCode } from './exit-codes.ts';
import { printableLines } from './output/printable.ts';
import { printLine, type Terminal } from './output/terminal.ts';
import { ownVersion } from './own-version.ts';

/** Runs one command. Never rejects: failures are on `terminal.err` and in the exit code. */
export async function runCli(words: readonly string[], terminal: Terminal): Promise<ExitCode> {
  let code: ExitCode = exitCodes.ok;
  const program = describeProgram(terminal);
  const act: CommandContext['act'] =
    (run) =>
    async (...given) => {
      takeFromProgram(given, program);
      code = await run(...given);
    };
  const context: CommandContext = { program, terminal, act };
  addFleetCommands(context);
  addSubmitCommands(context);
  addStatusCommand(context);
  addTaskCommands(context);
  addRetryCommand(context);
  addDoctorCommand(context);
  addOperatorCommands(context);
  addEventCommands(context);
  addFileCommands(context);
  addReportCommand(context);
  addAdviseCommand(context);
  addCacheCommands(context);
  addDefinitionCommands(context);
  addRestoreCommand(context);
  addTokenCommands(context);
  addWebhookCommands(context);
  addCromwellCommands(context);
  addVersionCommand(context);
  inheritSettings(program, terminal);
  try {
    await program.parseAsync([...words], { from: 'user' });
    return code;
  } catch (error) {
    // Commander has already printed its error, or the help that was asked for.
    if (error instanceof CommanderError)
      return error.exitCode === 0 ? exitCodes.ok : exitCodes.refused;
    if (terminal.interrupted.aborted) {
      printLine(terminal.err, 'Interrupted.');
      return exitCodes.interrupted;
    }
    const report = reportError(error);
    for (const line of report.lines) printLine(terminal.err, printableLines(line));
    return report.code;
  }
}

/**
 * --url and --token may stand before the command, too. Commander calls an action with the arguments,
 * the options, and the command.
 */
function takeFromProgram(given: readonly unknown[], program: Command): void {
  const options = given.at(-2);
  if (typeof options !== 'object' || options === null) return;
  Object.assign(options, { ...program.opts<object>(), ...options });
}

function describeProgram(terminal: Terminal): Command {
  return settings(new Command('batchwell'), terminal)
    .description('run scientific tasks on AWS Batch: scatters as array jobs, with a call cache')
    .version(ownVersion, '-V, --version', 'print the version')
    .option('--url <url>', 'URL of the API, for every command that calls it')
    .option('--token <token>', 'bearer token, for every command that calls the API')
    .helpCommand('help [command]', 'print the help of a command')
    .addHelpText(
      'after',
      `
First steps:
  batchwell demo               run a real scatter on this machine; no AWS account is needed
  batchwell up                 run all services on this machine until Ctrl-C
  batchwell submit task.json   submit one GA4GH TES task
  batchwell help COMMAND       print the arguments and options of a command
${exitHelp}`,
    );
}

/**
 * Commander itself neither exits nor writes, so that a test can run every command in its own
 * process.
 */
const settings = (command: Command, terminal: Terminal): Command =>
  command
    .exitOverride()
    .helpOption('-h, --help', 'print this help')
    .showHelpAfterError('(add --help to see the arguments and options)')
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
