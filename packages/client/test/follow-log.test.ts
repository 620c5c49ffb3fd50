import { describe, expect, test } from 'vitest';
import type { LogLine } from '../client.ts';
import { brokenConnection, busy, json, playClient, type Played } from './played-service.ts';

const ID = 'task-1-aaaaaa';
const said = (text: string, bytes: number): LogLine => ({
  attempt: 1,
  position: `1.1.0.${bytes}`,
  text,
});
const ended: LogLine = { attempt: 1, position: '1.1.0.9', ended: true };

/** A reply whose chunks come as they are read; it then ends, breaks or stays open. */
function reply(
  chunks: readonly string[],
  then: 'ends' | 'breaks' | 'lasts' = 'ends',
  onPull: () => void = () => undefined,
): Response {
  const left = [...chunks];
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(stream) {
        onPull();
        const next = left.shift();
        if (next !== undefined) return stream.enqueue(new TextEncoder().encode(next));
        if (then === 'ends') stream.close();
        else if (then === 'breaks') stream.error(brokenConnection());
        else await new Promise(() => undefined);
      },
    },
    { highWaterMark: 0 },
  );
  return new Response(body, { headers: { 'content-type': 'application/x-ndjson' } });
}
const lines = (...all: LogLine[]): string => all.map((one) => `${JSON.stringify(one)}\n`).join('');

async function follow(
  plays: (() => Played)[],
  options: Parameters<typeof playClient>[1] = {},
  wish = {},
) {
  const played = playClient(
    (_, position) => (plays[position] ?? (() => brokenConnection()))(),
    options,
  );
  const texts: string[] = [];
  const failure = await (async () => {
    for await (const { text = '' } of played.client.followLog(ID, wish)) texts.push(text);
  })().catch((error: unknown) => error);
  return { ...played, text: texts.join(''), failure, paths: played.heard.map(({ path }) => path) };
}

describe('followLog', () => {
  test('followLog requests lines and ends with the task', async () => {
    const whole = lines(said('one\n', 4), said('dös', 8), ended);
    const cut = Buffer.byteLength(lines(said('one\n', 4))) + 30;
    const { text, paths, heard, failure } = await follow(
      [() => reply([whole.slice(0, 3), whole.slice(3, cut), '', whole.slice(cut), 'never read'])],
      {},
      { stream: 'stderr', executor: 2, tailBytes: 100 },
    );
    expect([text, failure]).toEqual(['one\ndös', undefined]);
    expect(paths).toEqual([
      `/v1/tasks/${ID}/logs?stream=stderr&executor=2&follow=true&tail_bytes=100`,
    ]);
    expect(heard[0]?.headers.get('accept')).toBe('application/x-ndjson');
  });

  test.each<[string, () => Played]>([
    ['breaks', () => reply([lines(said('one', 3)), '{"attempt": 1, "te'], 'breaks')],
    ['ends without its last line', () => reply([lines(said('one', 3))])],
  ])('a followed log whose connection %s continues from its position', async (_, first) => {
    const { text, paths, failure } = await follow(
      [first, brokenConnection, () => busy('7'), () => reply([lines(said('two', 6), ended)])],
      {},
      { tailBytes: 5 },
    );
    expect([text, failure]).toEqual(['onetwo', undefined]);
    expect(paths[0]).toContain('tail_bytes=5');
    expect(new Set(paths.slice(1))).toEqual(
      new Set([`/v1/tasks/${ID}/logs?follow=true&from=1.1.0.3`]),
    );
  });

  test('followLog fails after `tries` connections in a row without output; output resets the count', async () => {
    const silent = () => reply(['\n'], 'breaks');
    const { failure, heard } = await follow(
      [
        silent,
        silent,
        silent,
        silent,
        () => reply([lines(said('x', 1))], 'breaks'),
        brokenConnection,
        brokenConnection,
        brokenConnection,
      ],
      { retry: { tries: 3 } },
    );
    expect(failure).toMatchObject({
      name: 'BatchwellError',
      status: undefined,
      message:
        'Batchwell cannot be reached at http://batchwell.test (3 attempts): read ECONNRESET.',
    });
    expect(heard).toHaveLength(8);
  });

  test('followLog fails at once if it is refused or if the server is not Batchwell', async () => {
    expect(
      (await follow([() => json({ status_code: 404, message: 'There is no task.' }, 404)])).failure,
    ).toMatchObject({ status: 404, message: 'There is no task.' });
    const stranger = await follow([() => reply(['<html>\n'])]);
    expect(stranger.failure).toMatchObject({
      name: 'BatchwellError',
      message: expect.stringContaining('is not Batchwell'),
    });
    expect(stranger.heard).toHaveLength(1);
  });

  test('followLog continues from a position that another process stored', async () => {
    const { paths } = await follow(
      [() => reply([lines(ended)])],
      {},
      { from: '2.1.0.77', tailBytes: 5 },
    );
    expect(paths).toEqual([`/v1/tasks/${ID}/logs?follow=true&from=2.1.0.77`]);
  });

  test('followLog reads no faster than its lines are used, and disconnects when its loop ends', async () => {
    let pulls = 0;
    const { client, heard } = playClient(() =>
      reply(
        Array.from({ length: 9 }, (_, n) => lines(said('x', n + 1))),
        'lasts',
        () => (pulls += 1),
      ),
    );
    const reading = client.followLog(ID);
    await reading.next();
    await reading.next();
    expect(pulls).toBe(2);
    await reading.return();
    expect(heard[0]?.signal.aborted).toBe(true);
  });

  test('followLog rejects with the reason of its signal', async () => {
    const leaving = new AbortController();
    // As fetch does it: the body of an aborted request fails.
    const { client } = playClient(({ signal }) => {
      const body = new ReadableStream<Uint8Array>({
        start: (stream) => {
          stream.enqueue(new TextEncoder().encode(lines(said('x', 1))));
          signal.addEventListener('abort', () => stream.error(signal.reason));
        },
      });
      return new Response(body);
    });
    const reading = client.followLog(ID, { signal: leaving.signal });
    expect((await reading.next()).value).toEqual(said('x', 1));
    const next = reading.next();
    leaving.abort(new Error('shutting down'));
    await expect(next).rejects.toThrow('shutting down');
  });
});
