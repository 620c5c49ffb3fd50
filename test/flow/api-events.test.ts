/** Server-sent events, received by a standard EventSource. */
import { EventSource } from 'eventsource';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { TaskEvent } from '../../api/schemas/events.ts';
import { createChangeFeed } from '../../api/events/feed.ts';
import { parseId } from '../../core/ids.ts';
import { readChangesKept } from '../../db/changes.ts';
import { endTasks } from '../accept.ts';
import { startApiWorld, type ApiWorld } from '../api-world.ts';
import { startWire, type Wire } from '../wire.ts';

interface Heard {
  name: string;
  data: TaskEvent & { ended: boolean; states: Record<string, number>; message: string };
  lastEventId: string;
}

interface Ear {
  source: EventSource;
  heard: Heard[];
  /** Status of every reply, in order. */
  answers: number[];
  until(what: string, holds: () => boolean): Promise<void>;
}

let world: ApiWorld;
beforeAll(async () => {
  world = await startApiWorld({ tokens: ['ann:ann-token', 'bob:bob-token'] });
});
afterAll(() => world.close());

const bearer = (who: string) => ({ authorization: `Bearer ${who}-token` });
const call = (method: string, path: string, body?: unknown, who = 'ann') =>
  world.call(method, path, body, bearer(who));
const task = (tags: Record<string, string> = {}) => ({
  name: 'one',
  tags,
  executors: [{ image: 'alpine', command: ['true'] }],
});
const post = async (tags: Record<string, string> = {}, who = 'ann'): Promise<string> =>
  (await call('POST', '/v1/tasks', task(tags), who)).json.id;

const end = (ids: readonly string[]): Promise<void> => endTasks(world.database, ids);

function listen(query: string, headers: Record<string, string> = {}, who = 'ann'): Ear {
  const heard: Heard[] = [];
  const answers: number[] = [];
  const watchers = new Set<() => void>();
  const source = new EventSource(`${world.url}/v1/events?${query}`, {
    fetch: async (url, init) => {
      const answer = await fetch(url, {
        ...init,
        headers: { ...headers, ...init.headers, ...bearer(who) },
      });
      answers.push(answer.status);
      for (const look of watchers) look();
      return answer;
    },
  });
  onTestFinished(() => source.close());
  for (const name of ['task', 'scatter', 'missed']) {
    source.addEventListener(
      name,
      ({ data, lastEventId }: { data: string; lastEventId: string }) => {
        heard.push({ name, data: JSON.parse(data), lastEventId });
        for (const look of watchers) look();
      },
    );
  }
  for (const name of ['open', 'error'])
    source.addEventListener(name, () => watchers.forEach((look) => look()));
  return {
    source,
    heard,
    answers,
    until: (what, holds) =>
      new Promise<void>((resolve, reject) => {
        const patience = setTimeout(
          () =>
            reject(
              new Error(
                `${what} did not come; answers ${answers.join(', ')}, heard ${JSON.stringify(heard)}`,
              ),
            ),
          20_000,
        );
        const look = (): void => {
          if (!holds()) return;
          clearTimeout(patience);
          watchers.delete(look);
          resolve();
        };
        watchers.add(look);
        look();
      }),
  };
}

const states = ({ heard }: Ear) => heard.map(({ data }) => `${data.task} ${data.state}`);

test('a listener to a task receives its state and its end, and then gets 204 when it reconnects', async () => {
  const id = await post({ run: '7' });
  const ear = listen(`task=${id}`);
  await ear.until('the first event', () => ear.heard.length === 1);
  await end([id]);
  await ear.until('the last answer', () => ear.source.readyState === EventSource.CLOSED);
  expect([...new Set(states(ear))]).toEqual([`${id} QUEUED`, `${id} COMPLETE`]);
  expect(ear.heard.at(-1)?.data).toEqual({
    task: id,
    state: 'COMPLETE',
    since: '2025-06-15T15:06:40.000Z',
    name: 'one',
    tags: { run: '7' },
    attempt: 0,
    cache_hit: false,
  });
  expect(ear.answers).toEqual([200, 204]);
});

