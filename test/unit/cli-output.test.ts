import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { expect, it } from 'vitest';
import { createProcessGroup, type StackProcess } from '../../cli/stack/processes.ts';
import { startProgress } from '../../cli/output/progress.ts';
import { formatDuration, formatFacts, formatTable } from '../../cli/output/table.ts';
import { describeCounts } from '../../cli/output/scatter-counts.ts';

const show = async (
  errIsLive: boolean,
  act: (progress: ReturnType<typeof startProgress>, passMs: (ms: number) => void) => void,
) => {
  const err = new PassThrough();
  let nowMs = 0;
  act(startProgress({ err, errIsLive }, { nowMs: () => nowMs }), (ms) => {
    nowMs += ms;
  });
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

it('progress on a terminal replaces its line, which never wraps', async () => {
  const lines = await show(true, (progress) => {
    progress.show('x'.repeat(500));
    progress.end('done');
  });
  expect(lines).toBe(`\r\u001b[2K${'x'.repeat(109)}…\r\u001b[2Kdone\n`);
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

it('a scatter’s counts are in the order of the places, with a total of the ended ones', () => {
  expect(describeCounts({ size: 10, cache_hits: 2, places: { done: 3, poll: 6, failed: 1 } })).toBe(
    '4/10 ended: poll 6, done 3, failed 1 · 2 cache hits',
  );
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
