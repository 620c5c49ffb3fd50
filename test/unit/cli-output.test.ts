import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { gatherParts, type Part } from '../../cli/stack/processes.ts';
import { startProgress } from '../../cli/output/progress.ts';
import { formatDuration, formatFacts, formatTable } from '../../cli/output/table.ts';
import { describePlaces } from '../../cli/wait-for-end.ts';

const show = async (
  errIsLive: boolean,
  act: (progress: ReturnType<typeof startProgress>, passMs: (ms: number) => void) => void,
) => {
  const err = new PassThrough();
  let nowMs = 0;
  act(
    startProgress({ err, errIsLive }, () => nowMs),
    (ms) => {
      nowMs += ms;
    },
  );
  err.end();
  return text(err);
};

const part = (
  title: string,
  order: string[],
  ended = Promise.withResolvers<string>(),
): Part & { end: (how: string) => void } => ({
  title,
  ended: ended.promise,
  end: ended.resolve,
  logTail: () => `log of ${title}`,
  async stop() {
    order.push(title);
    ended.resolve('SIGTERM');
  },
});

describe('progress', () => {
  it('where nobody watches, is a line every five seconds, and the last one always', async () => {
    const lines = await show(false, (progress, passMs) => {
      for (let done = 0; done <= 120; done += 1) {
        progress.show(`${done} done`);
        passMs(100);
      }
      progress.end('all done');
    });
    expect(lines).toBe('50 done\n100 done\nall done\n');
  });

  it('says nothing twice', async () => {
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

  it('on a terminal, replaces its line and never wraps', async () => {
    const lines = await show(true, (progress) => {
      progress.show('x'.repeat(500));
      progress.end('done');
    });
    expect(lines).toBe(`\r\u001b[2K${'x'.repeat(109)}…\r\u001b[2Kdone\n`);
  });
});

it('numbers stand at the right, texts at the left, columns apart', () => {
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

it('facts without a value are left out', () => {
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
])('%i ms is %s', (ms, words) => {
  expect(formatDuration(ms)).toBe(words);
});

it('places are counted in the order of the way, ended ones together', () => {
  expect(describePlaces({ size: 10, cache_hits: 2, places: { done: 3, poll: 6, failed: 1 } })).toBe(
    '4/10 ended: poll 6, done 3, failed 1 · 2 cache hits',
  );
});

describe('the parts of a stack', () => {
  it('are ended last started first, each once', async () => {
    const order: string[] = [];
    const parts = gatherParts();
    for (const title of ['Redis', 'API']) parts.add(part(title, order));
    await Promise.all([parts.stop(), parts.stop()]);
    expect(order).toEqual(['API', 'Redis']);
  });

  it('one that ends by itself is named, with how and the end of its log', async () => {
    const parts = gatherParts();
    const worker = part('worker 1', []);
    parts.add(part('Redis', []));
    parts.add(worker);
    worker.end('SIGKILL');
    expect(await parts.broken).toEqual({
      title: 'worker 1',
      how: 'SIGKILL',
      logTail: 'log of worker 1',
    });
  });

  it('one that cannot be ended does not keep the others running', async () => {
    const order: string[] = [];
    const parts = gatherParts();
    parts.add(part('Redis', order));
    parts.add({ ...part('API', order), stop: () => Promise.reject(new Error('it hangs')) });
    await expect(parts.stop()).rejects.toThrow('Not every part of the stack could be ended.');
    expect(order).toEqual(['Redis']);
  });
});
