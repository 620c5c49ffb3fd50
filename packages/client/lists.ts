/** Lists that come in pages. */
import type { TaskFilter, TaskPage, TaskOf } from './operations.ts';
import { sendForJson, type Transport } from './send.ts';
import type { View } from './types.generated.ts';

export function readTasks<V extends View>(
  transport: Transport,
  path: string,
  { tags = {}, signal, ...query }: TaskFilter<V> = {},
): Promise<TaskPage<V>> {
  return sendForJson(transport, {
    path,
    query: { ...query, tag_key: Object.keys(tags), tag_value: Object.values(tags) },
    signal,
  });
}

export async function* allTasks<V extends View>(
  transport: Transport,
  path: string,
  filter: TaskFilter<V> = {},
): AsyncGenerator<TaskOf<V>, void, undefined> {
  for await (const { tasks } of pages((page_token = filter.page_token) =>
    readTasks<V>(transport, path, { ...filter, ...(page_token !== undefined && { page_token }) }),
  ))
    yield* tasks;
}

/** Reads each page after the one before it has been used. */
export async function* pages<Page extends { next_page_token?: string }>(
  read: (token: string | undefined) => Promise<Page>,
): AsyncGenerator<Page, void, undefined> {
  let token: string | undefined;
  do {
    const page = await read(token);
    yield page;
    token = page.next_page_token;
  } while (token !== undefined && token !== '');
}
