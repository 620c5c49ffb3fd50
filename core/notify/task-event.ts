/** A task as events and webhooks report it. */
import { publicId } from '../ids.ts';
import type { ProfileName } from '../profiles/profile-names.ts';
import { shownStateOf } from '../profiles/profiles.ts';
import type { Standing, TesState } from '../task/tes-state.ts';

export interface ToldTask extends Standing {
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
  failure?: { code: string; message: string };
}

export const viewTaskEvent = (told: ToldTask): TaskEvent => ({
  task: publicId('task', told),
  state: shownStateOf(told, '1.0'),
  since: new Date(told.sinceMs).toISOString(),
  name: told.name,
  tags: told.tags,
  ...(told.scatter && { scatter: publicId('scatter', told.scatter), row: told.scatter.row }),
  attempt: told.attempt,
  cache_hit: told.hit,
  ...(told.failureCode !== undefined && {
    failure: { code: told.failureCode, message: told.failure ?? '' },
  }),
});

/** Whether all of the tags are present; an empty value matches any value. */
export const hasTags = (
  tags: Readonly<Record<string, string>>,
  wanted: readonly (readonly [key: string, value: string])[],
): boolean =>
  wanted.every(([key, value]) => Object.hasOwn(tags, key) && (value === '' || tags[key] === value));
