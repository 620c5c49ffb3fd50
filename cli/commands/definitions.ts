/** `job-definitions prune`: deregisters unused job definitions in AWS Batch. */
import { exitCodes, type ExitCode } from '../exit-codes.ts';
import { startProgress } from '../output/progress.ts';
import type { CommandContext } from './context.ts';
import { printJson, printLine, type Terminal } from '../output/terminal.ts';
import { wholeNumber } from './connection.ts';
import { fleetConfig, requireDatabase } from './servers.ts';

interface PruneOptions {
  unusedDays: number;
  dryRun?: true;
  json?: true;
}

const DAY_MS = 24 * 3_600_000;

export function addDefinitionCommands({ program, terminal, act }: CommandContext): void {
  const definitions = program
    .command('job-definitions')
    .description('manage job definitions in AWS Batch');
  definitions
    .command('prune')
    .summary('deregister unused job definitions')
    .description(
      'deregister job definitions of Batchwell that are no longer used; one that a task needs later ' +
        'is registered again',
    )
    .option(
      '--unused-days <days>',
      'deregister those without a submission for this many days',
      wholeNumber(0, 3650),
      30,
    )
    .option('--dry-run', 'only print the ones that would be deregistered')
    .option('--json', 'print JSON instead of a list')
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
  const config = await fleetConfig(terminal);
  await requireDatabase(config, 'job-definitions prune');
  const runtime = await openRuntime({
    config,
    metrics: createMetrics(),
    log: createLog({ level: config.logLevel, name: 'batchwell-prune' }),
  });
  const progress = startProgress(terminal);
  let count = 0;
  try {
    await runtime.clockLearned();
    const pruned = await pruneDefinitions(
      runtime,
      { unusedSinceMs: runtime.nowMs() - unusedDays * DAY_MS, dryRun },
      () => progress.show(`${(count += 1)} deregistered…`),
    );
    progress.end();
    if (json) printJson(terminal, { dry_run: dryRun, pruned });
    else {
      for (const revision of pruned) printLine(terminal.out, revision);
      const done = dryRun ? 'Would deregister' : 'Deregistered';
      printLine(terminal.err, `${done} ${pruned.length}, unused for ${unusedDays} days or more.`);
    }
    return exitCodes.ok;
  } finally {
    progress.end();
    await runtime.close();
  }
}
