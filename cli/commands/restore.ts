/** `restore`: what to run after a backup of the database was restored, or the database was copied. */
import { readConfig } from '../../config.ts';
import { exitCodes, type ExitCode } from '../exit-codes.ts';
import { startProgress } from '../output/progress.ts';
import { printJson, printLine, type Terminal } from '../output/terminal.ts';
import type { CommandContext } from './context.ts';
import { requireDatabase } from './servers.ts';

interface RestoreOptions {
  copy?: true;
  json?: true;
}

export function addRestoreCommand({ program, terminal, act }: CommandContext): void {
  program
    .command('restore')
    .summary('let a restored database act for its installation')
    .description(
      'let the database at DATABASE_URL act for its installation after it was restored from a backup: ' +
        'jobs submitted since the backup are ended, and open submissions are looked up in AWS Batch ' +
        'before they are submitted again; stop all workers first (docs/database.md)',
    )
    .option(
      '--copy',
      'make the database an installation of its own: its unfinished tasks are cancelled here, and ' +
        'nothing of the original is touched',
    )
    .option('--json', 'print JSON instead of sentences')
    .action(act((options: RestoreOptions) => run(options, terminal)));
}

async function run({ copy, json }: RestoreOptions, terminal: Terminal): Promise<ExitCode> {
  const [{ openRuntime }, { restore, separate }, { createMetrics }, { createLog }] =
    await Promise.all([
      import('../../workers/runtime.ts'),
      import('../../workers/restore.ts'),
      import('../../telemetry/metrics.ts'),
      import('../../telemetry/log.ts'),
    ]);
  const config = readConfig(terminal.environment);
  await requireDatabase(config, 'restore');
  const log = createLog({ level: config.logLevel, name: 'batchwell-restore' });
  const runtime = await openRuntime({ config, metrics: createMetrics(), log });
  const progress = startProgress(terminal);
  try {
    if (copy) {
      const { installation, tasksCancelled } = await separate(runtime);
      if (json) printJson(terminal, { installation, tasks_cancelled: tasksCancelled });
      else
        printLine(
          terminal.out,
          `The database is installation ${installation} now. ` +
            `${tasksCancelled} unfinished tasks were cancelled here. Start its fleet.`,
        );
      return exitCodes.ok;
    }
    const restored = await restore(runtime, (step) => progress.show(step));
    progress.end();
    const { installation, epoch, submissionsInDoubt, jobsEnded } = restored;
    if (json)
      printJson(terminal, {
        installation,
        epoch,
        submissions_in_doubt: submissionsInDoubt,
        jobs_ended: jobsEnded,
      });
    else
      printLine(
        terminal.out,
        `Installation ${installation} is in epoch ${epoch}. ${jobsEnded} jobs that this database ` +
          `does not know were ended. ${submissionsInDoubt} open submissions are looked up in AWS ` +
          'Batch before they are submitted. Start the fleet.',
      );
    return exitCodes.ok;
  } finally {
    progress.end();
    await runtime.close();
  }
}
