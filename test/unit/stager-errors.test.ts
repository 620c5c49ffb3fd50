import { describe, expect, test } from 'vitest';
import { FinalError, isFinal, NoRoomError, persist, reasonOf, TRIES } from '../../stager/s3.ts';

const s3Error = (name: string, status: number, message = '') =>
  Object.assign(new Error(message), { name, $metadata: { httpStatusCode: status } });
const systemError = (code: string, message: string) => Object.assign(new Error(message), { code });

async function triesUntilGivenUp(error: Error): Promise<number> {
  let tries = 0;
  const work = () => {
    tries += 1;
    return Promise.reject(error);
  };
  await expect(persist(work, 1)).rejects.toBe(error);
  return tries;
}

describe('retries of the stager', () => {
  test.each([
    [s3Error('SlowDown', 503), false],
    [s3Error('InternalError', 500), false],
    [s3Error('RequestTimeout', 408), false],
    [s3Error('TooManyRequests', 429), false],
    [systemError('ECONNRESET', 'read ECONNRESET'), false],
    [new Error('received 3 bytes instead of 4'), false],
    [s3Error('NoSuchKey', 404), true],
    [s3Error('AccessDenied', 403), true],
    [systemError('ENOSPC', 'ENOSPC: no space left on device, write'), false],
    [systemError('EDQUOT', 'EDQUOT: disk quota exceeded, write'), false],
    [systemError('EROFS', 'EROFS: read-only file system, open'), true],
    [new NoRoomError('no space left on device'), false],
    [new FinalError('no'), true],
  ])('a retry after %s is useless: %s', (error, useless) => {
    expect(isFinal(error)).toBe(useless);
  });

  test('a retry is made up to the limit, and never if it is useless', async () => {
    expect(await triesUntilGivenUp(s3Error('SlowDown', 503))).toBe(TRIES);
    expect(await triesUntilGivenUp(s3Error('NoSuchKey', 404))).toBe(1);
    // It has waited already.
    expect(await triesUntilGivenUp(new NoRoomError('no space left on device'))).toBe(1);
  });
});

test.each([
  [
    s3Error('NoSuchKey', 404, 'The specified key does not exist.'),
    'NoSuchKey: The specified key does not exist.',
  ],
  [s3Error('NotFound', 404), 'NotFound: HTTP 404'],
  [
    systemError('ENOSPC', 'ENOSPC: no space left on device, write'),
    'ENOSPC: no space left on device, write',
  ],
  [
    new AggregateError([
      systemError('ECONNREFUSED', 'connect ECONNREFUSED 127.0.0.1:1'),
      systemError('ENETUNREACH', 'connect ENETUNREACH ::1'),
    ]),
    'ECONNREFUSED: connect ECONNREFUSED 127.0.0.1:1',
  ],
  [new FinalError('two\nlines'), 'two lines'],
  [new FinalError('GET https://h/x?X-Amz-Signature=secret&y=1 failed'), 'GET https://h/x?… failed'],
])('the error %s is shown with its reason and without secrets', (error, reason) => {
  expect(reasonOf(error)).toBe(reason);
});
