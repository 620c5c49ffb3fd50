import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { stripVTControlCharacters } from 'node:util';
import { expect, it } from 'vitest';
import { createProcessGroup, type StackProcess } from '../../cli/stack/processes.ts';
import { startProgress } from '../../cli/output/progress.ts';
import { createPace } from '../../cli/output/pace.ts';
import { formatDuration, formatFacts, formatTable } from '../../cli/output/table.ts';
import { showsColour } from '../../cli/output/terminal.ts';
import { formatAge, parseSince } from '../../cli/output/when.ts';
import { describeCounts } from '../../cli/output/scatter-counts.ts';

const show = async (
  errIsLive: boolean,
  act: (progress: ReturnType<typeof startProgress>, passMs: (ms: number) => void) => void,
) => {
  const err = new PassThrough();
  let nowMs = 0;
  act(
    startProgress({ err, errIsLive, errColour: false, columns: 80 }, { nowMs: () => nowMs }),
    (ms) => {
      nowMs += ms;
    },
  );
  err.end();
  return text(err);
};

const fakeProcess = (
  title: string,
  order: string[],
  ended = Promise.withResolvers<string>(),
): StackProcess & { end: (how: string) => void } => ({
  title,
  ended: ended.promise,
  end: ended.resolve,
  logTail: () => `log of ${title}`,
  async stop() {
    order.push(title);
    ended.resolve('SIGTERM');
  },
});

it('progress outside a terminal is a line every five seconds, and always the last one', async () => {
  const lines = await show(false, (progress, passMs) => {
    for (let done = 0; done <= 120; done += 1) {
      progress.show(`${done} done`);
      passMs(100);
    }
    progress.end('all done');
  });
  expect(lines).toBe('50 done\n100 done\nall done\n');
});

it('progress outside a terminal does not repeat a line', async () => {
  expect(
    await show(false, (progress, passMs) => {
      passMs(6000);
      progress.show('same');
      passMs(6000);
      progress.show('same');
      progress.end('same');
    }),
  ).toBe('same\n');
});

it('progress on a terminal is a bar over a text, and both are replaced', async () => {
  const lines = await show(true, (progress) => {
    progress.show('4/10 ended', 0.4);
    progress.end('10/10 ended');
  });
  expect(lines).toContain(`${'━'.repeat(24)}${'─'.repeat(36)}  40 %\n4/10 ended`);
  const afterErasure = lines.slice(lines.lastIndexOf('\u001b[G') + 3);
  expect(afterErasure.trim()).toBe('10/10 ended');
});

it('progress on a terminal is as wide as the terminal at most', async () => {
  const lines = await show(true, (progress) => progress.show('word '.repeat(60).trim()));
  expect(
    stripVTControlCharacters(lines)
      .split('\n')
      .map((line) => line.length),
  ).toSatisfy((lengths: number[]) => lengths.length > 2 && lengths.every((length) => length <= 80));
});

it('a table aligns numbers to the right and texts to the left', () => {
  const table = formatTable(
    [
      { heading: 'NAME', value: (row: [string, number]) => row[0] },
      { heading: 'TIMES', value: (row: [string, number]) => row[1] },
    ],
    [
      ['a', 7],
      ['longer', 1234],
    ],
  );
  expect(table).toBe('NAME    TIMES\na           7\nlonger   1234');
});

it('a list of facts leaves out those without a value', () => {
  expect(
    formatFacts([
      ['id', 'x'],
      ['ended', undefined],
      ['tasks', 0],
    ]),
  ).toBe('id     x\ntasks  0');
});

it.each([
  [850, '850 ms'],
  [12_345, '12.3 s'],
  [59_940, '59.9 s'],
  [245_000, '4 min 05 s'],
])('a duration of %i ms is printed as %s', (ms, words) => {
  expect(formatDuration(ms)).toBe(words);
});

it('a scatter’s counts show what runs and what waits apart, and the ends in their order', () => {
  const ended = { done: 3, failed: 1 };
  expect(
    describeCounts({
      size: 10,
      cache_hits: 2,
      places: { ...ended, poll: 6 },
      states: { RUNNING: 2 },
    }),
  ).toBe('4/10 ended: 2 running, 4 waiting, 3 done, 1 failed · 2 cache hits');
  expect(describeCounts({ size: 10, cache_hits: 1, places: { ...ended, poll: 6 } })).toBe(
    '4/10 ended: 6 at poll, 3 done, 1 failed · 1 cache hit',
  );
});

it('a table is as wide as asked at most: words stay whole, and only a word that is too long is broken', () => {
  const columns = [
    { heading: 'ID', value: (row: string[]) => row[0] },
    { heading: 'WHAT', value: (row: string[]) => row[1] },
    { heading: 'WHERE', value: (row: string[]) => row[2] },
  ];
  const url = `s3://bucket/${'k'.repeat(60)}`;
  const rows = [['task-1-aaaaaa', 'the quick brown fox jumps over it', url]];
  const lines = formatTable(columns, rows, { columns: 60, colour: false }).split('\n');
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(60);
  expect(lines.map((line) => line.slice(15, 22).trim())).toEqual(
    expect.arrayContaining(['the', 'quick', 'brown', 'fox']),
  );
  expect(
    lines
      .slice(1)
      .map((line) => line.slice(lines[0]!.indexOf('WHERE')).trim())
      .join(''),
  ).toBe(url);
  expect(lines[1]).toMatch(/^task-1-aaaaaa  /);
});

