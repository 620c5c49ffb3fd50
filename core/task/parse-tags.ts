/** Reads a task's tags: their form, and the two that Batchwell itself reads. */
import { problemAt, type Problem } from '../problems.ts';
import { profileNames, type ProfileName } from '../profiles/profile-names.ts';
import { refuse, textMapOf, type MapRules, type Source } from './read-fields.ts';
import { cacheModes, type CacheMode } from './task.ts';

const LONGEST_TAG_KEY = 128;
const MOST_TAGS = 256;
const LONGEST_TAG_VALUE = 255;

/** A tag that sets how a task uses the call cache. */
const CACHE_TAG = 'batchwell.cache';

/** A tag that names the client profile of a task whose shape does not show it. */
const PROFILE_TAG = 'batchwell.profile';

const goodTagKey = (key: string): boolean =>
  key !== '' && key.length <= LONGEST_TAG_KEY && !key.includes('\0') && key.isWellFormed();

export const TAG_RULES: MapRules = {
  key: (key) => (goodTagKey(key) ? undefined : `a key of 1 to ${LONGEST_TAG_KEY} characters`),
  value: { longest: LONGEST_TAG_VALUE },
};

export function readTags(task: Source): Record<string, string> {
  const tags = textMapOf(task, 'tags', TAG_RULES);
  if (Object.keys(tags).length > MOST_TAGS)
    refuse(task, 'tags', `at most ${MOST_TAGS} tags`, Object.keys(tags).length);
  return tags;
}

/** The cache mode in a tag, for clients that cannot set backend parameters. */
export function cacheTag(tags: Record<string, string>, problems: Problem[]): CacheMode | undefined {
  const text = Object.hasOwn(tags, CACHE_TAG) ? tags[CACHE_TAG] : undefined;
  if (text === undefined || text === '') return undefined;
  const mode = cacheModes.find((one) => one === text);
  if (mode === undefined)
    problems.push(problemAt(`tags["${CACHE_TAG}"]`, `one of ${cacheModes.join(', ')}`, text));
  return mode;
}

/** @param fallback the profile of tasks without the tag */
export function profileTag(
  tags: Record<string, string>,
  problems: Problem[],
  fallback: ProfileName | undefined,
): ProfileName | undefined {
  const text = Object.hasOwn(tags, PROFILE_TAG) ? tags[PROFILE_TAG] : undefined;
  if (text === undefined || text === '') return fallback;
  const profile = profileNames.find((one) => one === text);
  if (profile === undefined)
    problems.push(problemAt(`tags["${PROFILE_TAG}"]`, `one of ${profileNames.join(', ')}`, text));
  return profile;
}