test('a listener to a scatter receives its counts and each of its tasks until all have ended', async () => {
  const { id, task_ids: ids } = (
    await call('POST', '/v1/scatters?ids=true', {
      template: task({ row: '{{at}}' }),
      rows: Array.from({ length: 40 }, (_, at) => ({ at })),
    })
  ).json;
  const ear = listen(`scatter=${id}`);
  await ear.until('the counts', () => ear.heard.some(({ name }) => name === 'scatter'));
  expect(ear.heard.find(({ name }) => name === 'scatter')?.data).toMatchObject({
    id,
    ended: false,
    states: { QUEUED: 40 },
  });
  await end(ids.slice(0, 15));
  await end(ids.slice(15));
  await ear.until('the last answer', () => ear.source.readyState === EventSource.CLOSED);
  const ended = ear.heard
    .filter(({ data }) => data.state === 'COMPLETE')
    .map(({ data }) => [data.scatter, data.row, data.tags]);
  // An end can be reported twice, when its task was not yet reported as new.
  const once = [...new Map(ended.map((one) => [one[1], one])).values()];
  expect(once.toSorted(([, a], [, b]) => Number(a) - Number(b))).toEqual(
    Array.from({ length: 40 }, (_, row) => [id, row, { row: String(row) }]),
  );
  expect(ear.heard.findLast(({ name }) => name === 'scatter')?.data).toMatchObject({
    ended: true,
    states: { COMPLETE: 40 },
  });
});

test('a listener by tags receives new and ended tasks of its own owner only', async () => {
  const ear = listen('tag_key=project&tag_value=blue&tag_key=lab');
  await ear.until('the stream', () => ear.source.readyState === EventSource.OPEN);
  const mine = await post({ project: 'blue', lab: 'x' });
  const others = [
    await post({ project: 'red', lab: 'x' }),
    await post({ project: 'blue' }),
    await post({ project: 'blue', lab: 'x' }, 'bob'),
  ];
  await ear.until('the new task', () => ear.heard.length > 0);
  await end([...others, mine]);
  await ear.until('the end', () => ear.heard.some(({ data }) => data.state === 'COMPLETE'));
  expect(new Set(states(ear))).toEqual(new Set([`${mine} QUEUED`, `${mine} COMPLETE`]));
});

test('a listener that reconnects receives what it missed', async () => {
  const first = listen('tag_key=batch');
  await first.until('the stream', () => first.source.readyState === EventSource.OPEN);
  const [heard, missed] = [await post({ batch: '1' }), await post({ batch: '1' })];
  await end([heard]);
  await first.until('the end', () => first.heard.some(({ data }) => data.state === 'COMPLETE'));
  first.source.close();
  const lastEventId = String((await readChangesKept(world.database.pool)).newest);
  await end([missed]);
  const second = listen('tag_key=batch', { 'last-event-id': lastEventId });
  await second.until('the missed end', () => second.heard.length > 0);
  expect(states(second)).toEqual([`${missed} COMPLETE`]);
});

test('a listener that was disconnected for longer than changes are kept receives missed', async () => {
  await post();
  await post();
  const { newest } = await readChangesKept(world.database.pool);
  await world.database.pool.query('DELETE FROM task_changes WHERE id < ?', [newest]);
  for (const lastEventId of [newest - 2, newest + 1000]) {
    const ear = listen('', { 'last-event-id': String(lastEventId) });
    await ear.until('the note', () => ear.heard.length > 0);
    expect(ear.heard[0]).toMatchObject({
      name: 'missed',
      data: { message: expect.stringContaining('GET /v1/tasks') },
    });
  }
  const ear = listen('', { 'last-event-id': String(newest - 1) });
  await ear.until('an event', () => ear.heard.length > 0);
  expect(ear.heard.every(({ name }) => name === 'task')).toBe(true);
});

