/** A task as events tell of it. Only values in, a value out. */
import { publicId } from '../../core/ids.ts';
import type { ScatterView } from '../../db/scatter-views.ts';
import type { ToldTask } from '../../db/task-views.ts';
import type { TaskEvent } from '../schemas/events.ts';
import { viewMinimal } from '../task-view.ts';

export function viewTaskEvent(told: ToldTask): TaskEvent {
  const { id, state } = viewMinimal(told, '1.0');
  return {
    task: id,
    state,
    since: new Date(told.sinceMs).toISOString(),
    name: told.name,
    tags: told.tags,
    ...(told.scatter && { scatter: publicId('scatter', told.scatter), row: told.scatter.row }),
    attempt: told.attempt,
    cache_hit: told.hit,
    ...(told.failureCode !== undefined && { failure: { code: told.failureCode, message: told.failure ?? '' } }),
  };
}

/** Which of the owner's tasks a listener wants to hear of. */
export type Subject =
  | { of: 'task'; id: number }
  | { of: 'scatter'; scatter: ScatterView }
  /** All of the tags must be there, an empty value stands for any; without tags, every task. */
  | { of: 'tags'; tags: readonly { key: string; value: string }[] };

export function isAbout(subject: Subject, { id, scatter, tags }: ToldTask): boolean {
  if (subject.of === 'task') return id === subject.id;
  if (subject.of === 'scatter') return scatter?.id === subject.scatter.id;
  return subject.tags.every(({ key, value }) => Object.hasOwn(tags, key) && (value === '' || tags[key] === value));
}
