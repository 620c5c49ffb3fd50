import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeResultKey } from '../../core/result/result-key.ts';
import { decodeStartKey, encodeStartKey, isStartKey } from '../../core/result/start-key.ts';

const SECRET = Buffer.alloc(32, 1);
const OTHERS = Buffer.alloc(32, 2);
const index = fc.integer({ min: 0, max: 9_999 });
const attempt = fc.integer({ min: 1, max: 10 });

test('the key of a start names when, which and which try, is no record, and counts with its own proof only', () => {
  fc.assert(
    fc.property(index, attempt, fc.integer({ min: 0, max: 4e12 }), (index, attempt, startedMs) => {
      const tail = encodeStartKey({ secret: SECRET, index, attempt }, startedMs);
      expect(isStartKey(tail)).toBe(true);
      expect(decodeStartKey(SECRET, tail)).toEqual({ index, attempt, startedMs });
      expect(decodeResultKey(SECRET, tail)).toBeUndefined();
      expect(decodeStartKey(OTHERS, tail)).toBeUndefined();
      const moved = encodeStartKey({ secret: SECRET, index, attempt }, startedMs + 1);
      const [proof = ''] = tail.split('.').slice(-1);
      expect(
        decodeStartKey(SECRET, moved.slice(0, moved.lastIndexOf('.') + 1) + proof),
      ).toBeUndefined();
    }),
  );
  for (const junk of ['', '.start.', '0000000000002.00001.1.start.', 'x.00001.1.start.abc'])
    expect(decodeStartKey(SECRET, junk)).toBeUndefined();
});
