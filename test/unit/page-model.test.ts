/** The pure parts of the page. */
import { describe, expect, test } from 'vitest';
import * as format from '../../web/model/format.ts';
import { appendLines } from '../../web/model/log-text.ts';
import { addSample, paceOf, segmentsOf, type Sample } from '../../web/model/progress.ts';
import { hrefOf, hrefOfSearch, parseRoute, scatterHref, taskHref } from '../../web/model/route.ts';
import { barsOf, longestOf } from '../../web/model/timeline.ts';
import { resourceRows, waitingOf } from '../../web/model/used.ts';

describe('numbers', () => {
  test('a duration has two units at most', () => {
    const shown = [840, 9400, 12_000, 59_999, 185_000, 7_800_000, 360_000_000].map(format.duration);
    expect(shown).toEqual([
      '840 ms',
      '9.4 s',
      '12 s',
      '1 min',
      '3 min 5 s',
      '2 h 10 min',
      '4 d 4 h',
    ]);
  });

  test('9,999 of 10,000 are not 100 %, and 1 is not 0 %', () => {
    expect([format.percent(9999, 10_000), format.percent(1, 10_000)]).toEqual(['99 %', '1 %']);
    expect([format.percent(0, 0), format.percent(4, 4)]).toEqual(['0 %', '100 %']);
  });

  test('bytes, rates and money have the unit that fits', () => {
    expect([512, 1536, 3 * 1024 ** 3].map(format.bytes)).toEqual(['512 B', '1.5 KiB', '3.0 GiB']);
    expect([2.4, 90, 6000].map(format.rate)).toEqual([
      '2.4 tasks/min',
      '90 tasks/min',
      '100 tasks/s',
    ]);
    expect(format.money(0.0782, 'USD')).toBe('$0.08');
    expect(format.money(0.002, 'USD')).toBe('less than $0.01');
    expect(format.money(12, 'EUR')).toBe('€12.00');
  });
});

describe('routes', () => {
  test('a route is the same after it was written and read', () => {
    expect(parseRoute(taskHref('task-1-9f31c4', 'logs'))).toEqual({
      view: 'task',
      id: 'task-1-9f31c4',
      tab: 'logs',
    });
    const filter = { state: 'COMPLETE', tag: 'run:a/b&c' };
    expect(parseRoute(scatterHref('scatter-1-9f31c4', filter))).toEqual({
      view: 'scatter',
      id: 'scatter-1-9f31c4',
      filter,
    });
    expect(parseRoute(hrefOf('tasks', { name: '', state: 'RUNNING' }))).toEqual({
      view: 'tasks',
      filter: { state: 'RUNNING' },
    });
  });

  test('an unknown route is unknown, and an unknown tab is the first', () => {
    expect(parseRoute('#/%E0%A4%A')).toEqual({ view: 'unknown' });
    expect(parseRoute('')).toEqual({ view: 'overview' });
    expect(parseRoute('#/tasks/x?tab=none')).toMatchObject({ tab: 'summary' });
  });

  test('a search leads to a task, to a scatter, or to tasks by name', () => {
    expect(hrefOfSearch(' task-2s-9f31c4 ')).toBe('#/tasks/task-2s-9f31c4');
    expect(hrefOfSearch('scatter-1-9f31c4')).toBe('#/scatters/scatter-1-9f31c4');
    expect(hrefOfSearch('align')).toBe('#/tasks?name=align');
  });
});

const counts = {
  size: 100,
  places: {
    'cache-check': 1,
    'stage-script': 2,
    submit: 3,
    poll: 40,
    finalize: 4,
    done: 40,
    failed: 6,
    cancelled: 4,
  },
  states: {
    QUEUED: 30,
    RUNNING: 20,
    COMPLETE: 40,
    EXECUTOR_ERROR: 6,
    SYSTEM_ERROR: 0,
    CANCELED: 4,
  },
  cache_hits: 10,
};

