/** What a listener wants to hear of. */
import type { ScatterView } from '../../core/scatter-view.ts';
import { hasTags, type ToldTask } from '../../core/task-event.ts';

/** Of the owner's tasks. */
export type Subject =
  | { of: 'task'; id: number }
  | { of: 'scatter'; scatter: ScatterView }
  /** All of the tags must be there, an empty value stands for any; without tags, every task. */
  | { of: 'tags'; tags: Readonly<Record<string, string>> };

export function isAbout(subject: Subject, { id, scatter, tags }: ToldTask): boolean {
  if (subject.of === 'task') return id === subject.id;
  if (subject.of === 'scatter') return scatter?.id === subject.scatter.id;
  return hasTags(tags, subject.tags);
}