describe('GET /v1/events', () => {
  test.each([
    [
      'two subjects',
      'task=task-1-aaaaaa&tag_key=a',
      400,
      'at most one of task, scatter and tag_key',
    ],
    ['an unknown task', 'task=task-1-aaaaaa', 404, 'There is no task'],
    ['an unknown scatter', 'scatter=scatter-1-aaaaaa', 404, 'There is no scatter'],
  ])('GET /v1/events refuses %s', async (_, query, status, words) => {
    const answer = await call('GET', `/v1/events?${query}`);
    expect([answer.status, answer.json.message]).toEqual([status, expect.stringContaining(words)]);
  });

  test('GET /v1/events refuses another owner’s task, an invalid Last-Event-ID and a missing token', async () => {
    const id = await post();
    expect((await call('GET', `/v1/events?task=${id}`, undefined, 'bob')).status).toBe(404);
    const answer = await world.call('GET', '/v1/events', undefined, {
      ...bearer('ann'),
      'last-event-id': 'abc',
    });
    expect([answer.status, answer.json.problems[0]?.field]).toEqual([400, 'Last-Event-ID']);
    expect((await world.call('GET', '/v1/events')).status).toBe(401);
  });
});

test('event streams are counted while they are open', async () => {
  const ear = listen('tag_key=counted');
  await ear.until('the stream', () => ear.source.readyState === EventSource.OPEN);
  const open = async (): Promise<number> =>
    Number(
      /^batchwell_event_streams (\d+)$/m.exec((await world.call('GET', '/metrics')).text)?.[1],
    );
  const before = await open();
  expect(before).toBeGreaterThan(0);
  ear.source.close();
  await expect.poll(open, { timeout: 20_000 }).toBeLessThan(before);
});

test('a thousand listeners at the same place in the change log share one read', async () => {
  let queries = 0;
  const counting = new Proxy(world.database.pool, {
    get: (pool, name) => {
      if (name === 'query') queries += 1;
      const value: unknown = Reflect.get(pool, name);
      return typeof value === 'function' ? value.bind(pool) : value;
    },
  });
  const feed = createChangeFeed({ ...world.database, pool: counting });
  const { newest } = await readChangesKept(world.database.pool);
  const all = Promise.all(Array.from({ length: 1000 }, () => feed.next(newest, 60_000)));
  const id = await post();
  const batches = await all;
  expect(
    batches.every(({ tasks }) => tasks.length === 1 && tasks[0]?.id === parseId('task', id)?.key),
  ).toBe(true);
  expect(queries).toBeLessThan(40);
});

test('an event stream waits while the database is unavailable, and continues when it is back', async () => {
  let wire: Wire | undefined;
  const other = await startApiWorld({}, async (url) => (wire = await startWire(url)).url);
  try {
    const { id } = (await other.call('POST', '/v1/tasks', task())).json;
    const answer = await fetch(`${other.url}/v1/events?task=${id}`);
    const text = answer.text();
    await wire?.cut();
    await expect
      .poll(() => other.lines.some((line) => line.includes('events-wait')), { timeout: 20_000 })
      .toBe(true);
    await wire?.mend();
    await expect
      .poll(async () => (await other.call('POST', `/v1/tasks/${id}:cancel`)).status, {
        timeout: 20_000,
      })
      .toBe(200);
    expect(await text).toMatch(/"state":"CANCELED".*\n\nid: \d+\n\nid: \d+-end\n\n$/);
  } finally {
    await other.close();
    await wire?.cut();
  }
});

test('event streams end when the server closes', async () => {
  const other = await startApiWorld();
  const answer = await fetch(`${other.url}/v1/events`);
  const text = answer.text();
  await other.close();
  expect(await text).toMatch(/^id: \d+\n\n$/);
});
