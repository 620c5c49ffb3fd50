/** What a task printed, while it runs and afterwards: over HTTP, with a real database and a played S3. */
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { pino } from 'pino';
import { followLog } from '../../api/tasks/follow-log.ts';
import { createTaskWaiter } from '../../api/tasks/wait.ts';
import type { LogLine } from '../../api/schemas/logs.ts';
import { parseId } from '../../core/ids.ts';
import { windowMetadata } from '../../core/container/live-log.ts';
import { startApiWorld, type ApiWorld } from '../api-world.ts';

/** A look at S3 so often. */
const SETTINGS = { liveLogsMs: 20 };

let world: ApiWorld;
beforeAll(async () => {
  world = await startApiWorld(SETTINGS);
});
afterAll(() => world.close());

const sql = (statement: string, values: unknown[] = [], { database } = world) =>
  database.pool.query(statement, values);
const rowOf = (id: string): number => parseId('task', id)?.key ?? 0;
const post = async (executors = 1, { call } = world): Promise<string> =>
  (
    await call('POST', '/v1/tasks', {
      executors: Array.from({ length: executors }, () => ({ image: 'alpine', command: ['true'] })),
    })
  ).json.id;

let submissions = 0;
/** As the workers would: an attempt that runs. Gives its submission's key. */
async function run(id: string, number = 1, from = world): Promise<string> {
  submissions += 1;
  const key = `sub${submissions}`;
  const [made] = await sql(
    "INSERT INTO submissions (submission_key, shape, state, size, queue, job_definition_id, job_id, running_ms, created_ms) VALUES (?, ?, 'running', 2, 'fast', 1, 'job-1', 5, 1)",
    [key, Buffer.alloc(16)],
    from,
  );
  const { insertId } = made as { insertId: number };
  await sql(
    'INSERT INTO attempts (task_id, number, submission_id, array_index, created_ms) VALUES (?, ?, ?, 7, 1)',
    [rowOf(id), number, insertId],
    from,
  );
  await sql(
    "UPDATE tasks SET place = 'poll', submission_id = ?, attempt = ? WHERE id = ?",
    [insertId, number, rowOf(id)],
    from,
  );
  return key;
}
/** Without Batch's attempt where no record was seen. */
async function endAttempt(
  id: string,
  {
    number = 1,
    outcome = 'succeeded',
    batchAttempt = 1,
  }: { number?: number; outcome?: string; batchAttempt?: number | null } = {},
): Promise<void> {
  await sql(
    'UPDATE attempts SET outcome = ?, batch_attempt = ?, ended_ms = 9 WHERE task_id = ? AND number = ?',
    [outcome, batchAttempt, rowOf(id), number],
  );
  await sql(
    'UPDATE submissions SET ended_ms = 9 WHERE id = (SELECT submission_id FROM tasks WHERE id = ?)',
    [rowOf(id)],
  );
}
const endTask = (id: string, place = 'done') =>
  sql('UPDATE tasks SET place = ?, ended_ms = 10 WHERE id = ?', [place, rowOf(id)]);
async function finish(
  id: string,
  key: string,
  text: string,
  { number = 1, batchAttempt = 1 } = {},
): Promise<void> {
  world.logs.texts.set(`submissions/${key}/logs/00007/${batchAttempt}/0.stdout`, text);
  await endAttempt(id, { number, batchAttempt });
  await endTask(id);
}
/** What the stager shipped last. */
function ship(
  key: string,
  text: string | Buffer,
  { offset = 0, batchAttempt = 1, cuts = 0, logs = world.logs } = {},
): void {
  logs.windows.set(`submissions/${key}/live/00007/0.stdout`, {
    body: text,
    metadata: windowMetadata({ batchAttempt, cuts, offset }),
  });
}

interface Follow {
  response: Response;
  /** So far. */
  text(): string;
  /** Until it holds this; of lines, their texts joined. */
  until(text: string): Promise<void>;
  /** All of it; rejects when the reply breaks off. */
  whole: Promise<string>;
  leave(): void;
}

