/** Lists tasks by the filters of TES. */
import { Type, type Static } from 'typebox';
import { problemAt, type Problem } from '../../core/problems.ts';
import { standingsOf } from '../../core/task/tes-state.ts';
import { listStandings } from '../../db/task-lists.ts';
import { cutPage, PAGE_TOKEN_EXPECTED, readPageToken } from '../http/pages.ts';
import { PageQuery } from '../schemas/replies.ts';
import {
  StatesQuery,
  TesState,
  ViewQuery,
  type TesTaskFull,
  type TesTaskMinimal,
} from '../schemas/tes.ts';
import type { ApiContext } from '../context.ts';

const oneOrMore = (description: string) =>
  Type.Optional(
    Type.Union([Type.Array(Type.String(), { maxItems: 20 }), Type.String()], { description }),
  );

export const TagQuery = {
  tag_key: oneOrMore('Tags that the tasks must all have; paired with tag_value by position'),
  tag_value: oneOrMore('Values of these tags; an empty or missing value matches any value'),
};

export const ListQuery = Type.Object({
  name_prefix: Type.Optional(Type.String({ maxLength: 255 })),
  state: Type.Optional(TesState),
  ...TagQuery,
  view: ViewQuery,
  states: StatesQuery,
  ...PageQuery,
});

const PAGE_SIZE = 256;

export interface ListedTasks {
  tasks: (TesTaskFull | TesTaskMinimal)[];
  next_page_token?: string;
}

export async function listTasks(
  context: ApiContext,
  owner: string,
  query: Static<typeof ListQuery> & { scatterId?: number },
): Promise<ListedTasks | { problems: Problem[] }> {
  const beforeId = readPageToken(query.page_token);
  if (beforeId === 'malformed')
    return { problems: [problemAt('page_token', PAGE_TOKEN_EXPECTED, query.page_token)] };
  const size = query.page_size ?? PAGE_SIZE;
  const read = await listStandings(context.database.pool, {
    owner,
    namePrefix: query.name_prefix,
    standing: query.state && standingsOf(query.state),
    tags: tagsOf(query),
    scatterId: query.scatterId,
    beforeId,
    limit: size + 1,
  });
  const { items, next } = cutPage(read, size);
  return {
    tasks: await context.reader.show(items, query.view ?? 'MINIMAL', query.states),
    ...(next !== undefined && { next_page_token: next }),
  };
}

export function tagsOf({
  tag_key,
  tag_value,
}: Pick<Static<typeof ListQuery>, 'tag_key' | 'tag_value'>): { key: string; value: string }[] {
  const values = asList(tag_value);
  return asList(tag_key).map((key, index) => ({ key, value: values[index] ?? '' }));
}

export const asList = (given: string | readonly string[] | undefined): readonly string[] =>
  typeof given === 'string' ? [given] : (given ?? []);
