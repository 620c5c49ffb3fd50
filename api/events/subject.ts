/** What a listener wants to hear of. */
import type { ScatterView } from '../../core/scatter/scatter-view.ts';
import { hasTags, type ToldTask } from '../../core/notify/task-event.ts';

/** Of the owner's tasks. */
export type Subject =
  | { of: 'task'; id: number }
  | { of: 'scatter'; scatter: ScatterView }
  /** All of the tags must be there, an empty value stands for any; without tags, every task. */
  | { of: 'tags'; tags: Readonly<Record<string, string>> };

/** Asked of every task that changes, for every listener: what can be prepared is. */
export function aboutOf(subject: Subject): (task: ToldTask) => boolean {
  if (subject.of === 'task') return ({ id }) => id === subject.id;
  if (subject.of === 'scatter') return ({ scatter }) => scatter?.id === subject.scatter.id;
  const wanted = Object.entries(subject.tags);
  return ({ tags }) => hasTags(tags, wanted);
}