describe('progress', () => {
  test('the segments add up to the size of the scatter', () => {
    const segments = segmentsOf(counts);
    expect(Object.fromEntries(segments.map(({ tone, tasks }) => [tone, tasks]))).toEqual({
      hit: 10,
      done: 30,
      failed: 6,
      cancelled: 4,
      running: 20,
      waiting: 24,
      preparing: 6,
    });
    expect(segments.reduce((sum, { tasks }) => sum + tasks, 0)).toBe(100);
  });

  test('the rate is that of the last minute, and unknown at first', () => {
    let samples: Sample[] = [];
    for (let second = 0; second <= 200; second += 1)
      samples = addSample(samples, { atMs: second * 1000, ended: second < 100 ? 0 : second - 100 });
    expect(paceOf(samples.slice(0, 1), 200)).toBeUndefined();
    expect(paceOf(samples, 200)).toEqual({ perMinute: 60, leftMs: 100_000 });
    const still = [0, 9000].map((atMs) => ({ atMs, ended: 3 }));
    expect(paceOf(still, 200)).toEqual({ perMinute: 0 });
    expect(samples.length).toBeLessThan(65);
  });
});

describe('a timeline', () => {
  const at = (second: number) => new Date(second * 1000).toISOString();
  const spans = [
    { what: 'cache-check', from: at(0), to: at(1), ms: 1000 },
    { what: 'in-batch', attempt: 1, from: at(1), to: at(9), ms: 8000 },
    { what: 'ran', attempt: 1, from: at(9), ms: 1000 },
  ] as const;

  test('the bars are on one scale, and the last one is open', () => {
    expect(barsOf(spans)).toMatchObject([
      { from: 0, width: 10, by: 'us', open: false },
      { from: 10, width: 80, by: 'batch' },
      { from: 90, width: 10, by: 'task', open: true },
    ]);
    expect(longestOf(barsOf(spans))?.label).toBe('Waited in AWS Batch');
    expect(barsOf([])).toEqual([]);
  });

  test('the attempts are numbered where there are several', () => {
    const again = barsOf([...spans, { what: 'ran', attempt: 2, from: at(10), ms: 500 }]);
    expect(again.at(-1)?.label).toBe('Ran (attempt 2)');
    expect(again[0]?.label).toBe('Cache check');
  });
});

describe('a log', () => {
  const line = (text: string) => ({ attempt: 1, position: '', text });

  test('what was left out and what starts over is said in between', () => {
    const { text } = appendLines({ text: 'a\n', dropped: 0 }, [
      { attempt: 1, position: '', skipped_bytes: 7 },
      { attempt: 2, position: '', began: 'attempt', text: 'b' },
    ]);
    expect(text).toContain('7 bytes were left out');
    expect(text).toContain('a new attempt of the task (attempt 2)');
  });

  test('only the end of a long log is kept, from the beginning of a line', () => {
    const long = Array.from({ length: 50_000 }, (_, number) => line(`line ${number}\n`));
    const { text, dropped } = appendLines({ text: '', dropped: 0 }, long);
    expect(text.length).toBeLessThanOrEqual(400_000);
    expect(text).toMatch(/^line \d+\n/);
    expect(dropped + text.length).toBe(long.reduce((sum, one) => sum + one.text.length, 0));
  });
});

describe('what a task used', () => {
  const logs = (metadata: Record<string, string>) => [
    { logs: [], outputs: [], metadata: { attempt: '1', wall_seconds: '9' } },
    { logs: [], outputs: [], metadata: { attempt: '2', ...metadata } },
  ];

  test('asked and used stand side by side, of the latest attempt', () => {
    const rows = resourceRows({
      resources: { cpu_cores: 2, ram_gb: 4 },
      logs: logs({ wall_seconds: '10', cpu_seconds: '10', peak_memory_bytes: `${1024 ** 3}` }),
    });
    expect(rows.slice(0, 2)).toEqual([
      { what: 'CPU', asked: '2 vCPU', used: '1.00 on average (10 s of CPU time)', share: 0.5 },
      { what: 'Memory', asked: '4 GiB', used: '1.0 GiB at its peak', share: 0.25 },
    ]);
  });

  test('nothing is made up where the record says nothing', () => {
    const used = resourceRows({ logs: logs({}) }).map((row) => row.used);
    expect(used).toEqual(['–', '–', '–', '–', '–']);
  });

  test('a wait has its reason, and how many are ahead', () => {
    expect(waitingOf(logs({ waiting: 'No room.', waiting_ahead: '12' }))).toEqual({
      message: 'No room.',
      ahead: 12,
    });
    expect(waitingOf(logs({}))).toBeUndefined();
  });
});