async function follow(
  id: string,
  query = '',
  { headers = {}, url = world.url }: { headers?: Record<string, string>; url?: string } = {},
): Promise<Follow> {
  const leaving = new AbortController();
  const response = await fetch(`${url}/v1/tasks/${id}/logs?follow=true${query}`, {
    headers,
    signal: leaving.signal,
  });
  const isLines = response.headers.get('content-type') === 'application/x-ndjson';
  const chunks: Uint8Array[] = [];
  const text = () => Buffer.concat(chunks).toString('utf8');
  const wakes = new Set<() => void>();
  const whole = (async () => {
    for await (const chunk of response.body!) {
      chunks.push(chunk);
      for (const wake of wakes) wake();
    }
    return text();
  })();
  // A test may end before it looks.
  whole.catch(() => undefined);
  const until = (wanted: string) =>
    new Promise<void>((resolve) => {
      const said = () =>
        isLines
          ? linesOf(text())
              .map((line) => line.text ?? '')
              .join('')
          : text();
      const wake = () => said().includes(wanted) && resolve();
      wakes.add(wake);
      wake();
    });
  return { response, text, until, whole, leave: () => leaving.abort() };
}
const followLines = (id: string, query = '') =>
  follow(id, query, { headers: { accept: 'application/x-ndjson' } });
/** Whole ones. */
const linesOf = (text: string): LogLine[] =>
  text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as LogLine);
const logs = (id: string, query = '') => world.call('GET', `/v1/tasks/${id}/logs?${query}`);

describe('without follow', () => {
  test('a running task is answered with the newest part that is known, an ended one with its whole log', async () => {
    const id = await post();
    const key = await run(id);
    expect(await logs(id)).toMatchObject({
      status: 404,
      json: { message: expect.stringContaining('has no stdout yet') },
    });
    ship(key, 'newest', { offset: 1000 });
    expect((await logs(id)).text).toBe('newest');
    expect((await logs(id, 'tail_bytes=3')).text).toBe('est');
    await finish(id, key, 'oldest to newest');
    expect((await logs(id)).text).toBe('oldest to newest');
  });

  test('of an attempt without a result, the log that it saved counts, else what was shipped last', async () => {
    const id = await post();
    const key = await run(id);
    ship(key, 'last seen', { batchAttempt: 3 });
    await endAttempt(id, { outcome: 'cancelled', batchAttempt: null });
    await endTask(id, 'cancelled');
    expect((await logs(id)).text).toBe('last seen');
    expect(await (await follow(id)).whole).toBe('last seen');
    world.logs.texts.set(
      `submissions/${key}/logs/00007/3/0.stdout`,
      'last seen, and saved after SIGTERM',
    );
    expect((await logs(id)).text).toBe('last seen, and saved after SIGTERM');
    expect(await (await follow(id)).whole).toBe('last seen, and saved after SIGTERM');
  });
});

