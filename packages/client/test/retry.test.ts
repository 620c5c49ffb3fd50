import { describe, expect, test } from 'vitest';
import { BatchwellError } from '../client.ts';
import { decideNext, defaultPolicy } from '../retry.ts';
import { brokenConnection, busy, json, playClient, task, type Played } from './played-service.ts';

const errorOf = async (call: Promise<unknown>): Promise<BatchwellError> => {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof BatchwellError) return error;
  throw new Error(`expected a BatchwellError, got ${String(error)}`);
};

describe('retries', () => {
  test.each<[string, () => Played]>([
    ['a broken connection', brokenConnection],
    ['429', () => busy(undefined, 429)],
    ['502 of a proxy', () => new Response('<html>bad gateway</html>', { status: 502 })],
    ['503', () => busy()],
    ['504', () => new Response('', { status: 504 })],
    [
      'an answer that breaks off',
      () =>
        new Response(new ReadableStream({ pull: (stream) => stream.error(brokenConnection()) })),
    ],
  ])('a retry has the same Idempotency-Key and body: %s', async (_, fail) => {
    const { client, heard } = playClient((_one, position) =>
      position < 2 ? fail() : json({ id: 'task-1-aaaaaa' }),
    );
    expect(await client.submit(task)).toEqual({ id: 'task-1-aaaaaa' });
    expect(heard).toHaveLength(3);
    expect(
      new Set(heard.map(({ headers, body }) => `${headers.get('idempotency-key')} ${body}`)).size,
    ).toBe(1);
    expect(heard[0]?.headers.get('idempotency-key')).toMatch(/^[0-9a-f]{8}-[0-9a-f-]{27}$/);
  });

  test.each([400, 401, 404, 409, 413, 500])(
    'a call that is answered with %i is not retried',
    async (status) => {
      const { client, heard, pauses } = playClient(() =>
        json({ status_code: status, message: 'No.' }, status),
      );
      expect(await errorOf(client.submit(task))).toMatchObject({ status });
      expect([heard.length, pauses]).toEqual([1, []]);
    },
  );

  test('a call fails after its last attempt, with the number of attempts and the reason', async () => {
    const { client, heard } = playClient(brokenConnection, { retry: { tries: 3 } });
    const error = await errorOf(client.get('task-1-aaaaaa'));
    expect(error.message).toBe(
      'Batchwell cannot be reached at http://batchwell.test (3 attempts): read ECONNRESET.',
    );
    expect([error.status, (error.cause as Error).message, heard.length]).toEqual([
      undefined,
      'fetch failed',
      3,
    ]);
  });

  test('an aborted call is not retried', async () => {
    const caller = new AbortController();
    const { client, heard } = playClient(() => {
      caller.abort(new Error('changed my mind'));
      return brokenConnection();
    });
    await expect(client.submit(task, { signal: caller.signal })).rejects.toThrow('changed my mind');
    expect(heard).toHaveLength(1);
  });

  test('a stream is not retried, because it can be read only once', async () => {
    const { client, heard } = playClient(() => busy());
    const lines = new Blob([`${JSON.stringify(task)}\n`]);
    expect(await errorOf(client.submitLines(lines.stream()))).toMatchObject({ status: 503 });
    expect(heard).toHaveLength(1);
    await errorOf(client.submitLines(lines));
    expect(heard).toHaveLength(1 + defaultPolicy.tries);
  });
});

describe('pauses', () => {
  const decide = (ending: Parameters<typeof decideNext>[0], tried: number, random = 0.5) =>
    decideNext(ending, tried, {
      policy: { tries: 20, baseMs: 100, longestMs: 1000 },
      random: () => random,
      nowMs: Date.parse('2026-01-01T00:00:00Z'),
    });

  test('pauses double up to a limit, and are random between zero and that', () => {
    expect([1, 2, 3, 4, 5, 19].map((tried) => decide(undefined, tried).pauseMs)).toEqual([
      50, 100, 200, 400, 500, 500,
    ]);
    expect([decide(undefined, 3, 0).pauseMs, decide(undefined, 3, 0.999).pauseMs]).toEqual([
      0, 399.6,
    ]);
  });

  test.each([
    ['7', 7050],
    ['Thu, 01 Jan 2026 00:00:03 GMT', 3050],
    ['Wed, 31 Dec 2025 23:00:00 GMT', 50],
    ['soon', 50],
  ])('a pause is no shorter than Retry-After: %s', (retryAfter, pauseMs) => {
    expect(decide({ status: 503, retryAfter }, 1)).toEqual({
      again: true,
      pauseMs,
      together: true,
    });
  });

  test('a Retry-After of an hour makes the call fail at once', () => {
    expect(decide({ status: 503, retryAfter: '3600' }, 1)).toEqual({
      again: false,
      pauseMs: 10_050,
      together: true,
    });
  });

  test('a pause follows every attempt but the last', async () => {
    const { client, pauses } = playClient(brokenConnection, { retry: { tries: 4, baseMs: 100 } });
    await errorOf(client.get('task-1-aaaaaa'));
    expect(pauses).toEqual([50, 100, 200]);
  });
});

