import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  beginningOf,
  formatPosition,
  nextPart,
  parsePosition,
  POSITION_PATTERN,
  readWindow,
  seeStream,
  unfinishedBytes,
  windowMetadata,
  windowOffset,
  WINDOW_BYTES,
  type HeldLog,
  type LogPosition,
  type SeenStream,
} from '../../core/container/live-log.ts';

describe('a stream is shipped', () => {
  const shipped = (sizeBytes: number, ino = 1, cuts = 0): SeenStream => ({
    ino,
    sizeBytes,
    cuts,
    shipped: true,
  });

  test('a stream is shipped if it has content that S3 does not have', () => {
    expect(seeStream(undefined, { ino: 1, sizeBytes: 0 })).toEqual(shipped(0));
    expect(seeStream(shipped(0), { ino: 1, sizeBytes: 5 })).toEqual({
      ...shipped(5),
      shipped: false,
    });
    expect(seeStream(shipped(5), { ino: 1, sizeBytes: 5 })).toEqual(shipped(5));
    expect(
      seeStream({ ...shipped(5), shipped: false }, { ino: 1, sizeBytes: 5 }),
      'the upload failed',
    ).toEqual({ ...shipped(5), shipped: false });
  });

  test('a stream is shipped again after its file was truncated or replaced', () => {
    expect(seeStream(shipped(5), { ino: 1, sizeBytes: 3 })).toEqual({
      ino: 1,
      sizeBytes: 3,
      cuts: 1,
      shipped: false,
    });
    expect(seeStream(shipped(5), { ino: 2, sizeBytes: 9 })).toEqual({
      ino: 2,
      sizeBytes: 9,
      cuts: 1,
      shipped: false,
    });
    const emptied = seeStream(shipped(5), { ino: 1, sizeBytes: 0 });
    expect(emptied, 'nothing to ship, but it is remembered').toEqual(shipped(0, 1, 1));
    expect(seeStream(emptied, { ino: 1, sizeBytes: 7 })).toEqual({
      ino: 1,
      sizeBytes: 7,
      cuts: 1,
      shipped: false,
    });
  });
});

test('the metadata of a window describes its bytes, and other metadata is not read as a window', () => {
  const sizeBytes = WINDOW_BYTES + 100;
  expect(windowOffset(5)).toBe(0);
  expect(
    readWindow(
      windowMetadata({ batchAttempt: 2, cuts: 1, offset: windowOffset(sizeBytes) }),
      WINDOW_BYTES,
    ),
  ).toEqual({ batchAttempt: 2, cuts: 1, firstByte: 100, endByte: sizeBytes });
  expect(readWindow({}, 5)).toBeUndefined();
  expect(readWindow({ 'batch-attempt': '0', cuts: '0', offset: '0' }, 5)).toBeUndefined();
  expect(readWindow({ 'batch-attempt': '1', cuts: '0', offset: '-1' }, 5)).toBeUndefined();
});

