/**
 * What the stager ships of a log while its executor runs. The commands wait for files that the test
 * creates.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { WINDOW_BYTES } from '../../core/container/live-log.ts';
import { denied } from './s3-between.ts';
import {
  emptyTask,
  makeWorld,
  shell,
  useBuiltStager,
  type Running,
  type World,
  PREFIX,
} from './stager-world.ts';

const stager = useBuiltStager();
let world: World;
let uploads: Uploads;

beforeEach(async () => {
  world = await makeWorld();
  uploads = watchUploads(world);
});
afterEach(() => world.close());

interface Uploads {
  /** Uploads of each stream that S3 has answered. */
  done: string[];
  /** Largest number of uploads of one stream at once. */
  mostAtOnce: number;
  /** Waits until this many uploads of a stream have been answered. */
  of(name: string, count: number): Promise<void>;
  /** Handles an upload that is not passed on. */
  meet: ((request: IncomingMessage, reply: ServerResponse) => boolean) | undefined;
}

function watchUploads({ s3 }: World): Uploads {
  const waiting: (() => void)[] = [];
  const underWay = new Map<string, number>();
  const seen: Uploads = {
    done: [],
    mostAtOnce: 0,
    meet: undefined,
    of: (name, count) =>
      new Promise((resolve) => {
        const look = () => seen.done.filter((one) => one === name).length >= count && resolve();
        waiting.push(look);
        look();
      }),
  };
  s3.fault = (request, reply, path) => {
    const name = path.startsWith(live('')) ? path.slice(live('').length) : undefined;
    if (name === undefined || request.method !== 'PUT') return false;
    if (seen.meet?.(request, reply)) return true;
    underWay.set(name, (underWay.get(name) ?? 0) + 1);
    seen.mostAtOnce = Math.max(seen.mostAtOnce, underWay.get(name) ?? 0);
    reply.on('finish', () => {
      underWay.set(name, (underWay.get(name) ?? 0) - 1);
      seen.done.push(name);
      for (const look of waiting) look();
    });
    return false;
  };
  return seen;
}

const STDOUT = '00000/0.stdout';
const live = (name: string) => `${PREFIX}live/${name}`;
const start = (longestMs = 20, env: Record<string, string> = {}): Running =>
  world.start(stager, { BATCHWELL_LIVE_LOGS_MS: String(longestMs), ...env });
/** A command whose `wait NAME` continues when the test allows it. */
const command = (script: string, more: object = {}) => ({
  ...shell(`wait() { while [ ! -e "$1" ]; do sleep 0.02; done; }; ${script}`),
  workdir: world.folder,
  ...more,
});
const allow = (name: string) => writeFile(join(world.folder, name), '');

test('the newest MiB that a running command prints is in S3, with its offset', async () => {
  await world.submit(
    emptyTask({
      executors: [
        command('echo one; wait more; yes abcdefg | head -c 3000000; wait end; echo last'),
      ],
    }),
  );
  const running = start();
  await uploads.of(STDOUT, 1);
  expect(await world.s3.text(live(STDOUT))).toBe('one\n');
  expect(await world.s3.userMetadata(live(STDOUT))).toEqual({
    'batch-attempt': '1',
    cuts: '0',
    offset: '0',
  });

  await allow('more');
  const whole = `one\n${'abcdefg\n'.repeat(375_000)}`;
  await expect
    .poll(async () => (await world.s3.userMetadata(live(STDOUT)))?.['offset'], { timeout: 15_000 })
    .toBe(String(whole.length - WINDOW_BYTES));
  expect(await world.s3.text(live(STDOUT))).toBe(whole.slice(-WINDOW_BYTES));

  await allow('end');
  expect((await running.ended).code).toBe(0);
  expect(await world.log('0.stdout')).toBe(`${whole}last\n`);
  expect(world.s3.requests.findLastIndex((one) => one.includes('/live/'))).toBeLessThan(
    world.s3.requests.findIndex((one) => one.endsWith('/rc')),
  );
});

test('a stream is written only when it has grown, and never twice at once', async () => {
  await world.submit(
    emptyTask({
      executors: [command('echo once; for n in 1 2 3 4; do echo $n >&2; wait $n; done')],
    }),
  );
  const running = start();
  for (const n of [1, 2, 3, 4]) {
    await uploads.of('00000/0.stderr', n);
    await allow(String(n));
  }
  await running.ended;
  expect(uploads.done.filter((name) => name === STDOUT)).toHaveLength(1);
  expect(uploads.done).toHaveLength(5);
  expect(uploads.mostAtOnce).toBe(1);
});

