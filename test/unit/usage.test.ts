import { expect, test } from 'vitest';
import { formatGib } from '../../cli/output/table.ts';
import { usedBy, usedByAll } from '../../core/result/usage.ts';

const ran = (usage?: object) => ({
  exitCode: 0,
  startedMs: 1000,
  endedMs: 3500,
  ...(usage && { usage: { peakMemoryBytes: 0, cpuMs: 0, ...usage } }),
});

test('executors that ran one after another used the sum of their time, and the largest memory', () => {
  expect(
    usedByAll([
      ran({ peakMemoryBytes: 10, cpuMs: 100, readBytes: 1, writtenBytes: 2 }),
      ran({ peakMemoryBytes: 30, cpuMs: 200, readBytes: 3, writtenBytes: 4 }),
    ]),
  ).toEqual({ wallMs: 5000, peakMemoryBytes: 30, cpuMs: 300, readBytes: 4, writtenBytes: 6 });
});

test('what one of them does not tell is left out of the sum', () => {
  expect(usedByAll([ran({ peakMemoryBytes: 10, cpuMs: 100, readBytes: 1 }), ran()])).toEqual({
    wallMs: 5000,
    peakMemoryBytes: 10,
  });
  expect(usedByAll([])).toBeUndefined();
});

test('an executor of an earlier stager has its time alone, and one that nobody saw has no memory', () => {
  expect(usedBy(ran())).toEqual({ wallMs: 2500 });
  expect(usedBy(ran({ cpuMs: 20 }))).toEqual({ wallMs: 2500, cpuMs: 20 });
});

test.each([
  [0, '0 B'],
  [1023, '1023 B'],
  [1536, '1.5 KiB'],
  [2 * 1024 ** 3, '2.0 GiB'],
])('%d bytes are %s', (bytes, text) => {
  expect(formatGib(bytes)).toBe(text);
});
