/**
 * What reported tasks do to processes and files, on a whole Batchwell with its local Batch.
 */
import { execFileSync } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startStack, type Stack } from '../../cli/stack.ts';

const SLOW_MS = 60_000;
const TES = '/ga4gh/tes/v1/tasks';
/** The path to the last folder is longer than any that Linux takes. */
const DEEP = 'for i in $(seq 60); do mkdir "$0"; cd -P "$0"; done';
const NAME = 'x'.repeat(100);

let stack: Stack;
beforeAll(async () => {
  // Without the other settings of the machine that runs the test.
  const environment = {
    PATH: process.env['PATH'],
    TMPDIR: process.env['TMPDIR'],
    BATCHWELL_RUN: process.env['BATCHWELL_RUN'],
  };
  stack = await startStack({ environment });
}, SLOW_MS);
afterAll(() => stack?.stop(), SLOW_MS);

const call = async (path: string, init?: RequestInit) =>
  (await fetch(stack.apiUrl + path, init)).text();

interface Ran {
  state: string;
  warnings: string[];
  logOf(executor: number): Promise<string>;
}

async function run(...commands: string[][]): Promise<Ran> {
  return runTask({
    executors: commands.map((command) => ({ image: 'debian:stable-slim', command })),
  });
}

async function runTask(task: object): Promise<Ran> {
  const { id } = JSON.parse(
    await call(TES, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(task),
    }),
  );
  for (;;) {
    const { state, logs } = JSON.parse(await call(`${TES}/${id}?wait=20s&view=FULL`));
    if (['QUEUED', 'INITIALIZING', 'RUNNING'].includes(state)) continue;
    return {
      state,
      warnings: (logs.at(-1)?.system_logs ?? []).filter((line: string) =>
        /ended while processes|bytes while/.test(line),
      ),
      logOf: (executor) => call(`/v1/tasks/${id}/logs?executor=${executor}`),
    };
  }
}

test(
  'a background child that goes on printing loses no stdout, and the task names it',
  async () => {
    const line = '0123456789'.repeat(7);
    const { state, warnings, logOf } = await run([
      'sh',
      '-c',
      `(while :; do echo ${line}; done) & sleep 1; echo main done`,
    ]);
    expect(state).toBe('COMPLETE');
    expect(warnings).toEqual([
      expect.stringContaining(
        'Executor 0 ended while processes that it had started were running: sh. They were ended.',
      ),
    ]);
    expect((await logOf(0)).length).toBeGreaterThan(1_000_000);
  },
  SLOW_MS,
);

test(
  'a task that empties /tmp keeps its log, and its next executor runs and sees no process of the first',
  async () => {
    const { state, logOf } = await run(
      [
        'sh',
        '-c',
        'echo an important line; (env -i setsid sleep 1000 >/dev/null 2>&1 &); rm -rf /tmp/* /tmp/.[!.]* "$HOME"; echo end',
      ],
      ['sh', '-c', 'cat /proc/[0-9]*/comm | grep -c sleep'],
      ['sh', '-c', 'echo not reached'],
    );
    // grep -c finds none, says 0 and fails.
    expect([state, await logOf(0), await logOf(1)]).toEqual([
      'EXECUTOR_ERROR',
      'an important line\nend\n',
      '0\n',
    ]);
  },
  SLOW_MS,
);

test(
  'a file that is changed in place with its time and size kept is written back',
  async () => {
    const url = `s3://${stack.bucket}/fr/inplace`;
    await stack.objects.put(url, '0123456789');
    const file = { url, path: '/in/f' };
    const { state } = await runTask({
      inputs: [file],
      outputs: [file],
      executors: [
        {
          image: 'debian:stable-slim',
          command: [
            'sh',
            '-c',
            'touch -r /in/f /tmp/t; printf 9876543210 | dd of=/in/f conv=notrunc status=none; touch -r /tmp/t /in/f',
          ],
        },
      ],
    });
    expect([state, (await stack.objects.get(url))?.toString()]).toEqual(['COMPLETE', '9876543210']);
  },
  SLOW_MS,
);

test(
  'a tree deeper than any path ends neither the local Batch nor the stop of a stack that has one left',
  async () => {
    const { state } = await run(['sh', '-c', `mkdir -p /out/d && cd /out/d && ${DEEP}`, NAME]);
    const after = await run(['true']);
    expect([state, after.state]).toEqual(['COMPLETE', 'COMPLETE']);
    const left = join(stack.folder, 'left');
    await mkdir(left);
    execFileSync('sh', ['-c', DEEP, NAME], { cwd: left });
    await expect(stack.stop()).resolves.toBeUndefined();
    expect(
      execFileSync('sh', ['-c', 'test -e "$0" || echo gone', stack.folder], { encoding: 'utf8' }),
    ).toBe('gone\n');
  },
  SLOW_MS,
);