test('a stream in a file that the executor names is shipped, and starts over when it is truncated', async () => {
  const own = join(world.folder, 'own log');
  await world.submit(
    emptyTask({
      executors: [
        command('echo before; wait cut; : > "own log"; echo now; wait end', { stdout: own }),
      ],
    }),
  );
  const running = start(20, { AWS_BATCH_JOB_ATTEMPT: '2' });
  await uploads.of(STDOUT, 1);
  expect(await world.s3.text(live(STDOUT))).toBe('before\n');
  await allow('cut');
  await uploads.of(STDOUT, 2);
  expect(await world.s3.text(live(STDOUT))).toBe('now\n');
  expect(await world.s3.userMetadata(live(STDOUT))).toEqual({
    'batch-attempt': '2',
    cuts: '1',
    offset: '0',
  });
  await allow('end');
  expect((await running.ended).code).toBe(0);
});

test('the last output of an executor is shipped while the next one runs', async () => {
  await world.submit(
    emptyTask({ executors: [command('echo first'), command('echo second >&2; wait end')] }),
  );
  const running = start();
  await Promise.all([uploads.of(STDOUT, 1), uploads.of('00000/1.stderr', 1)]);
  await allow('end');
  await running.ended;
  expect(uploads.done.toSorted()).toEqual([STDOUT, '00000/1.stderr']);
});

test('a pipe as stdout is left to its reader', async () => {
  const pipe = join(world.folder, 'pipe');
  await world.submit(
    emptyTask({
      executors: [
        command(`mkfifo "${pipe}"`),
        command('echo into the pipe; echo seen >&2; wait end', { stdout: pipe }),
      ],
    }),
  );
  const running = start();
  const reader = world.start([
    '/bin/sh',
    '-c',
    `while [ ! -p "${pipe}" ]; do sleep 0.02; done; cat "${pipe}"`,
  ]);
  await uploads.of('00000/1.stderr', 1);
  await allow('end');
  expect((await reader.ended).output).toBe('into the pipe\n');
  expect((await running.ended).code).toBe(0);
  expect(uploads.done).toEqual(['00000/1.stderr']);
});

test('an upload that is refused is logged once, retried, and does not affect the task', async () => {
  let refused = 0;
  uploads.meet = (request, reply) => {
    refused += 1;
    return refused <= 3 && denied(request, reply);
  };
  await world.submit(emptyTask({ executors: [command('echo told; wait end')] }));
  const running = start();
  await uploads.of(STDOUT, 1);
  await allow('end');
  const { code, events } = await running.ended;
  expect(code).toBe(0);
  expect(refused).toBe(4);
  expect(events.filter(({ event }) => event === 'live_log_not_written')).toEqual([
    expect.objectContaining({ name: '0.stdout', reason: expect.stringContaining('AccessDenied') }),
  ]);
  expect(await world.log('0.stdout')).toBe('told\n');
});

/** Resolves when an upload arrives. The upload is never answered. */
const holdUploads = () =>
  new Promise<void>((resolve) => {
    uploads.meet = (request) => {
      request.resume();
      resolve();
      return true;
    };
  });

test('the end of the task does not wait for an upload', async () => {
  const held = holdUploads();
  await world.submit(emptyTask({ executors: [command('echo slow; wait end')] }));
  const running = start();
  await held;
  await allow('end');
  const { code, events } = await running.ended;
  expect(code).toBe(0);
  expect(events.map(({ event }) => event)).not.toContain('live_log_not_written');
  expect((await world.result())?.record.executors[0]?.exitCode).toBe(0);
  expect(await world.log('0.stdout')).toBe('slow\n');
});

test('the stager ships nothing after SIGTERM and saves the whole log', async () => {
  await world.submit(
    emptyTask({
      executors: [
        command('trap "echo caught; exit 3" TERM; echo waiting; while :; do sleep 0.05; done'),
      ],
    }),
  );
  const running = start();
  await uploads.of(STDOUT, 1);
  running.child.kill('SIGTERM');
  expect((await running.ended).code).toBe(143);
  expect(await world.log('0.stdout')).toBe('waiting\ncaught\n');
  expect(uploads.done).toEqual([STDOUT]);
});

test('a short task ships nothing, and no task does without the setting', async () => {
  await world.submit(emptyTask({ executors: [command('echo short')] }));
  expect((await start(30_000).ended).code).toBe(0);
  expect((await start(0).ended).code).toBe(0);
  expect(uploads.done).toEqual([]);
});
