/** `doctor`: checks an installation, or explains why a task does not move. */
import { readConfig } from '../../config.ts';
import { isIll, type Finding } from '../../core/doctor/finding.ts';
import { WrongUse } from '../errors.ts';
import { exitCodes, type ExitCode } from '../exit-codes.ts';
import { printable } from '../output/printable.ts';
import { printJson, printLine, type Terminal } from '../output/terminal.ts';
import { connect, isScatterId, withConnection, type ConnectionOptions } from './connection.ts';
import type { CommandContext } from './context.ts';

export function addDoctorCommand({ program, terminal, act }: CommandContext): void {
  withConnection(
    program
      .command('doctor')
      .argument('[task]', 'id of a task that does not move')
      .summary('check an installation, or explain why a task does not move')
      .description(
        'without a task, check the database, Redis, the bucket, the job queues, the clock and the ' +
          'permissions that the settings of this shell name; with one, explain what it waits for. ' +
          'Exits with 1 if anything is wrong. It changes nothing, but for two objects of one byte ' +
          'in the bucket',
      )
      .action(
        act((task: string | undefined, options: ConnectionOptions) =>
          doctor(task, options, terminal),
        ),
      ),
  );
}

async function doctor(
  task: string | undefined,
  options: ConnectionOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  const findings = await look(task, options, terminal);
  const ill = isIll(findings);
  if (options.json) printJson(terminal, { ok: !ill, findings });
  else for (const finding of findings) show(finding, terminal);
  return ill ? exitCodes.failed : exitCodes.ok;
}

async function look(
  task: string | undefined,
  options: ConnectionOptions,
  terminal: Terminal,
): Promise<Finding[]> {
  if (task === undefined) {
    const { checkInstallation } = await import('../doctor/check-installation.ts');
    return checkInstallation(readConfig(terminal.environment));
  }
  if (isScatterId(task))
    throw new WrongUse(
      `\`batchwell doctor\` takes the id of a task, but ${task} is a scatter. ` +
        `Run \`batchwell status ${task} --tasks\` to list its tasks.`,
    );
  const { lookAtTask } = await import('../doctor/look-at-task.ts');
  return lookAtTask(connect(options, terminal), task);
}

const MARKS: Record<Finding['status'], string> = {
  ok: 'ok     ',
  note: 'note   ',
  wrong: 'WRONG  ',
  unknown: '?      ',
};

/** One line, and one of advice. */
function show({ check, status, found, advice }: Finding, { out }: Terminal): void {
  printLine(out, `${MARKS[status]}${printable(check)}: ${printable(found)}`);
  if (advice !== undefined) printLine(out, `       -> ${printable(advice)}`);
}
