/**
 * What users do that gave them another task's bytes as their own, on a whole stack: real tasks, the real stager. Each
 * of these was a wrong hit while a hit was decided by sizes and times.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startCacheStack, type CacheStack } from './cache-stack.ts';

const SLOW_MS = 60_000;
/** Longer than the fleet takes from a check to the end of a test's write; the stager reads after it. */
const READS_LATE_MS = 1_500;

let stack: CacheStack;
beforeAll(async () => {
  stack = await startCacheStack();
}, SLOW_MS);
afterAll(() => stack.stop(), SLOW_MS);

interface Shell {
  inputs?: object[];
  /** Key of the one output. */
  out: string;
}

/** A task that runs `sh -c command` and writes one output, /out/x. */
const shell = (command: string, { inputs = [], out }: Shell): object => ({
  inputs,
  outputs: [{ url: stack.url(out), path: '/out/x' }],
  executors: [{ image: 'debian:12', command: ['sh', '-c', command] }],
  resources: { cpu_cores: 1, ram_gb: 0.25 },
});

const copyOf = (input: string, out: string): object =>
  shell('cat /in/a > /out/x', { inputs: [{ url: stack.url(input), path: '/in/a' }], out });

describe.concurrent('a cache that is never wrong', { timeout: SLOW_MS }, () => {
  test('rows that wrote one URL by mistake get their own bytes when the URL is mended', async () => {
    const rows = Array.from({ length: 4 }, (_, at) => ({ n: 10 + at }));
    const scatter = (out: string) => ({
      cache: 'readwrite',
      rows,
      template: {
        inputs: [{ content: '{{n}}', path: '/in/n' }],
        outputs: [{ url: stack.url(out), path: '/out/x' }],
        executors: [{ image: 'debian:12', command: ['sh', '-c', 'cat /in/n > /out/x'] }],
        resources: { ram_gb: 0.25 },
      },
    });
    await stack.scatter(scatter('shared-url/all'));
    await stack.scatter(scatter('shared-url/{{n}}'));
    for (const { n } of rows) expect(await stack.text(`shared-url/${n}`)).toBe(String(n));
  });

  test('an edit that was run and taken back leaves the first result at its URL', async () => {
    const say = (what: string, out = 'edit/out') => shell(`printf ${what} > /out/x`, { out });
    for (const what of ['AAAA', 'BBBB', 'AAAA']) {
      await stack.run(say(what));
      expect(await stack.text('edit/out')).toBe(what);
    }
    await stack.run(say('BBBB', 'edit/elsewhere'));
    expect(await stack.text('edit/elsewhere')).toBe('BBBB');
  });

  test('an input that is overwritten within the second of its check leaves no entry for what it held', async () => {
    await stack.put('second/in', 'old!');
    await stack.delayReads('second/in', READS_LATE_MS);
    const id = await stack.submit(copyOf('second/in', 'second/first'));
    await stack.checked(id);
    await stack.put('second/in', 'new!');
    await stack.ended(id);
    expect(await stack.text('second/first')).toBe('new!');
    await stack.put('second/again', 'old!');
    await stack.run(copyOf('second/again', 'second/second'));
    expect(await stack.text('second/second')).toBe('old!');
  });

  test('an input that changes while its task waits and is put back while it runs poisons nothing', async () => {
    await stack.put('back/in', 'old!');
    await stack.delayReads('back/in', READS_LATE_MS);
    const held = 'cat /in/a > /out/x; sleep 1';
    const task = (input: string, out: string) =>
      shell(held, { inputs: [{ url: stack.url(input), path: '/in/a' }], out });
    const id = await stack.submit(task('back/in', 'back/first'));
    await stack.checked(id);
    await stack.put('back/in', 'new!');
    await stack.wasRead('back/in');
    await stack.put('back/in', 'old!');
    await stack.ended(id);
    expect(await stack.text('back/first')).toBe('new!');
    await stack.put('back/again', 'old!');
    await stack.run(task('back/again', 'back/second'));
    expect(await stack.text('back/second')).toBe('old!');
  });

  test('two files with one MD5 and one size are two inputs', async () => {
    for (const [at, bytes] of collision.entries()) await stack.put(`md5/${at}`, bytes);
    const task = (at: number) =>
      shell('sha256sum < /in/a > /out/x', {
        inputs: [{ url: stack.url(`md5/${at}`), path: '/in/a' }],
        out: `md5/out-${at}`,
      });
    await stack.run(task(0));
    await stack.run(task(1));
    expect(await stack.text('md5/out-0')).not.toBe(await stack.text('md5/out-1'));
  });

  test('a file is laid over the directory input that it is in, whichever is declared first', async () => {
    await stack.put('overlap/d/1', 'from-dir');
    await stack.put('overlap/f', 'from-file');
    const folder = { url: stack.url('overlap/d/'), path: '/in/d', type: 'DIRECTORY' };
    const file = { url: stack.url('overlap/f'), path: '/in/d/1' };
    const read = async (inputs: object[], out: string): Promise<string | undefined> => {
      await stack.run(shell('cat /in/d/1 > /out/x', { inputs, out }));
      return stack.text(out);
    };
    for (const round of [1, 2]) {
      expect(await read([folder, file], `overlap/file-last-${round}`)).toBe('from-file');
      expect(await read([file, folder], `overlap/file-first-${round}`)).toBe('from-file');
    }
  });

  test('an output that is overwritten later by as many bytes is not handed out', async () => {
    const task = (out: string) => shell('printf OOOO > /out/x', { out });
    await stack.run(task('later/one'));
    await stack.put('later/one', 'PPPP');
    await stack.run(task('later/two'));
    expect(await stack.text('later/two')).toBe('OOOO');
  });

  test('an output that is deleted and written again with other bytes is not handed out', async () => {
    const task = (out: string) => shell('printf DDDD > /out/x', { out });
    await stack.run(task('again/one'));
    await stack.remove('again/one');
    await stack.put('again/one', 'EEEE');
    await stack.run(task('again/two'));
    expect(await stack.text('again/two')).toBe('DDDD');
  });

  test('an output that is deleted and written again with the same bytes is still a hit', async () => {
    const task = (out: string) => shell('printf SSSS > /out/x', { out });
    await stack.run(task('same/one'));
    await stack.remove('same/one');
    await stack.put('same/one', 'SSSS');
    expect(await stack.run(task('same/two'))).toMatchObject({ isHit: true });
    expect(await stack.text('same/two')).toBe('SSSS');
  });
});

