/** The stager when another job owns its submission, and at SIGTERM. */
import { existsSync } from 'node:fs';
import { watch } from 'node:fs/promises';
import { dirname } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readOwner, writeOwner } from '../../core/submission/owner-object.ts';
import { command, emptyTask, makeWorld, PREFIX, SECRET, useBuiltStager } from './stager-world.ts';
import type { Ended, World } from './stager-world.ts';

const stager = useBuiltStager();
let world: World;
beforeEach(async () => {
  world = await makeWorld();
});
afterEach(() => world.close());

const ownerNow = async (): Promise<string | undefined> =>
  readOwner(SECRET, (await world.s3.text(`${PREFIX}owner`)) ?? '');
const run = (env?: Record<string, string>): Promise<Ended> => world.start(stager, env).ended;

function gate(): { opened: Promise<void>; open: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { opened: promise, open: resolve };
}

/** Resolves when the file exists. */
async function until(path: string): Promise<void> {
  const watching = watch(dirname(path));
  try {
    if (existsSync(path)) return;
    for await (const _ of watching) if (existsSync(path)) return;
  } finally {
    await watching.return?.();
  }
}

describe('the fence', () => {
  test('of two jobs for one submission only the first has an effect', async () => {
    await world.submit(
      emptyTask({ executors: [command('echo ran >> ran; cat ran', world.folder)] }),
    );
    // The worst order: both see no owner, one writes its id, and only then the other writes.
    const bothAsked = gate();
    const firstIsOwner = gate();
    const seen = { GET: 0, PUT: 0 };
    world.s3.fault = (request, reply, name) => {
      const { method } = request;
      if (!name.endsWith('/owner') || (method !== 'GET' && method !== 'PUT')) return false;
      seen[method] += 1;
      if (method === 'GET' && seen.GET === 2) bothAsked.open();
      if (method === 'PUT' && seen.PUT === 1) reply.on('finish', firstIsOwner.open);
      const wait =
        method === 'GET'
          ? bothAsked.opened
          : seen.PUT === 2
            ? firstIsOwner.opened
            : Promise.resolve();
      void wait.then(() => world.s3.passOn(request, reply));
      return true;
    };
    const ended = await Promise.all([
      run({ AWS_BATCH_JOB_ID: 'twin-a' }),
      run({ AWS_BATCH_JOB_ID: 'twin-b' }),
    ]);
    expect(ended.map((one) => one.code).toSorted()).toEqual([0, 122]);
    const owner = await ownerNow();
    const late = ended.find((one) => one.code === 122);
    expect(owner).toBe(ended[0].code === 0 ? 'twin-a' : 'twin-b');
    expect(late?.events.map((one) => one['event'])).toEqual(['task_fenced']);
    expect(await world.log('0.stdout')).toBe('ran\n');
  });

  test('all children of one array and all attempts of Batch are one owner', async () => {
    await world.submit(
      emptyTask({ executors: [command('echo a', world.folder)] }),
      emptyTask({ executors: [command('echo b', world.folder)] }),
    );
    const codes = await Promise.all(
      ['0', '1'].map(
        async (index) =>
          (await run({ AWS_BATCH_JOB_ID: `job-9:${index}`, AWS_BATCH_JOB_ARRAY_INDEX: index }))
            .code,
      ),
    );
    expect(codes).toEqual([0, 0]);
    expect(await ownerNow()).toBe('job-9');
  });

  test('Batch’s second attempt runs if the first left no record, and does nothing if it left one', async () => {
    await world.submit(emptyTask({ executors: [command('echo ran', world.folder)] }));
    const second = { AWS_BATCH_JOB_ID: 'job-9', AWS_BATCH_JOB_ATTEMPT: '2' };
    expect((await run(second)).code).toBe(0);
    expect(await world.log('0.stdout', 0, 2)).toBe('ran\n');

    const third = await run({ ...second, AWS_BATCH_JOB_ATTEMPT: '3' });
    expect(third.code).toBe(0);
    expect(third.events.map((one) => one['event'])).toEqual(['task_recorded_before']);
    expect(await world.log('0.stdout', 0, 3)).toBeUndefined();
  });

  test('a job that loses its submission while it runs writes no output and no record', async () => {
    await world.submit(
      emptyTask({
        outputs: [{ url: 's3://out/x', path: `${world.folder}/x`, type: 'FILE' }],
        executors: [command(': > x', world.folder)],
      }),
    );
    world.s3.fault = (request, reply, name) => {
      if (!name.endsWith('/rc')) return false;
      world.s3.fault = undefined;
      void world.s3.put(`${PREFIX}owner`, writeOwner(SECRET, 'somebody-else'));
      request.resume();
      reply.writeHead(200).end();
      return true;
    };
    expect((await run()).code).toBe(122);
    expect(await world.result()).toBeUndefined();
    expect(await world.s3.text('out/x')).toBeUndefined();
  });
});

describe('SIGTERM', () => {
  test('a SIGTERM reaches the task, leaves its logs in S3, and writes no record', async () => {
    await world.submit(
      emptyTask({
        executors: [
          command(
            'trap "echo caught; exit 3" TERM; echo waiting; : > started; while :; do sleep 0.05; done',
            world.folder,
          ),
        ],
      }),
    );
    const running = world.start(stager);
    await until(`${world.folder}/started`);
    running.child.kill('SIGTERM');
    const { code } = await running.ended;
    expect(code).toBe(143);
    expect(await world.result()).toBeUndefined();
    expect(await world.log('0.stdout')).toBe('waiting\ncaught\n');
    expect(await world.log('rc')).toBe('[3]');
  });
});

test('a SIGTERM while inputs are fetched ends the task at once, without a record', async () => {
  const asked = new Promise<void>((resolve) => {
    // This input never comes.
    world.s3.fault = (_request, _reply, name) => name === 'data/slow' && (resolve(), true);
  });
  await world.submit(
    emptyTask({
      inputs: [{ url: 's3://data/slow', path: `${world.folder}/in`, type: 'FILE' }],
      executors: [command('touch ran', world.folder)],
    }),
  );
  const running = world.start(stager);
  await asked;
  const startedMs = Date.now();
  running.child.kill('SIGTERM');
  expect((await running.ended).code).toBe(143);
  expect(Date.now() - startedMs).toBeLessThan(3_000);
  expect(await world.result()).toBeUndefined();
});
