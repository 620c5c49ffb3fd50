import { expect, test } from 'vitest';
import { judge } from '../../bench/soak-samples.ts';

const samplesOf = (metric: string, values: readonly number[]) =>
  values.map((value, at) => ({ atMs: at * 1000, accepted: at, values: { [metric]: value } }));

test.each([
  ['worker1 MB', [10, 50, 100, 101, 102, 103, 104, 103, 104], 1],
  ['worker1 MB', [100, 110, 120, 130, 140, 150, 160, 170, 180], 0],
  ['rows/task: attempts', [0, 0.5, 1, 1, 1, 1, 1, 1, 1], 1],
  ['rows/task: attempts', [1, 1, 1, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6], 0],
  ['Redis keys', [5, 20, 40, 60, 80, 90, 100, 150, 190], 1],
  ['api descriptors', [20, 20, 20, 20, 21, 22, 40, 41, 42], 0],
])('%s that goes %j is flat: %i', (metric, values, flat) => {
  expect(judge(samplesOf(metric, values)).flat[metric]).toBe(flat);
});