it('wide characters count as two cells, and colours as none', () => {
  const rows = ['漢字', 'ascii'];
  const columns = [
    { heading: 'A', value: (row: string) => row, paint: () => 'red' as const },
    { heading: 'B', value: () => 'x' },
  ];
  expect(stripVTControlCharacters(formatTable(columns, rows, { columns: 80, colour: true }))).toBe(
    'A      B\n漢字   x\nascii  x',
  );
});

it('a fact is wrapped at words, and a URL in it is never broken', () => {
  const url = `s3://bucket/${'k'.repeat(100)}`;
  const facts = formatFacts([
    ['output', url],
    ['why', 'it waits for a host that has room for it, and there is none in the whole queue'],
  ]);
  expect(facts.split('\n')[0]).toBe(`output  ${url}`);
  expect(
    formatFacts([['why', 'a '.repeat(60)]], { columns: 40, colour: false }).split('\n')[1],
  ).toMatch(/^     a a/);
});

it.each([
  [{}, true, true],
  [{}, false, false],
  [{ NO_COLOR: '1' }, true, false],
  [{ NO_COLOR: '1', FORCE_COLOR: '1' }, true, false],
  [{ FORCE_COLOR: '1' }, false, true],
  [{ FORCE_COLOR: '0' }, true, false],
  [{ TERM: 'dumb' }, true, false],
])('with %j on a terminal (%s), output has colours: %s', (environment, isTTY, expected) => {
  expect(showsColour(environment, { isTTY })).toBe(expected);
});

it('the rate and the time left come from the ends of the last minute', () => {
  const pace = createPace();
  expect(pace({ ms: 0, ended: 0, size: 100 })).toEqual({});
  expect(pace({ ms: 1000, ended: 5, size: 100 })).toEqual({});
  expect(pace({ ms: 10_000, ended: 20, size: 100 })).toEqual({ perSecond: 2, leftMs: 40_000 });
  for (let ms = 11_000; ms <= 200_000; ms += 1000) pace({ ms, ended: 20, size: 100 });
  expect(pace({ ms: 201_000, ended: 20, size: 100 })).toEqual({});
});

it.each([
  ['30m', -1_800_000],
  ['2 h', -7_200_000],
  ['3d', -259_200_000],
  ['90s', -90_000],
])('%s is that long ago', (given, ms) => {
  expect(parseSince(given, 1_000_000_000)).toBe(1_000_000_000 + ms);
});

it('a date is its first moment in local time, a time is local, and other words are refused', () => {
  expect(parseSince('2026-11-29', 0)).toBe(new Date(2026, 10, 29).getTime());
  expect(parseSince('2026-11-29T18:00', 0)).toBe(new Date(2026, 10, 29, 18).getTime());
  expect(parseSince('2026-11-29T18:00:00Z', 0)).toBe(Date.UTC(2026, 10, 29, 18));
  for (const wrong of ['yesterday', '3 weeks', '', '12', '2026-13-45'])
    expect(parseSince(wrong, 0)).toBeUndefined();
});

it.each([
  [0, '0 s'],
  [119_000, '119 s'],
  [120_000, '2 min'],
  [7_199_000, '119 min'],
  [7_200_000, '2 h'],
  [200_000_000, '2 d'],
])('an age of %i ms is %s', (ms, words) => {
  expect(formatAge(ms)).toBe(words);
});

it('the processes of a stack are stopped last started first, each once', async () => {
  const order: string[] = [];
  const processes = createProcessGroup();
  for (const title of ['Redis', 'API']) processes.add(fakeProcess(title, order));
  await Promise.all([processes.stop(), processes.stop()]);
  expect(order).toEqual(['API', 'Redis']);
});

it('a process that exits by itself is named, with how it exited and the end of its log', async () => {
  const processes = createProcessGroup();
  const worker = fakeProcess('worker 1', []);
  processes.add(fakeProcess('Redis', []));
  processes.add(worker);
  worker.end('SIGKILL');
  expect(await processes.unexpectedExit).toEqual({
    title: 'worker 1',
    how: 'SIGKILL',
    logTail: 'log of worker 1',
  });
});

it('a process that cannot be stopped does not keep the others running', async () => {
  const order: string[] = [];
  const processes = createProcessGroup();
  processes.add(fakeProcess('Redis', order));
  processes.add({
    ...fakeProcess('API', order),
    stop: () => Promise.reject(new Error('it hangs')),
  });
  await expect(processes.stop()).rejects.toThrow(
    'Some processes of the stack could not be stopped.',
  );
  expect(order).toEqual(['Redis']);
});
