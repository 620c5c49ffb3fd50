/** Reads which tasks a caller wants to cancel: by id, by tags, or a whole scatter. */
import { TAG_RULES } from './parse-tags.ts';
import { problemAt, type Problem } from '../problems.ts';
import {
  rawOf,
  readObject,
  refuse,
  textMapOf,
  textOf,
  textsOf,
  type Source,
} from './read-fields.ts';

const MOST_CANCELLED_IDS = 10_000;

export type CancelRequest =
  | { by: 'ids'; ids: string[] }
  | { by: 'tags'; tags: Record<string, string> }
  | { by: 'scatter'; scatter: string };

export function parseCancelRequest(input: unknown): CancelRequest | { problems: Problem[] } {
  const problems: Problem[] = [];
  const body = readObject(input, '', problems);
  if (!body) return { problems };
  const given = (['ids', 'tags', 'scatter'] as const).filter(
    (name) => rawOf(body, name) !== undefined,
  );
  const [by] = given;
  if (by === undefined || given.length > 1)
    return { problems: [problemAt('', 'exactly one of ids, tags and scatter', given.join(', '))] };
  const wanted = readers[by](body);
  return problems.length > 0 ? { problems } : wanted;
}

const readers: { readonly [By in CancelRequest['by']]: (body: Source) => CancelRequest } = {
  ids(body) {
    const ids = textsOf(body, 'ids', { longest: 100 });
    if (ids.length === 0 || ids.length > MOST_CANCELLED_IDS)
      refuse(body, 'ids', `1 to ${MOST_CANCELLED_IDS} ids`, ids.length);
    return { by: 'ids', ids };
  },
  tags(body) {
    const tags = textMapOf(body, 'tags', TAG_RULES);
    // Without this an empty object would cancel everything.
    if (Object.keys(tags).length === 0)
      refuse(body, 'tags', 'at least one tag; a task must have all of them');
    return { by: 'tags', tags };
  },
  scatter: (body) => ({ by: 'scatter', scatter: textOf(body, 'scatter', { longest: 100 }) ?? '' }),
};