describe('what comes next for a reader', () => {
  const at = (bytes: number, batchAttempt = 1, cuts = 0): LogPosition => ({
    attempt: 4,
    batchAttempt,
    cuts,
    bytes,
  });
  const window = (firstByte: number, endByte: number, batchAttempt = 1, cuts = 0): HeldLog => ({
    batchAttempt,
    cuts,
    firstByte,
    endByte,
  });
  const whole = (endByte: number, batchAttempt = 1): HeldLog => ({
    batchAttempt,
    firstByte: 0,
    endByte,
  });

  test.each<[string, LogPosition, HeldLog, ReturnType<typeof nextPart>]>([
    ['all of the first window', beginningOf(4), window(0, 7), { at: at(0), skippedBytes: 0 }],
    ['only what was added', at(7), window(0, 9), { at: at(7), skippedBytes: 0 }],
    ['nothing, when nothing was', at(9), window(2, 9), undefined],
    ['what is left, with what was missed', at(9), window(20, 30), { at: at(20), skippedBytes: 11 }],
    [
      'the available rest of a stream that was never seen',
      beginningOf(4),
      window(20, 30),
      { at: at(20), skippedBytes: 20 },
    ],
    [
      'the file from its start, once it was truncated',
      at(9),
      window(0, 3, 1, 1),
      { at: at(0, 1, 1), began: 'file', skippedBytes: 0 },
    ],
    [
      'the job from its start, once Batch has restarted it',
      at(9, 1, 5),
      window(4, 30, 2),
      { at: at(4, 2), began: 'batch-attempt', skippedBytes: 4 },
    ],
    ['nothing of an earlier job', at(9, 2), window(0, 100, 1), undefined],
    ['nothing of an earlier file', at(9, 1, 2), window(0, 100, 1, 1), undefined],
    ['the rest of the whole log', at(9, 1, 2), whole(12), { at: at(9, 1, 2), skippedBytes: 0 }],
    ['nothing, when all of it was read', at(12), whole(12), undefined],
    [
      'a whole log from its start, if it is shorter than what was read',
      at(12, 1, 2),
      whole(5),
      { at: at(0, 1, 3), began: 'file', skippedBytes: 0 },
    ],
    [
      'the whole log of a later job',
      at(12, 1, 2),
      whole(5, 2),
      { at: at(0, 2), began: 'batch-attempt', skippedBytes: 0 },
    ],
  ])('the next part for a reader is %s', (_, position, held, next) => {
    expect(nextPart(position, held)).toEqual(next);
  });

  test('the first part is at most the requested tail, and nothing before it counts as missed', () => {
    expect(nextPart(beginningOf(4), window(20, 30), 4)).toEqual({ at: at(26), skippedBytes: 0 });
    expect(nextPart(beginningOf(4), window(20, 30), 400)).toEqual({ at: at(20), skippedBytes: 0 });
    expect(nextPart(beginningOf(4), whole(30), 4)).toEqual({ at: at(26), skippedBytes: 0 });
  });

  test('a reader gets every byte once and in order, and missed bytes are counted, wherever windows begin', () => {
    const look = fc.record({
      grownBytes: fc.nat(300),
      windowBytes: fc.integer({ min: 1, max: 100 }),
    });
    fc.assert(
      fc.property(fc.array(look, { maxLength: 30 }), fc.nat(300), (looks, lastBytes) => {
        let [size, position, read, skipped] = [0, beginningOf(1), 0, 0];
        const take = (held: HeldLog): void => {
          const next = nextPart(position, held);
          if (!next) return;
          expect(next.at.bytes).toBeGreaterThanOrEqual(position.bytes);
          skipped += next.skippedBytes;
          read += held.endByte - next.at.bytes;
          position = { ...next.at, bytes: held.endByte };
        };
        for (const { grownBytes, windowBytes } of looks) {
          size += grownBytes;
          if (size > 0) take(window(Math.max(0, size - windowBytes), size));
        }
        size += lastBytes;
        take(whole(size));
        expect(read + skipped).toBe(size);
        const isSlow = looks.every(({ grownBytes, windowBytes }) => grownBytes <= windowBytes);
        expect(isSlow ? skipped : 0).toBe(0);
      }),
    );
  });
});

test('a position survives as a string', () => {
  const position = { attempt: 3, batchAttempt: 2, cuts: 1, bytes: 5_000_000_000 };
  expect(formatPosition(position)).toMatch(new RegExp(POSITION_PATTERN));
  expect(parsePosition(formatPosition(position))).toEqual(position);
});

test('the bytes of an incomplete character at the end are counted', () => {
  const text = Buffer.from('aé€😀');
  expect(
    Array.from({ length: text.length + 1 }, (_, end) => unfinishedBytes(text.subarray(0, end))),
  ).toEqual([0, 0, 1, 0, 1, 2, 0, 1, 2, 3, 0]);
  expect(unfinishedBytes(Buffer.from([0x80, 0x80, 0x80, 0x80])), 'no text at all').toBe(0);
});
