/** Reads a task's tags: their form, and those that Batchwell itself reads. */
import { problemAt, type Problem } from '../problems.ts';
import { profileNames, type ProfileName } from '../profiles/profile-names.ts';
import { refuse, textMapOf, type MapRules, type Source } from './read-fields.ts';
import { cacheModes, mergeModes, type CacheMode, type MergeMode } from './task.ts';

const LONGEST_TAG_KEY = 128;
export const MOST_TAGS = 256;
const LONGEST_TAG_VALUE = 255;

/** A tag that sets how a task uses the call cache. */
const CACHE_TAG = 'batchwell.cache';

/** A tag that sets whether a task waits for an equal one that is in flight. */
const MERGE_TAG = 'batchwell.merge';

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

type Tags = Readonly<Record<string, string>>;

/** The cache mode in a tag, for clients that cannot set backend parameters. */
export const cacheTag = (tags: Tags, problems: Problem[]): CacheMode | undefined =>
  choiceIn(tags, { tag: CACHE_TAG, choices: cacheModes }, problems);

/** For the same clients. */
export const mergeTag = (tags: Tags, problems: Problem[]): MergeMode | undefined =>
  choiceIn(tags, { tag: MERGE_TAG, choices: mergeModes }, problems);

/** @param fallback the profile of tasks without the tag */
export const profileTag = (
  tags: Tags,
  problems: Problem[],
  fallback: ProfileName | undefined,
): ProfileName | undefined =>
  Object.hasOwn(tags, PROFILE_TAG) && tags[PROFILE_TAG] !== ''
    ? choiceIn(tags, { tag: PROFILE_TAG, choices: profileNames }, problems)
    : fallback;

function choiceIn<T extends string>(
  tags: Tags,
  { tag, choices }: { tag: string; choices: readonly T[] },
  problems: Problem[],
): T | undefined {
  const text = Object.hasOwn(tags, tag) ? tags[tag] : undefined;
  if (text === undefined || text === '') return undefined;
  const choice = choices.find((one) => one === text);
  if (choice === undefined)
    problems.push(problemAt(`tags["${tag}"]`, `one of ${choices.join(', ')}`, text));
  return choice;
}
