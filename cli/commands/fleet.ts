/** `demo`, `up`, `api`, `worker` and `migrate`: the commands that run the services. */
import type { Command } from 'commander';
import { readConfig, type Config } from '../../config.ts';
import { stages, type Stage } from '../../core/places.ts';
import { WrongUse } from '../errors.ts';
import { exitCodes } from '../exit-codes.ts';
import type { DemoOptions } from '../demo/demo.ts';
import type { UpOptions } from '../up.ts';
import type { CommandContext } from './context.ts';
import { printLine, type Terminal } from '../output/terminal.ts';
import { wholeNumber } from './connection.ts';
import { asService, logEverything, serve } from './serve.ts';
import { requireDatabase } from './servers.ts';

// A service's modules are imported when it is started: `batchwell status` must not wait for the AWS
// SDK to load.

interface WorkerOptions {
  stages?: Stage[];
  concurrency?: number;
}

/** A test runs commands in its own process, whose output is not ours to take. */
const isOwnProcess = ({ err }: Terminal): boolean => err === process.stderr;

const PORT_RANGE = [1, 65_535] as const;

export function addFleetCommands(context: CommandContext): void {
  addDemoCommand(context);
  addUpCommand(context);
  addApiCommand(context);
  addWorkerCommand(context);
  addMigrateCommand(context);
}

function addDemoCommand({ program, terminal, act }: CommandContext): void {
  program
    .command('demo')
    .summary('run a real scatter, twice, on this machine')
    .description(
      'run a scatter over generated sequencing reads, check the result, and run it again from the ' +
        'cache; needs no AWS account',
    )
    .option('--tasks <number>', 'number of tasks in the scatter', wholeNumber(2, 10_000), 200)
    .option('--keep', 'keep everything running afterwards, until Ctrl-C')
    .option('--verbose', 'also print every AWS request and the most frequent 6-mers')
    .option('--json', 'print the result and the measurements as JSON')
    .action(
      act(async (options: DemoOptions) =>
        (await import('../demo/demo.ts')).runDemo(options, terminal),
      ),
    );
}

function addUpCommand({ program, terminal, act }: CommandContext): void {
  program
    .command('up')
    .summary('run all services on this machine until Ctrl-C')
    .description(
      'run all services on this machine until Ctrl-C: Redis, MariaDB, a local S3 and Batch, ' +
        'the API and workers',
    )
    .option(
      '--keep-data <folder>',
      'keep all data in this folder for the next start (default: delete it at the end)',
    )
    .option(
      '--workers <number>',
      'number of worker processes, each with all five stages',
      wholeNumber(1, 64),
      1,
    )
    .option(
      '--port <port>',
      'port of the API (default: PORT, else 8000, or a free one if 8000 is taken)',
      wholeNumber(...PORT_RANGE),
    )
    .option('--aws', 'use the AWS account that the environment names instead of the local AWS')
    .addHelpText(
      'after',
      `
REDIS_URL and DATABASE_URL name servers to use instead of private ones. AWS_ENDPOINT_URL_S3 and
AWS_ENDPOINT_URL_BATCH together name another AWS. All other settings are in .env.example.`,
    )
    .action(act(async (options: UpOptions) => (await import('../up.ts')).up(options, terminal)));
}

function addApiCommand({ program, terminal, act }: CommandContext): void {
  program
    .command('api')
    .summary('run the API')
    .description('run the API; the environment holds its settings (see .env.example)')
    .action(
      act(() =>
        asService(terminal, async () => {
          const config = readConfig(terminal.environment);
          if (isOwnProcess(terminal)) await logEverything('batchwell-api', config.logLevel);
          const { startApi } = await import('../../api/main.ts');
          return serve(await startApi(config), 'The API', terminal);
        }),
      ),
    );
}

function addWorkerCommand({ program, terminal, act }: CommandContext): void {
  program
    .command('worker')
    .summary('run a worker')
    .description('run a worker; the environment holds its settings (see .env.example)')
    .option(
      '--stages <names>',
      `run only these stages, separated by commas (default: ${stages.join(',')})`,
      parseStages,
    )
    .option(
      '--concurrency <number>',
      'number of messages of each stage to process at the same time',
      wholeNumber(1, 1000),
    )
    .action(
      act(({ stages: chosen, concurrency }: WorkerOptions) =>
        asService(terminal, async () => {
          const config: Config = readConfig(terminal.environment);
          if (isOwnProcess(terminal)) await logEverything('batchwell-worker', config.logLevel);
          const { startWorkers } = await import('../../workers/main.ts');
          const workers = await startWorkers(config, {
            stopping: terminal.interrupted,
            ...(chosen && { stages: chosen }),
            ...(concurrency !== undefined && { concurrency }),
          });
          return serve(
            { url: workers.metricsUrl, lost: workers.lost, close: () => workers.close() },
            'The worker',
            terminal,
          );
        }),
      ),
    );
}

function addMigrateCommand({ program, terminal, act }: CommandContext): void {
  const migrate: Command = program
    .command('migrate')
    .summary('migrate the database')
    .description('migrate the database at DATABASE_URL; several may run at the same time');
  migrate.action(
    act(async () => {
      const { databaseUrl } = readConfig(terminal.environment);
      await requireDatabase({ databaseUrl }, 'migrate');
      const { migrateDatabase } = await import('../../db/client.ts');
      await migrateDatabase(databaseUrl);
      printLine(terminal.err, 'The database is up to date.');
      return exitCodes.ok;
    }),
  );
}

function parseStages(given: string): Stage[] {
  const names = given.split(',').map((name) => name.trim());
  const unknown = names.filter((name) => !(stages as readonly string[]).includes(name));
  if (unknown.length > 0)
    throw new WrongUse(
      `--stages: ${unknown.join(', ')} is not a stage; expected one or more of ${stages.join(', ')}.`,
    );
  return names as Stage[];
}
