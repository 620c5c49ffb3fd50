/** A task as events and webhooks report it. */
import { publicId } from '../ids.ts';
import type { ProfileName } from '../profiles/profile-names.ts';
import { shownStateOf } from '../profiles/profiles.ts';
import type { Waiting, WaitingFacts, WaitingKind } from '../waiting/waiting.ts';
import type { Standing, TesState } from '../task/tes-state.ts';

export interface ReportedTask extends Standing {
  id: number;
  owner: string;
  createdMs: number;
  profile: ProfileName;
  name: string;
  tags: Record<string, string>;
  scatter?: { id: number; createdMs: number; row: number };
  /** Number of its latest attempt, from 1; 0 before the first. */
  attempt: number;
  /** When it entered its current state. */
  sinceMs: number;
  hit: boolean;
  failure?: string;
  /** What tells why it waits; absent once it has ended. */
  waits?: WaitingFacts;
}

export interface TaskEvent {
  task: string;
  state: TesState;
  /** RFC 3339. */
  since: string;
  name: string;
  tags: Record<string, string>;
  scatter?: string;
  row?: number;
  attempt: number;
  cache_hit: boolean;
  /** Why it does not run, and since when (RFC 3339). */
  waiting?: { for: WaitingKind; since: string; message: string; task?: string };
  failure?: { code: string; message: string };
}

export const viewTaskEvent = (task: ReportedTask, waiting?: Waiting): TaskEvent => ({
  task: publicId('task', task),
  state: shownStateOf(task, '1.0'),
  since: new Date(task.sinceMs).toISOString(),
  name: task.name,
  tags: task.tags,
  ...(task.scatter && { scatter: publicId('scatter', task.scatter), row: task.scatter.row }),
  attempt: task.attempt,
  cache_hit: task.hit,
  ...(waiting && {
    waiting: {
      for: waiting.for,
      since: new Date(waiting.sinceMs).toISOString(),
      message: waiting.message,
      ...(waiting.task !== undefined && { task: waiting.task }),
    },
  }),
  ...(task.failureCode !== undefined && {
    failure: { code: task.failureCode, message: task.failure ?? '' },
  }),
});

/** Whether all of the tags are present; an empty value matches any value. */
export const hasTags = (
  tags: Readonly<Record<string, string>>,
  wanted: readonly (readonly [key: string, value: string])[],
): boolean =>
  wanted.every(([key, value]) => Object.hasOwn(tags, key) && (value === '' || tags[key] === value));
