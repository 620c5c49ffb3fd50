/** Which tasks a listener follows. */
import type { ScatterView } from '../../core/scatter/scatter-view.ts';
import { hasTags, type ReportedTask } from '../../core/notify/task-event.ts';

/** A selection from the owner's tasks. */
export type Subject =
  | { of: 'task'; id: number }
  | { of: 'scatter'; scatter: ScatterView }
  /**
   * Tasks that have all of the tags; an empty value matches any value. Without tags: every task.
   */
  | { of: 'tags'; tags: Readonly<Record<string, string>> };

/**
 * The result runs for every changed task and every listener, so everything that can be prepared is.
 */
export function matcherOf(subject: Subject): (task: ReportedTask) => boolean {
  if (subject.of === 'task') return ({ id }) => id === subject.id;
  if (subject.of === 'scatter') return ({ scatter }) => scatter?.id === subject.scatter.id;
  const wanted = Object.entries(subject.tags);
  return ({ tags }) => hasTags(tags, wanted);
}
