/** Invalidates or deletes entries of an owner in small steps, so that no lookup waits for it. */
import { append } from '../../core/append.ts';
import {
  chooseEntries,
  deleteEntries,
  invalidateEntries,
  type ChosenEntry,
  type EntryChoice,
} from '../../db/cache-entries.ts';
import { readTaskIds } from '../../db/task-views.ts';
import type { ApiContext } from '../context.ts';

export interface EntriesChange {
  owner: string;
  /** An entry is meant that one of them names. */
  choices: readonly EntryChoice[];
  change: { do: 'invalidate'; reason: string } | { do: 'delete' };
  isDryRun: boolean;
}

const ENTRIES_AT_ONCE = 500;
const EXAMPLES = 20;

export async function changeEntries(
  context: Pick<ApiContext, 'database'>,
  { owner, choices, change, isDryRun }: EntriesChange,
) {
  const { database } = context;
  const seen = new Set<number>();
  const examples: ChosenEntry[] = [];
  for (const choice of choices) {
    for (let afterId = 0; ;) {
      const page = { afterId, limit: ENTRIES_AT_ONCE };
      const entries = await chooseEntries(database.pool, owner, choice, page);
      const fresh = entries.filter(({ id }) => !seen.has(id));
      for (const { id } of fresh) seen.add(id);
      append(examples, fresh.slice(0, EXAMPLES - examples.length));
      const ids = fresh.map(({ id }) => id);
      if (!isDryRun)
        await (change.do === 'delete'
          ? deleteEntries(database, ids)
          : invalidateEntries(database.pool, ids, change.reason));
      if (entries.length < ENTRIES_AT_ONCE) break;
      afterId = entries.at(-1)?.id ?? afterId;
    }
  }
  const ids = await readTaskIds(
    database.pool,
    examples.map(({ taskId }) => taskId),
  );
  return {
    entries: seen.size,
    dry_run: isDryRun,
    examples: examples.map(({ taskId, name }) => ({
      task: ids.get(taskId) ?? `row ${taskId}`,
      name,
    })),
  };
}