describe('a followed log', () => {
  test('is heard before anything is printed, goes on as windows grow, and ends with the rest of the whole log', async () => {
    const id = await post();
    const following = await follow(id);
    expect([following.response.status, following.response.headers.get('content-type')]).toEqual([
      200,
      'text/plain; charset=utf-8',
    ]);
    const key = await run(id);
    ship(key, 'one\n');
    await following.until('one\n');
    ship(key, 'one\ntwo\n');
    await following.until('two\n');
    ship(key, 'two\nthree\n', { offset: 4 });
    await following.until('three\n');
    await finish(id, key, 'one\ntwo\nthree\nfour\n');
    expect(await following.whole).toBe('one\ntwo\nthree\nfour\n');
  });

  test('says how many bytes are left out, and when the stream begins anew', async () => {
    const id = await post();
    const key = await run(id);
    ship(key, 'begun');
    const following = await follow(id);
    await following.until('begun');
    ship(key, 'later\n', { offset: 105 });
    await following.until('later');
    ship(key, 'cut\n', { cuts: 1 });
    await following.until('cut');
    ship(key, 'other host\n', { batchAttempt: 2, offset: 3 });
    await following.until('other host');
    await finish(id, key, 'xx\nother host\nend\n', { batchAttempt: 2 });
    expect(await following.whole).toBe(
      'begun\n== 100 bytes left out ==\nlater\n== the task began its file anew ==\ncut\n== attempt 1, started again by AWS Batch ==\n== 3 bytes left out ==\nother host\nend\n',
    );
  });

  test('goes through all attempts, each to its end', async () => {
    const id = await post();
    const first = await run(id);
    ship(first, 'first');
    const following = await follow(id);
    await following.until('first');
    ship(first, 'first, lost');
    await endAttempt(id, { outcome: 'lost', batchAttempt: null });
    const second = await run(id, 2);
    ship(second, 'second\n');
    await following.until('second');
    await finish(id, second, 'second\nthird\n', { number: 2 });
    expect(await following.whole).toBe('first, lost\n== attempt 2 ==\nsecond\nthird\n');

    const late = await follow(id);
    expect(await late.whole, 'who begins later gets the latest attempt').toBe('second\nthird\n');
    expect(await (await follow(id, '&from=1.1.0.5')).whole, 'who goes on, all from there').toBe(
      ', lost\n== attempt 2 ==\nsecond\nthird\n',
    );
  });

  test('begins with as much of its end as is asked for', async () => {
    const id = await post();
    const key = await run(id);
    ship(key, 'abcdef');
    const following = await follow(id, '&tail_bytes=2');
    await following.until('ef');
    await finish(id, key, 'abcdefghi');
    expect(await following.whole).toBe('efghi');
    expect(await (await follow(id, '&tail_bytes=4')).whole).toBe('fghi');
  });

  test('of a task that was cancelled waits for the end of its job; of a cache hit it is empty', async () => {
    const id = await post();
    const key = await run(id);
    ship(key, 'working\n');
    const following = await follow(id);
    await following.until('working');
    await endTask(id, 'cancelled');
    ship(key, 'working\ncaught SIGTERM\n');
    await following.until('caught');
    await endAttempt(id, { outcome: 'cancelled', batchAttempt: null });
    expect(await following.whole).toBe('working\ncaught SIGTERM\n');

    const hit = await post();
    await endTask(hit);
    expect(await (await follow(hit)).whole).toBe('');
  });

  test('waits while S3 or the database is away', async () => {
    const id = await post();
    const key = await run(id);
    ship(key, 'one\n');
    const following = await follow(id);
    await following.until('one');
    world.logs.away = true;
    ship(key, 'one\ntwo\n');
    const asked = world.logs.opened.length;
    await expect.poll(() => world.logs.opened.length, { timeout: 15_000 }).toBeGreaterThan(asked);
    const query = vi
      .spyOn(world.database.pool, 'query')
      .mockRejectedValue(
        Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }),
      );
    await expect.poll(() => query.mock.calls.length, { timeout: 15_000 }).toBeGreaterThan(1);
    query.mockRestore();
    world.logs.away = false;
    await following.until('two');
    await finish(id, key, 'one\ntwo\nthree\n');
    expect(await following.whole).toBe('one\ntwo\nthree\n');
  });

  test('is read no faster than its reader reads', async () => {
    const [sizeBytes, chunkBytes] = [256 * 2 ** 20, 65_536];
    const id = await post();
    const key = await run(id);
    let given = 0;
    const chunk = Buffer.alloc(chunkBytes, 'x');
    world.logs.streamed.set(`submissions/${key}/logs/00007/1/0.stdout`, {
      sizeBytes,
      async *from() {
        for (; given < sizeBytes; given += chunkBytes) yield chunk;
      },
    });
    await endAttempt(id);
    await endTask(id);
    const { hostname, port } = new URL(world.url);
    const socket = connect({ host: hostname, port: Number(port) });
    socket.write(`GET /v1/tasks/${id}/logs?follow=true&tail_bytes=1 HTTP/1.1\r\nhost: x\r\n\r\n`);
    await once(socket, 'readable');
    socket.destroy();

    given = 0;
    const reading = connect({ host: hostname, port: Number(port) });
    reading.write(`GET /v1/tasks/${id}/logs?follow=true&from=1.1.0.0 HTTP/1.1\r\nhost: x\r\n\r\n`);
    let read = 0;
    for await (const part of reading) {
      read += (part as Buffer).length;
      // The kernel's own buffers hold some MiB on loopback.
      expect(given - read).toBeLessThan(32 * 2 ** 20);
      if (read > 64 * 2 ** 20) break;
    }
    expect(given).toBeLessThan(sizeBytes);
  });
});

describe('as NDJSON', () => {
  test('a reader that is cut off goes on from its position, and has every character once', async () => {
    const id = await post();
    const key = await run(id);
    const whole = Buffer.from('naïve — 😀 done\n');
    // Cut within the emoji.
    const cut = whole.indexOf(Buffer.from('😀')) + 2;
    ship(key, whole.subarray(0, cut));
    const following = await followLines(id);
    expect(following.response.headers.get('content-type')).toBe('application/x-ndjson');
    await following.until('— ');
    following.leave();
    const before = linesOf(following.text());
    ship(key, whole);
    const again = await followLines(id, `&from=${before.at(-1)?.position}`);
    await again.until('done');
    await finish(id, key, `${whole.toString()}end`);
    const lines = [...before, ...linesOf(await again.whole)];
    expect(lines.map(({ text }) => text ?? '').join('')).toBe(`${whole.toString()}end`);
    expect(lines.at(-1)).toEqual({
      attempt: 1,
      position: `1.1.0.${whole.length + 3}`,
      ended: true,
    });
  });

  test('tells of new beginnings and of what is left out', async () => {
    const id = await post();
    const first = await run(id);
    ship(first, Buffer.from([0x61, 0xe2, 0x82]));
    const following = await followLines(id);
    await following.until('a');
    ship(first, 'z', { offset: 10 });
    await following.until('z');
    await endAttempt(id, { outcome: 'lost', batchAttempt: null });
    const second = await run(id, 2);
    await finish(id, second, 'b', { number: 2 });
    expect(linesOf(await following.whole)).toEqual([
      { attempt: 1, position: '1.1.0.1', text: 'a' },
      { attempt: 1, position: '1.1.0.3', text: '\uFFFD' },
      { attempt: 1, position: '1.1.0.10', skipped_bytes: 7 },
      { attempt: 1, position: '1.1.0.11', text: 'z' },
      { attempt: 2, position: '2.0.0.0', began: 'attempt' },
      { attempt: 2, position: '2.1.0.1', text: 'b' },
      { attempt: 2, position: '2.1.0.1', ended: true },
    ]);
  });
});

