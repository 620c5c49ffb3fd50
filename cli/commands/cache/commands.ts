/** `cache …`: why tasks hit or missed the call cache, and what is in it. */
import type { Command } from 'commander';
import type { CommandContext } from '../context.ts';
import { withConnection, wholeNumber } from '../connection.ts';
import { diff, explain } from './explain.ts';
import { exportEntries, list, show, stats } from './entries.ts';
import { invalidate, prune } from './change.ts';

export function addCacheCommands(context: CommandContext): void {
  const cache = context.program
    .command('cache')
    .description('explain, list, invalidate, and prune the call cache');
  addExplanations(cache, context);
  addLists(cache, context);
  addChanges(cache, context);
}

function addExplanations(cache: Command, { terminal, act }: CommandContext): void {
  withConnection(
    cache
      .command('explain')
      .argument('<id>', 'id of a task or a scatter')
      .argument('[other]', 'id of another task, to show how the two differ')
      .description('explain why a task, or each group of a scatter, was a cache hit or a miss')
      .option('--parts', 'print the components of the fingerprint as well')
      .action(act((id, other, options) => explain({ id, other, options, terminal }))),
  );
  withConnection(
    cache
      .command('diff')
      .argument('<a>', 'id of a task')
      .argument('<b>', 'id of an earlier task')
      .description('show in what two tasks differ that decides a cache hit')
      .option('--cromwell', 'print JSON in the form of Cromwell’s callcaching diff')
      .action(act((a, b, options) => diff({ a, b, options, terminal }))),
  );
}

function addLists(cache: Command, { terminal, act }: CommandContext): void {
  withConnection(
    cache
      .command('stats')
      .description('count the entries, and show what their hits saved by task name')
      .action(act((options) => stats(options, terminal))),
  );
  withConnection(
    cache
      .command('list')
      .description('list entries, newest first')
      .option('--name <name>', 'only of tasks of this name')
      .option('--unusable', 'only those that can no longer be used')
      .option('--limit <count>', 'most entries to list', wholeNumber(1, 1_000_000), 50)
      .action(act((options) => list(options, terminal))),
  );
  withConnection(
    cache
      .command('show')
      .argument('<task>', 'id of the task that wrote the entry')
      .description('show an entry with its outputs')
      .action(act((task, options) => show(task, options, terminal))),
  );
  withConnection(
    cache
      .command('export')
      .description('print all entries as JSON, one per line')
      .action(act((options) => exportEntries(options, terminal))),
  );
}

function addChanges(cache: Command, { terminal, act }: CommandContext): void {
  withConnection(
    cache
      .command('invalidate')
      .argument('[tasks...]', 'ids of tasks that wrote entries')
      .description('make entries unusable; without --yes, only print which ones')
      .requiredOption('--reason <text>', 'why; shown in explanations')
      .option('--name <name>', 'all entries of tasks of this name')
      .option('--output-prefix <url>', 'all entries with an output whose URL begins like this')
      .option('--yes', 'invalidate them')
      .action(act((tasks, options) => invalidate(tasks, options, terminal))),
  );
  withConnection(
    cache
      .command('prune')
      .description('delete entries; without --yes, only print which ones')
      .option(
        '--unused-days <days>',
        'those that were neither written nor hit for this many days',
        wholeNumber(1, 36_500),
      )
      .option('--unusable', 'those that can no longer be used')
      .option('--yes', 'delete them')
      .action(act((options) => prune(options, terminal))),
  );
}
