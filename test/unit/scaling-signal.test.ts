import { expect, test } from 'vitest';
import { readConfig } from '../../config.ts';
import { stages, type Stage } from '../../core/places.ts';
import { scalingLines, type FleetLoad } from '../../core/scaling-signal.ts';
import { readEmf } from '../emf.ts';

const perStage = <T>(of: (at: number) => T): [Stage, T][] =>
  stages.map((stage, at) => [stage, of(at)]);
const tasks = (of: (at: number) => number) =>
  Object.fromEntries(perStage(of)) as Record<Stage, number>;

const load: FleetLoad = {
  messages: new Map(perStage((at) => ({ waiting: at, active: at * 2, oldestMs: at * 1500 }))),
  tasks: tasks((at) => at * 100),
  jobs: new Map([
    ['fast', { runnable: 7, running: 3 }],
    ['arn:aws:batch:eu-west-1:1:job-queue/slow "q"\n', { runnable: 0, running: 0 }],
  ]),
};
const lines = scalingLines(load, { namespace: 'Lab/Fleet', atMs: 1_700_000_000_000.5 });

test('every line is valid EMF by itself, for one namespace and moment', () => {
  const metrics = lines.flatMap(readEmf);
  expect(lines.join('')).not.toContain('\n');
  expect(new Set(metrics.map(({ namespace }) => namespace))).toEqual(new Set(['Lab/Fleet']));
  expect(new Set(metrics.map(({ atMs }) => atMs))).toEqual(new Set([1_700_000_000_000]));
});

test('the lines tell messages and their age per stage, tasks per place, and jobs per queue, with units', () => {
  const told = new Map(
    lines.flatMap(readEmf).map(({ name, unit, value }) => [name, `${value} ${unit}`]),
  );
  expect(told.get('MessagesWaiting{Stage=poll}')).toBe('3 Count');
  expect(told.get('MessagesActive{Stage=poll}')).toBe('6 Count');
  expect(told.get('OldestMessageAge{Stage=poll}')).toBe('4.5 Seconds');
  expect(told.get('Tasks{Place=finalize}')).toBe('400 Count');
  expect(told.get('RunnableJobs{JobQueue=fast}')).toBe('7 Count');
  expect(told.get('RunningJobs{JobQueue=fast}')).toBe('3 Count');
  expect(told.get('RunningJobs{JobQueue=arn:aws:batch:eu-west-1:1:job-queue/slow "q"\n}')).toBe(
    '0 Count',
  );
  expect(told.size).toBe(stages.length * 4 + 4);
});

test('an idle fleet tells zeros, so that it can be scaled in', () => {
  const idle = {
    messages: new Map(perStage(() => ({ waiting: 0, active: 0, oldestMs: 0 }))),
    tasks: tasks(() => 0),
    jobs: new Map(),
  };
  const metrics = scalingLines(idle, { namespace: 'x', atMs: 1 }).flatMap(readEmf);
  expect(metrics).toHaveLength(stages.length * 4);
  expect(new Set(metrics.map(({ value }) => value))).toEqual(new Set([0]));
});

test.each(['AWS/Batch', ':x', 'a*b', 'x'.repeat(256)])(
  'CloudWatch would refuse the namespace %j, so the settings do',
  (namespace) => {
    expect(() => readConfig({ BATCHWELL_SCALING_NAMESPACE: namespace })).toThrow(
      'BATCHWELL_SCALING_NAMESPACE',
    );
  },
);