// By itself: the next container is this task's.
test(
  'a directory that loses a file between the check and the run leaves no entry for the whole',
  async () => {
    const task = (input: string, out: string) =>
      shell('cat /in/d/* > /out/x', {
        inputs: [{ url: stack.url(`${input}/`), path: '/in/d', type: 'DIRECTORY' }],
        out,
      });
    await stack.put('directory/in/a', 'a');
    await stack.put('directory/in/b', 'b');
    await stack.delayNextStart(READS_LATE_MS);
    const id = await stack.submit(task('directory/in', 'directory/first'));
    await stack.checked(id);
    await stack.remove('directory/in/b');
    await stack.ended(id);
    expect(await stack.text('directory/first')).toBe('a');
    await stack.put('directory/again/a', 'a');
    await stack.put('directory/again/b', 'b');
    await stack.run(task('directory/again', 'directory/second'));
    expect(await stack.text('directory/second')).toBe('ab');
  },
  SLOW_MS,
);

/**
 * Two blocks of 128 bytes with one MD5 (source: X. Wang and H. Yu, How to break MD5 and other hash
 * functions, 2005).
 */
const collision = [
  'd131dd02c5e6eec4693d9a0698aff95c2fcab58712467eab4004583eb8fb7f8955ad340609f4b30283e488832571415a' +
    '085125e8f7cdc99fd91dbdf280373c5bd8823e3156348f5bae6dacd436c919c6dd53e2b487da03fd02396306d248cda0' +
    'e99f33420f577ee8ce54b67080a80d1ec69821bcb6a8839396f9652b6ff72a70',
  'd131dd02c5e6eec4693d9a0698aff95c2fcab50712467eab4004583eb8fb7f8955ad340609f4b30283e4888325f1415a' +
    '085125e8f7cdc99fd91dbd7280373c5bd8823e3156348f5bae6dacd436c919c6dd53e23487da03fd02396306d248cda0' +
    'e99f33420f577ee8ce54b67080280d1ec69821bcb6a8839396f965ab6ff72a70',
].map((hex) => Buffer.from(hex, 'hex'));
