/**
 * A log is followed while its task really runs: the whole stack, and a command that the test
 * advances step by step.
 */
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openClient, type LogLine } from '../../packages/client/client.ts';
import { startStack, type Stack } from '../../cli/stack.ts';
import { run } from '../unit/cli-world.ts';

const SLOW_MS = 60_000;

let stack: Stack;
/** The tasks see it too. */
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'batchwell-steps-'));
  await chmod(folder, 0o777);
  stack = await startStack({
    environment: {
      PATH: process.env['PATH'],
      TMPDIR: process.env['TMPDIR'],
      BATCHWELL_RUN: process.env['BATCHWELL_RUN'],
    },
    settings: { BATCHWELL_LIVE_LOGS_MS: '100', BATCHWELL_SHARED_FOLDERS: folder },
  });
}, SLOW_MS);
afterAll(async () => {
  await stack?.stop();
  await rm(folder, { recursive: true, force: true });
}, SLOW_MS);

/** The output up to the `wanted` text, or up to the end if undefined. */
async function readUpTo(wanted: string | undefined, log: AsyncGenerator<LogLine>): Promise<string> {
  let seen = '';
  while (seen !== wanted) {
    const { done, value } = await log.next();
    if (done) break;
    seen += value.text ?? '';
  }
  return seen;
}

test(
  'the output of a running task is shown as it comes, even to a reader that does not follow, and whole at its end',
  async () => {
    const client = openClient({ url: stack.apiUrl });
    const cli = (...words: string[]) =>
      run(words, { environment: { BATCHWELL_URL: stack.apiUrl } });
    const command =
      'step() { while [ ! -e "$1" ]; do sleep 0.05; done; }; echo one; step "$0/first"; printf "zwölf "; echo err >&2; step "$0/second"; echo three; exit 3';
    const { id } = await client.submit({
      name: 'live',
      executors: [{ image: 'debian:stable-slim', command: ['sh', '-c', command, folder] }],
    });

    const log = client.followLog(id);
    expect(await readUpTo('one\n', log)).toBe('one\n');
    expect((await client.get(id)).state).toBe('RUNNING');
    expect(await cli('logs', id)).toMatchObject({ code: 0, out: 'one\n' });
    await writeFile(join(folder, 'first'), '');
    expect(await readUpTo('zwölf ', log)).toBe('zwölf ');
    await expect
      .poll(() => cli('logs', id, '--stderr'), { timeout: SLOW_MS })
      .toMatchObject({ code: 0, out: 'err\n' });
    await writeFile(join(folder, 'second'), '');
    expect(await readUpTo(undefined, log)).toBe('three\n');
    expect(await cli('logs', '--follow', id)).toEqual({
      code: 1,
      out: 'one\nzwölf three\n',
      err: `${id} · EXECUTOR_ERROR\n`,
    });
  },
  2 * SLOW_MS,
);

test(
  'the output that a cancelled task prints on SIGTERM is shown',
  async () => {
    const client = openClient({ url: stack.apiUrl });
    const { id } = await client.submit({
      executors: [
        {
          image: 'debian:stable-slim',
          command: [
            'sh',
            '-c',
            'trap "echo caught; exit 1" TERM; echo working; while :; do sleep 0.1; done',
          ],
        },
      ],
    });
    const log = client.followLog(id);
    expect(await readUpTo('working\n', log)).toBe('working\n');
    await client.cancel(id);
    expect(await readUpTo(undefined, log)).toBe('caught\n');
  },
  2 * SLOW_MS,
);