describe('errors', () => {
  test('an error holds every problem, with its row and field', async () => {
    const problems = [{ row: 3, field: 'sample', expected: 'a value' }];
    const { client } = playClient(() =>
      json(
        {
          status_code: 400,
          message: 'row 3: sample: expected a value',
          problems,
          more_problems: 41,
        },
        400,
      ),
    );
    expect(await errorOf(client.submitScatter({ template: task, rows: [{ n: 1 }] }))).toMatchObject(
      { status: 400, message: 'row 3: sample: expected a value', problems, moreProblems: 41 },
    );
  });

  test.each([301, 302, 307, 308])(
    'a %i is not followed, and the error names its target',
    async (status) => {
      const { client, heard } = playClient(
        () =>
          new Response(null, { status, headers: { location: 'https://batchwell.test/t/s3cret' } }),
        { token: 's3cret' },
      );
      expect(await errorOf(client.submit(task))).toMatchObject({
        status,
        message:
          'The server at http://batchwell.test redirects requests to https://batchwell.test/t/…, ' +
          'and redirects are not followed. Open the client with the URL of Batchwell itself.',
      });
      expect(heard.map(({ redirect }) => redirect)).toEqual(['manual']);
    },
  );

  test('an error says that the server is not Batchwell', async () => {
    const { client } = playClient(() => new Response('<html>a router</html>'));
    expect((await errorOf(client.get('task-1-aaaaaa'))).message).toBe(
      'The server at http://batchwell.test is not Batchwell: its reply is not valid JSON ("<html>a router</html>").',
    );
  });

  test.each<[string, () => Played]>([
    [
      'a refusal that repeats it',
      () => json({ status_code: 401, message: 'Bearer s3cret is not known.' }, 401),
    ],
    ['a proxy that repeats it', () => new Response('you sent s3cret')],
    ['a failure that repeats it', () => new TypeError('bad header: Bearer s3cret')],
  ])('an error never contains the token: %s', async (_, play) => {
    const { client } = playClient(play, { token: 's3cret', retry: { tries: 1 } });
    const error = await errorOf(client.get('task-1-aaaaaa'));
    expect(error.message).not.toContain('s3cret');
  });

  test.each([
    [{ url: 'here' }, 'url'],
    [{ url: 'ftp://batchwell.test' }, 'url'],
    [{ url: 'http://ann:s3cret@batchwell.test' }, 'url'],
    [{ url: 'http://batchwell.test/t/s3cret' }, 'url'],
    [{ url: 'http://batchwell.test', token: 's3cret\n' }, 'token'],
    [{ url: 'http://batchwell.test', maxInFlight: 0 }, 'maxInFlight'],
  ])('openClient throws at once for options that are not valid: %j', (options, field) => {
    const open = () => playClient(() => json({}), options);
    expect(open).toThrow(new RegExp(`^${field}: `));
    expect(open).not.toThrow(/s3cret/);
  });

  test('submit rejects at once for a key that cannot be sent', async () => {
    const { client, heard } = playClient(() => json({}));
    await expect(client.submit(task, { idempotencyKey: 'two words' })).rejects.toThrow(
      /^idempotencyKey: /,
    );
    expect(heard).toEqual([]);
  });
});

test('a path in the URL is kept as a prefix, and an id cannot change the path', async () => {
  const { client, heard } = playClient(() => json({ id: 'x', state: 'QUEUED' }), {
    url: 'http://batchwell.test/batchwell/',
    token: 's3cret',
  });
  await client.get('../../healthz?', { view: 'BASIC' });
  expect(heard[0]?.path).toBe('/batchwell/ga4gh/tes/v1/tasks/..%2F..%2Fhealthz%3F?view=BASIC');
  expect(heard[0]?.headers.get('authorization')).toBe('Bearer s3cret');
});
