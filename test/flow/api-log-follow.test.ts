/** A followed log, as text and as NDJSON: over HTTP, with a real database and a simulated S3. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { isLong } from '../long.ts';
import { startApiWorld } from '../api-world.ts';
import {
  endAttemptIn,
  endTaskIn,
  finishIn,
  followIn,
  linesOf,
  LOG_SETTINGS,
  postIn,
  runIn,
  shipIn,
} from '../log-world.ts';
import { prefixOf } from '../tes-world.ts';

const world = await startApiWorld(LOG_SETTINGS);
afterAll(() => world.close());
const post = postIn(world);
const run = runIn(world);
const endAttempt = endAttemptIn(world);
const endTask = endTaskIn(world);
const finish = finishIn(world);
const ship = shipIn(world);
const follow = followIn(world);

describe('a followed log', () => {
  test('a followed log starts before any output, grows, and ends with the rest of the whole log', async () => {
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

  test('a followed log reports how many bytes are left out, and when the output starts over', async () => {
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
      'begun\n== 100 bytes left out ==\nlater\n== the task truncated this file ==\ncut\n== attempt 1, restarted by AWS Batch ==\n== 3 bytes left out ==\nother host\nend\n',
    );
  });

  test('a followed log covers all attempts, each to its end', async () => {
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

  test('a followed log starts with the requested number of bytes from its end', async () => {
    const id = await post();
    const key = await run(id);
    ship(key, 'abcdef');
    const following = await follow(id, '&tail_bytes=2');
    await following.until('ef');
    await finish(id, key, 'abcdefghi');
    expect(await following.whole).toBe('efghi');
    expect(await (await follow(id, '&tail_bytes=4')).whole).toBe('fghi');
  });

  test('the followed log of a cancelled task ends with its job, and that of a cache hit is empty', async () => {
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

  test.runIf(isLong)('a followed log waits while S3 or the database is unavailable', async () => {
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

  test('a followed log is read no faster than its reader reads', async () => {
    const [sizeBytes, chunkBytes] = [256 * 2 ** 20, 65_536];
    const id = await post();
    const key = await run(id);
    let given = 0;
    const chunk = Buffer.alloc(chunkBytes, 'x');
    world.logs.streamed.set(`${prefixOf(key)}logs/00007/1/0.stdout`, {
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

const NDJSON = { accept: 'application/x-ndjson' };

describe('a followed log as NDJSON', () => {
  test('a reader that was disconnected resumes from its position, and gets every character once', async () => {
    const id = await post();
    const key = await run(id);
    const whole = Buffer.from('naïve — 😀 done\n');
    // Cut within the emoji.
    const cut = whole.indexOf(Buffer.from('😀')) + 2;
    ship(key, whole.subarray(0, cut));
    const following = await follow(id, '', NDJSON);
    expect(following.response.headers.get('content-type')).toBe('application/x-ndjson');
    await following.until('— ');
    following.leave();
    const before = linesOf(following.text());
    ship(key, whole);
    const again = await follow(id, `&from=${before.at(-1)?.position}`, NDJSON);
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

  test('NDJSON lines report restarts of the output and bytes left out', async () => {
    const id = await post();
    const first = await run(id);
    ship(first, Buffer.from([0x61, 0xe2, 0x82]));
    const following = await follow(id, '', NDJSON);
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
