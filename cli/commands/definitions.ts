/** `job-definitions prune`: what nobody has used for long is deregistered in AWS Batch. */
import { readConfig } from '../../config.ts';
import { exitCodes, type ExitCode } from '../errors.ts';
import { startProgress } from '../output/progress.ts';
import type { CommandParts } from '../command-line.ts';
import { printJson, printLine, type Terminal } from '../output/terminal.ts';
import { wholeNumber } from './connection.ts';

interface PruneOptions {
  unusedDays: number;
  dryRun?: true;
  json?: true;
}

const DAY_MS = 24 * 3_600_000;

export function addDefinitionCommands({ program, terminal, act }: CommandParts): void {
  const definitions = program
    .command('job-definitions')
    .description('the job definitions that Batchwell has registered in AWS Batch');
  definitions
    .command('prune')
    .description(
      'deregister those that no task has used for long; what is wanted again is registered anew',
    )
    .option('--unused-days <number>', 'days without a submission', wholeNumber(0, 3650), 30)
    .option('--dry-run', 'only print which they are')
    .option('--json', 'print them as JSON')
    .action(act((options: PruneOptions) => prune(options, terminal)));
}

async function prune(options: PruneOptions, terminal: Terminal): Promise<ExitCode> {
  const { unusedDays, json } = options;
  const dryRun = options.dryRun === true;
  const [{ openRuntime }, { pruneDefinitions }, { createMetrics }, { createLog }] =
    await Promise.all([
      import('../../workers/runtime.ts'),
      import('../../workers/upkeep/prune.ts'),
      import('../../telemetry/metrics.ts'),
      import('../../telemetry/log.ts'),
    ]);
  const config = readConfig(terminal.environment);
  const runtime = openRuntime({
    config,
    metrics: createMetrics(),
    log: createLog({ level: config.logLevel, name: 'batchwell-prune' }),
  });
  const progress = startProgress(terminal);
  let count = 0;
  try {
    const pruned = await pruneDefinitions(
      runtime,
      { unusedSinceMs: runtime.nowMs() - unusedDays * DAY_MS, dryRun },
      () => progress.show(`${(count += 1)} deregistered…`),
    );
    progress.end();
    if (json) printJson(terminal, { dry_run: dryRun, pruned });
    else {
      for (const revision of pruned) printLine(terminal.out, revision);
      printLine(
        terminal.err,
        `${pruned.length} ${dryRun ? 'would be deregistered' : 'deregistered'}, unused for ${unusedDays} days or more.`,
      );
    }
    return exitCodes.ok;
  } finally {
    progress.end();
    await runtime.close();
  }
}