describe('what is asked wrongly is refused, with its field', () => {
  test.each([
    ['follow=true&executor=2', 'executor'],
    ['from=1.1.0.0', 'from'],
    ['follow=true&from=yesterday', 'from'],
    ['follow=often', 'follow'],
    ['follow=true&tail_bytes=0', 'tail_bytes'],
    ['stream=stdin', 'stream'],
  ])('%s', async (query, field) => {
    expect(await logs(await post(2), query)).toMatchObject({
      status: 400,
      json: { problems: [expect.objectContaining({ field })] },
    });
  });

  test('a task that is not there, or another owner’s, is 404', async () => {
    expect((await logs('task-1-000000', 'follow=true')).status).toBe(404);
    const id = await post();
    await sql("UPDATE tasks SET owner = 'somebody' WHERE id = ?", [rowOf(id)]);
    expect((await logs(id, 'follow=true')).status).toBe(404);
  });
});

describe('a follow ends', () => {
  const MOST = 200;
  const underWay = async () =>
    /^batchwell_log_follows (\d+)$/m.exec((await world.call('GET', '/metrics')).text)?.[1];

  /** By connections of their own: fetch opens new ones for those that it gives up, and such a one, unused, holds up the server's close. */
  const open = (id: string) =>
    new Promise<IncomingMessage>(
      (resolve) =>
        void get(`${world.url}/v1/tasks/${id}/logs?follow=true`, { agent: false }, resolve),
    );

  const noneUnderWay = async (): Promise<void> => {
    await expect.poll(underWay, { timeout: 15_000 }).toBe('0');
  };

  test('when its reader goes away, and there is room for another', async () => {
    await noneUnderWay();
    const id = await post();
    const all = await Promise.all(Array.from({ length: MOST }, () => open(id)));
    expect(await underWay()).toBe(String(MOST));
    const refused = await logs(id, 'follow=true');
    expect([refused.status, refused.headers.get('retry-after'), refused.json.message]).toEqual([
      503,
      '30',
      expect.stringContaining(`already follows ${MOST} logs`),
    ]);
    for (const one of all) one.destroy();
    await noneUnderWay();
    (await open(id)).destroy();
    await noneUnderWay();
    const head = await world.call('HEAD', `/v1/tasks/${id}/logs?follow=true`);
    expect([head.status, head.text]).toEqual([200, '']);
    await noneUnderWay();
  }, 60_000);

  test('when its reader goes away: then S3 is asked no more', async () => {
    const signal = new AbortController();
    const id = await post();
    const key = await run(id);
    const pieces = followLog(
      {
        ...world,
        log: pino({ level: 'silent' }),
        logObjects: world.logs.objects,
        taskWaiter: createTaskWaiter({ ...world, log: pino({ level: 'silent' }) }),
      },
      rowOf(id),
      { stream: 'stdout', executor: 0, tailBytes: 9 },
      signal.signal,
    );
    expect((await pieces.next()).value).toEqual({ is: 'waiting' });
    const asked = world.logs.opened.filter((one) => one.includes(key)).length;
    const next = pieces.next();
    signal.abort();
    expect(await next).toEqual({ done: true, value: undefined });
    expect(world.logs.opened.filter((one) => one.includes(key))).toHaveLength(asked);
  });

  test('when the server stops, at once and as one that broke off', async () => {
    const own = await startApiWorld(SETTINGS);
    const id = await post(1, own);
    const key = await run(id, 1, own);
    ship(key, 'printed\n', { logs: own.logs });
    const following = await follow(id, '', { url: own.url });
    await following.until('printed');
    await own.close();
    await expect(following.whole).rejects.toThrow('terminated');
    expect(following.text()).toBe('printed\n');
  });
});
