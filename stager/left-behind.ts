/** Ends what an executor left behind, and tells of it. */
import type { Descendants } from './descendants.ts';
import type { Log } from './log.ts';

interface LeftBehind {
  descendants: Descendants;
  log: Log;
  /** One is added where something had to be ended. */
  warnings: string[];
}

/** Nothing that the executor left behind may write to the outputs, or be seen by the next one. */
export async function endDescendants(session: LeftBehind, position: number): Promise<void> {
  const { names, left } = await session.descendants.end();
  if (names.length === 0) return;
  session.log('processes_ended', { executor: position, processes: spellNames(names) });
  session.warnings.push(
    `Executor ${position} ended while processes that it had started were running: ${spellNames(names)}. ` +
      (left.length === 0
        ? 'They were ended.'
        : `These could not be ended: ${spellNames(left)}. What they write is not waited for.`),
  );
}

const MOST_NAMES = 10;

/** `sleep (2), tee` */
function spellNames(names: readonly string[]): string {
  const counts = [...Map.groupBy(names, (name) => name)].map(([name, { length }]) =>
    length === 1 ? name : `${name} (${length})`,
  );
  const more = counts.length - MOST_NAMES;
  return [...counts.slice(0, MOST_NAMES), ...(more > 0 ? [`${more} more`] : [])].join(', ');
}
