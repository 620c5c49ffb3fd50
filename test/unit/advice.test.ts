/** What tasks could ask for, by what they used. */
import { expect, test } from 'vitest';
import { adviseTasks, type MeasuredTask } from '../../core/advice.ts';

const GIB = 1024 ** 3;
const task = (more: Partial<MeasuredTask> = {}): MeasuredTask => ({
  kind: 'lab/align:1',
  cpuCores: 4,
  ramGb: 8,
  wallSeconds: 3600,
  cpuSeconds: 3600,
  peakMemoryBytes: 2 * GIB,
  ...more,
});
const one = (...tasks: MeasuredTask[]) => adviseTasks(tasks)[0];

test('tasks that use less are advised what the hungriest of them used, and a quarter more', () => {
  const advice = one(task(), task({ cpuSeconds: 5400, peakMemoryBytes: 3.1 * GIB }), task());
  expect(advice).toMatchObject({
    tasks: 3,
    cpu: { asked: 4, used: 1.5, advised: 2 },
    ram: { asked: 8, used: 3.1, advised: 4 },
    savedVcpuHours: 3 * 2,
    savedGibHours: 3 * 4,
  });
});

test.each([
  [
    'uses what it asked for',
    { cpuSeconds: 14_000, peakMemoryBytes: 7 * GIB },
    undefined,
    undefined,
  ],
  ['is near its memory', { ramGb: 2, peakMemoryBytes: 1.9 * GIB }, 2, 2.5],
  ['grew beyond its memory after a retry', { ramGb: 2, peakMemoryBytes: 3 * GIB }, 2, 3.75],
  ['would save little memory', { ramGb: 3, peakMemoryBytes: 2.1 * GIB }, 2, undefined],
  ['uses nearly nothing', { cpuSeconds: 1, peakMemoryBytes: 1 }, 1, 0.25],
  ['has one vCPU', { cpuCores: 1, cpuSeconds: 10 }, undefined, 2.5],
  [
    'ran too briefly to say much of its CPUs',
    { wallSeconds: 0.5, cpuSeconds: 0.1 },
    undefined,
    2.5,
  ],
] as const)('a task that %s', (_what, used, cpu, ram) => {
  const advice = one(task(used));
  expect([advice?.cpu.advised, advice?.ram.advised]).toEqual([cpu, ram]);
});

test('what was not measured is not advised, and more memory is no saving', () => {
  const { cpuSeconds: _cpu, peakMemoryBytes: _peak, ...unmeasured } = task();
  expect(one(unmeasured)).toMatchObject({ cpu: { asked: 4 }, ram: { asked: 8 }, savedGibHours: 0 });
  expect(one(unmeasured)?.cpu).not.toHaveProperty('used');
  expect(one(task({ ramGb: 2, peakMemoryBytes: 3 * GIB }))?.savedGibHours).toBe(2 - 3.75);
});

test('other images and other requests are advised apart, the largest group first', () => {
  const groups = adviseTasks([
    task({ kind: 'b' }),
    task(),
    task(),
    task({ kind: 'b', ramGb: 4 }),
    task({ kind: 'b', ramGb: 4 }),
    task({ kind: 'b', ramGb: 4 }),
  ]);
  expect(groups.map(({ kind, tasks, ram }) => [kind, tasks, ram.asked])).toEqual([
    ['b', 3, 4],
    ['lab/align:1', 2, 8],
    ['b', 1, 8],
  ]);
  expect(adviseTasks([])).toEqual([]);
});
