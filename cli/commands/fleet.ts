/** `up`, `demo`, `api`, `worker` and `migrate`: the services themselves. */
import type { Command } from 'commander';
import { readConfig, type Config } from '../../config.ts';
import { stages, type Stage } from '../../core/places.ts';
import { exitCodes, WrongUse } from '../errors.ts';
import type { CommandParts } from '../command-line.ts';
import { printLine } from '../output/terminal.ts';
import { wholeNumber } from './connection.ts';
import { serve } from './serve.ts';

// What a service needs is imported when it is started: `batchwell status` must not wait for the AWS SDK to load.

interface UpOptions {
  keepData?: string;
  workers: number;
  port?: number;
  aws?: true;
}

interface WorkerOptions {
  stages?: Stage[];
  concurrency?: number;
}

interface DemoCommandOptions {
  keep?: true;
  tasks: number;
  json?: true;
}

const PORT_RANGE = [1, 65_535] as const;

export function addFleetCommands({ program, terminal, act }: CommandParts): void {
  program
    .command('demo')
    .description(
      'scatter over sequencing reads made here, gather, check the result, then run it again from the cache',
    )
    .option('--tasks <number>', 'tasks of the scatter', wholeNumber(2, 10_000), 200)
    .option('--keep', 'leave everything running afterwards, until Ctrl-C')
    .option('--json', 'print the measurements as JSON')
    .action(
      act(async (options: DemoCommandOptions) =>
        (await import('../demo/demo.ts')).runDemo(options, terminal),
      ),
    );

  program
    .command('up')
    .description(
      'run everything on this machine: Redis, MariaDB, a local S3 and Batch, the API and workers, until Ctrl-C',
    )
    .option(
      '--keep-data <folder>',
      'keep all data in this folder, for the next start; otherwise they go with Ctrl-C',
    )
    .option(
      '--workers <number>',
      'worker processes, each with all five stages',
      wholeNumber(1, 64),
      1,
    )
    .option(
      '--port <port>',
      'port of the API (8000, or a free one when it is taken)',
      wholeNumber(...PORT_RANGE),
    )
    .option('--aws', 'use the AWS account that the environment names, and not the local one')
    .addHelpText(
      'after',
      `
REDIS_URL and DATABASE_URL name servers to use instead of private ones; AWS_ENDPOINT_URL_S3 and AWS_ENDPOINT_URL_BATCH
(both) name another AWS. Every other setting is in .env.example.`,
    )
    .action(act(async (options: UpOptions) => (await import('../up.ts')).up(options, terminal)));

  addServices({ program, terminal, act });
}

function addServices({ program, terminal, act }: CommandParts): void {
  program
    .command('api')
    .description('serve the API alone; settings come from the environment (.env.example)')
    .action(
      act(async () => {
        const { startApi } = await import('../../api/main.ts');
        return serve(await startApi(readConfig(terminal.environment)), 'The API', terminal);
      }),
    );

  program
    .command('worker')
    .description('run workers; settings come from the environment (.env.example)')
    .option('--stages <names>', `only these, separated by commas: ${stages.join(',')}`, parseStages)
    .option(
      '--concurrency <number>',
      'messages of each stage that are worked on at the same time',
      wholeNumber(1, 1000),
    )
    .action(
      act(async ({ stages: chosen, concurrency }: WorkerOptions) => {
        const { startWorkers } = await import('../../workers/main.ts');
        const config: Config = readConfig(terminal.environment);
        const workers = await startWorkers(config, {
          ...(chosen && { stages: chosen }),
          ...(concurrency !== undefined && { concurrency }),
        });
        return serve(
          { url: workers.metricsUrl, close: () => workers.close() },
          'The worker',
          terminal,
        );
      }),
    );

  const migrate: Command = program
    .command('migrate')
    .description('bring the database up to date (DATABASE_URL); safe when several do it at once');
  migrate.action(
    act(async () => {
      const { migrateDatabase } = await import('../../db/client.ts');
      await migrateDatabase(readConfig(terminal.environment).databaseUrl);
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
      `--stages: there is no stage ${unknown.join(', ')}; expected some of ${stages.join(', ')}.`,
    );
  return names as Stage[];
}
