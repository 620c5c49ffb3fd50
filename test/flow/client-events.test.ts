/** Events as the client and `batchwell events` hear them, from the real API. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  openClient,
  type BatchwellEvent,
  type Client,
  type ClientOptions,
} from '../../packages/client/client.ts';
import { endTasks } from '../accept.ts';
import { startApiWorld, type ApiWorld } from '../api-world.ts';
import { run } from '../unit/cli-world.ts';

let world: ApiWorld;
let client: Client;
beforeAll(async () => {
  world = await startApiWorld({ tokens: ['ann:secret-a'] });
  client = open();
});
afterAll(() => world.close());

const open = (options: Partial<ClientOptions> = {}): Client =>
  openClient({
    url: world.url,
    token: 'secret-a',
    ...options,
    retry: { sleep: async () => undefined, ...options.retry },
  });
const post = async (tags: Record<string, string> = {}): Promise<string> =>
  (await client.submit({ name: 'one', tags, executors: [{ image: 'alpine', command: ['true'] }] }))
    .id;
const summaryOf = ({ event, data }: BatchwellEvent): string =>
  event === 'task' ? `${data.task} ${data.state}` : event;

/** Breaks this many connections off after their first bytes. */
function breaking(times: number): {
  fetch: typeof globalThis.fetch;
  lastEventIds: (string | undefined)[];
} {
  const lastEventIds: (string | undefined)[] = [];
  return {
    lastEventIds,
    fetch: async (input, init) => {
      lastEventIds.push(new Headers(init?.headers).get('last-event-id') ?? undefined);
      const answer = await fetch(input, init);
      if (lastEventIds.length > times || !answer.body) return answer;
      const reader = answer.body.getReader();
      const broken = new ReadableStream<Uint8Array>({
        async start(controller) {
          for (let text = ''; !/id: \d+\n\n/.test(text);) {
            const { value = new Uint8Array() } = await reader.read();
            text += new TextDecoder().decode(value);
            controller.enqueue(value);
          }
          await reader.cancel();
          controller.error(new TypeError('terminated'));
        },
      });
      return new Response(broken, { status: answer.status });
    },
  };
}

test('events of a task end with it, and each connection continues where the last one broke off', async () => {
  const id = await post();
  const line = breaking(3);
  const heard: string[] = [];
  for await (const event of open({ fetch: line.fetch }).events({ task: id })) {
    heard.push(summaryOf(event));
    if (line.lastEventIds.length === 3) await endTasks(world.database, [id]);
  }
  expect([...new Set(heard)]).toEqual([`${id} QUEUED`, `${id} COMPLETE`]);
  expect(line.lastEventIds).toEqual([
    undefined,
    ...Array.from({ length: line.lastEventIds.length - 1 }, () =>
      expect.stringMatching(/^\d+(-end)?$/),
    ),
  ]);
});

test('events of tags last until they are aborted, and lastEventId continues from there', async () => {
  const stop = new AbortController();
  let last: string | undefined;
  const listening = async (): Promise<void> => {
    for await (const event of client.events({ tags: { run: 'x' } }, { signal: stop.signal })) {
      last = event.lastEventId;
      if (event.event === 'task' && event.data.state === 'COMPLETE')
        stop.abort(new Error('enough'));
    }
  };
  const listened = listening().then(
    () => 'ended',
    (error: unknown) => String(error),
  );
  const first = await post({ run: 'x' });
  await expect.poll(() => last, { timeout: 20_000 }).toBeDefined();
  await endTasks(world.database, [first]);
  expect(await listened).toBe('Error: enough');
  const missed = await post({ run: 'x' });
  const heard: string[] = [];
  for await (const event of client.events({ tags: { run: 'x' } }, { lastEventId: last })) {
    heard.push(summaryOf(event));
    if (heard.includes(`${missed} QUEUED`)) break;
  }
  expect(heard.at(-1)).toBe(`${missed} QUEUED`);
});

describe('failures of events', () => {
  test('events of an unknown task reject at once with the service’s message', async () => {
    await expect(client.events({ task: 'task-1-aaaaaa' }).next()).rejects.toMatchObject({
      status: 404,
      message:
        'There is no task "task-1-aaaaaa", or it belongs to another owner. Check the id and your token.',
    });
  });

  test('events fail after `tries` attempts if the service cannot be reached', async () => {
    let tries = 0;
    const away = open({
      retry: { tries: 3 },
      fetch: async () => {
        tries += 1;
        throw new TypeError('fetch failed', { cause: new Error('ECONNREFUSED') });
      },
    });
    await expect(away.events().next()).rejects.toThrow('cannot be reached');
    expect(tries).toBe(3);
  });
});

describe('batchwell events', () => {
  const environment = () => ({ BATCHWELL_URL: world.url, BATCHWELL_TOKEN: 'secret-a' });

  test('batchwell events prints a line for each change of a task, and ends with the task', async () => {
    const id = await post();
    await endTasks(world.database, [id], { place: 'failed' });
    const { code, out } = await run(['events', id], { environment: environment() });
    expect([code, out]).toEqual([
      0,
      `2025-06-15T15:06:40.000Z  ${id}  SYSTEM_ERROR  one  It was to fail.\n`,
    ]);
  });

  test('batchwell events of a scatter prints its counts, and with --json one event per line', async () => {
    const { id, task_ids: ids = [] } = await client.submitScatter(
      {
        template: { name: 's', executors: [{ image: 'alpine', command: ['{{at}}'] }] },
        rows: [{ at: 1 }, { at: 2 }],
      },
      { ids: true },
    );
    await endTasks(world.database, ids);
    const text = await run(['events', id], { environment: environment() });
    expect(text.out).toContain(`${id}  2/2 ended: 2 done\n`);
    const json = await run(['events', id, '--json'], { environment: environment() });
    expect(
      json.out
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).event),
    ).toContain('scatter');
  });

  test.each([
    ['an id together with tags', ['task-1-aaaaaa', '--tag', 'a=b'], 'not both'],
    ['a tag without a key', ['--tag', '=b'], 'expected key=value'],
  ])('batchwell events refuses %s', async (_, words, message) => {
    expect(await run(['events', ...words], { environment: environment() })).toMatchObject({
      code: 2,
      err: expect.stringContaining(message),
    });
  });
});
