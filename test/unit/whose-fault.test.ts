import { describe, expect, test } from 'vitest';
import {
  afterFailed,
  afterHandled,
  healthy,
  mayFail,
  MOST_IN_A_ROW,
} from '../../core/isolation/health.ts';
import { concernsAll, describeError } from '../../core/isolation/whose-fault.ts';
import { inHalves } from '../../workers/isolation/in-halves.ts';

const like = (facts: Record<string, unknown>, message = 'it failed'): Error =>
  Object.assign(new Error(message), facts);
const aws = (status: number, name: string): Error =>
  like({ name, $fault: 'client', $metadata: { httpStatusCode: status } });

describe('an error that concerns every task', () => {
  test.each([
    ['a refused connection', like({ code: 'ECONNREFUSED', syscall: 'connect' })],
    ['a reset connection', like({ code: 'ECONNRESET' })],
    ['a name that does not resolve', like({ code: 'EAI_AGAIN', syscall: 'getaddrinfo' })],
    ['too many open files', like({ code: 'EMFILE', syscall: 'open' })],
    ['a lost connection to MySQL', like({ code: 'PROTOCOL_CONNECTION_LOST' })],
    [
      'a demoted writer',
      like({ code: 'ER_OPTION_PREVENTS_STATEMENT', sqlState: 'HY000', errno: 1290 }),
    ],
    ['rotated credentials', like({ code: 'ER_ACCESS_DENIED_ERROR', sqlState: '28000' })],
    ['a deadlock', like({ code: 'ER_LOCK_DEADLOCK', sqlState: '40001' })],
    ['a column of a newer version', like({ code: 'ER_BAD_FIELD_ERROR', sqlState: '42S22' })],
    ['a missing table', like({ code: 'ER_NO_SUCH_TABLE', sqlState: '42S02' })],
    ['a full disk of the database', like({ code: 'ER_RECORD_FILE_FULL', sqlState: 'HY000' })],
    ['a killed statement', like({ code: 'ER_QUERY_INTERRUPTED', sqlState: '70100' })],
    ['a pool that is closed', new Error('Pool is closed.')],
    ['Redis that is away', like({ name: 'MaxRetriesPerRequestError' })],
    ['a closed connection to Redis', new Error('Connection is closed.')],
    [
      'a Redis replica',
      like({ name: 'ReplyError' }, "READONLY You can't write against a read only replica."),
    ],
    ['a Redis that is full', like({ name: 'ReplyError' }, 'OOM command not allowed')],
    ['an error 500 of S3', aws(500, 'InternalError')],
    ['throttling', aws(503, 'SlowDown')],
    ['throttling by 400', aws(400, 'ThrottlingException')],
    ['an expired token', aws(400, 'ExpiredToken')],
    ['a denied role', aws(403, 'AccessDenied')],
    ['a wrong signature', aws(403, 'SignatureDoesNotMatch')],
    ['a bucket that is gone', aws(404, 'NoSuchBucket')],
    ['a request without an answer', aws(0, 'NetworkingError')],
    ['no credentials', like({ name: 'CredentialsProviderError' })],
    ['a timeout', like({ name: 'TimeoutError' })],
    ['an abort', like({ name: 'AbortError' })],
    [
      'an error that S3 caused',
      new Error('S3 could not read s3://b/k', { cause: aws(503, 'SlowDown') }),
    ],
    ['memory that ran out', new RangeError('Array buffer allocation failed')],
  ])('%s fails no task', (_, error) => {
    expect(concernsAll(error)).toBe(true);
  });
});

describe('an error that may be of one task', () => {
  test.each([
    ['a defect', new TypeError("Cannot read properties of undefined (reading 'url')")],
    ['a row that is not JSON', new SyntaxError('Unexpected end of JSON input')],
    ['a value that is missing', new RangeError('Template slot 3 has no value')],
    ['too many arguments', new RangeError('Maximum call stack size exceeded')],
    ['a lone surrogate', new URIError('URI malformed')],
    ['a value that is too long', like({ code: 'ER_DATA_TOO_LONG', sqlState: '22001' })],
    ['a number that is too large', like({ code: 'ER_WARN_DATA_OUT_OF_RANGE', sqlState: '22003' })],
    ['text that is no JSON', like({ code: 'ER_INVALID_JSON_TEXT', sqlState: '22032' })],
    [
      'text of another character set',
      like({ code: 'ER_TRUNCATED_WRONG_VALUE_FOR_FIELD', sqlState: 'HY000' }),
    ],
    ['a row larger than a packet', like({ code: 'ER_NET_PACKET_TOO_LARGE', sqlState: '08S01' })],
    [
      'a key that is too long',
      new Error('S3 could not write', { cause: aws(400, 'KeyTooLongError') }),
    ],
    ['an object that is gone', aws(404, 'NoSuchKey')],
    ['text that was thrown', 'poison'],
    ['nothing that was thrown', undefined],
  ])('%s may fail it', (_, error) => {
    expect(concernsAll(error)).toBe(false);
  });

  test('an operator reads the error without its statement, its length or its control characters', () => {
    const error = like({ sql: 'INSERT secret' }, `bad\0 \uD800${'x'.repeat(2000)}`);
    const said = describeError(error);
    expect(said).not.toContain('secret');
    expect(said.isWellFormed()).toBe(true);
    expect(said).not.toContain('\0');
    expect(said.length).toBeLessThan(600);
  });
});

test('a stage that fails 20 tasks and handles none fails no more, until it handles one', () => {
  let health = healthy;
  for (let failed = 0; failed < MOST_IN_A_ROW; failed += 1) {
    expect(mayFail(health)).toBe(true);
    health = afterFailed(health);
  }
  expect(mayFail(health)).toBe(false);
  expect(mayFail(afterHandled())).toBe(true);
});

describe('work in halves', () => {
  const items = Array.from({ length: 500 }, (_, at) => at);
  const failing = (bad: readonly number[], error: unknown = new TypeError('poison')) => {
    let calls = 0;
    const done: number[] = [];
    return {
      done,
      calls: () => calls,
      async work(some: readonly number[]) {
        calls += 1;
        if (some.some((one) => bad.includes(one))) throw error;
        done.push(...some);
        return some.length;
      },
    };
  };

  test('one bad item of 500 is found in fewer than 20 calls, and the others are done', async () => {
    const played = failing([321]);
    const { bad } = await inHalves(items, played.work);
    expect(bad.map(({ item }) => item)).toEqual([321]);
    expect(played.done).toEqual(items.filter((one) => one !== 321));
    expect(played.calls()).toBeLessThan(20);
  });

  test('several bad items are all found', async () => {
    const played = failing([0, 1, 250, 499]);
    const { bad } = await inHalves(items, played.work);
    expect(bad.map(({ item }) => item)).toEqual([0, 1, 250, 499]);
    expect(played.done).toHaveLength(496);
  });

  test('an error that concerns all splits nothing', async () => {
    const played = failing([321], like({ code: 'ECONNREFUSED' }));
    await expect(inHalves(items, played.work)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    expect(played.calls()).toBe(1);
  });

  test('no items are no work', async () => {
    const played = failing([]);
    expect(await inHalves([], played.work)).toEqual({ results: [], bad: [] });
    expect(played.calls()).toBe(0);
  });
});
