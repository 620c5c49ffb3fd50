/** The stager when a task fails, or cannot be prepared. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { denied } from './s3-between.ts';
import { command, emptyTask, makeWorld, useBuiltStager } from './stager-world.ts';
import type { Ended, World } from './stager-world.ts';

const stager = useBuiltStager();
let world: World;
beforeEach(async () => {
  world = await makeWorld();
});
afterEach(() => world.close());

const run = (env?: Record<string, string>): Promise<Ended> => world.start(stager, env).ended;

describe('the stager with a failing task', () => {
  test('a failed executor gives its exit code and its logs, and no output is written', async () => {
    await world.submit(
      emptyTask({
        outputs: [{ url: 's3://out/x', path: `${world.folder}/x`, type: 'FILE' }],
        executors: [
          command('echo told; echo why >&2; : > x; exit 7', world.folder),
          command('echo never', world.folder),
        ],
      }),
    );
    const { code } = await run();
    expect(code).toBe(7);
    expect((await world.result())?.record).toMatchObject({
      executors: [{ exitCode: 7 }],
      outputs: [],
    });
    expect(await world.log('rc')).toBe('[7]');
    expect(await world.log('0.stdout')).toBe('told\n');
    expect(await world.log('0.stderr')).toBe('why\n');
    expect(await world.s3.text('out/x')).toBeUndefined();
  });

  test('a command killed by a signal ends with 128 + the signal, and a missing command with 127 and a reason', async () => {
    await world.submit(
      emptyTask({ executors: [command('kill -9 $$', world.folder)] }),
      emptyTask({ executors: [{ image: 'none', command: ['no-such-program', '-x'] }] }),
    );
    expect((await run({ AWS_BATCH_JOB_ARRAY_INDEX: '0' })).code).toBe(137);
    expect((await run({ AWS_BATCH_JOB_ARRAY_INDEX: '1' })).code).toBe(127);
    expect(await world.log('0.stderr', 1)).toContain('no-such-program is not on the PATH');
  });

  test('a missing input is reported with its URL and the reason, and nothing runs', async () => {
    await world.s3.put('data/there', 'x');
    await world.submit(
      emptyTask({
        inputs: [
          { url: 's3://data/there', path: `${world.folder}/a`, type: 'FILE' },
          { name: 'reads', url: 's3://data/gone.fq', path: `${world.folder}/b`, type: 'FILE' },
        ],
        executors: [command('touch ran', world.folder)],
      }),
    );
    expect((await run()).code).toBe(120);
    expect((await world.result())?.record.error).toEqual({
      kind: 'input',
      subject: 's3://data/gone.fq',
      message:
        'Input 2 of 2 (reads) s3://data/gone.fq could not be read: NoSuchKey: The specified key does not exist.',
    });
    expect((await world.result())?.record.executors).toEqual([]);
  });

  test('an empty input folder and an unsupported URL are errors, and the secret of a presigned URL stays hidden', async () => {
    const task = (url: string, type: 'FILE' | 'DIRECTORY') =>
      emptyTask({ inputs: [{ url, path: `${world.folder}/a`, type }] });
    const secret = `${world.s3.url}/data/gone?X-Amz-Signature=topsecret`;
    await world.submit(
      task('s3://data/nothing', 'DIRECTORY'),
      task('ftp://host/x', 'FILE'),
      task(secret, 'FILE'),
    );
    const reason = async (index: number) => {
      expect((await run({ AWS_BATCH_JOB_ARRAY_INDEX: String(index) })).code).toBe(120);
      return (await world.result(index))?.record.error?.message ?? '';
    };
    expect(await reason(0)).toContain('no object has this prefix');
    expect(await reason(1)).toContain('its URL must be s3://bucket/key or http(s)://…');
    const presigned = await reason(2);
    expect(presigned).toMatch(/HTTP 4\d\d/);
    expect(presigned).not.toContain('topsecret');
  });

  test('an output that cannot be written is reported after rc and logs are in S3', async () => {
    await world.submit(
      emptyTask({
        outputs: [{ url: 's3://out/x', path: `${world.folder}/x`, type: 'FILE' }],
        executors: [command('mkdir x; echo done', world.folder)],
      }),
    );
    expect((await run()).code).toBe(121);
    expect((await world.result())?.record.error).toMatchObject({
      kind: 'output',
      subject: 's3://out/x',
    });
    expect((await world.result())?.record.error?.message).toContain(
      'is declared as FILE but is a directory',
    );
    expect(await world.log('0.stdout')).toBe('done\n');
  });

  test('an index that the manifest lacks and a script that does not match its name are reported in the record', async () => {
    await world.submit(emptyTask({ executors: [command('true', world.folder)] }));
    expect((await run({ AWS_BATCH_JOB_ARRAY_INDEX: '3' })).code).toBe(123);
    expect((await world.result(3))?.record.error?.message).toContain(
      'ends before its entry for index 3',
    );
    for (const name of await world.s3.names('work/scripts/'))
      await world.s3.put(name, 'echo other');
    expect((await run()).code).toBe(123);
    expect((await world.result())?.record.error?.message).toContain('does not match its name');
  });
});

test('a result record that cannot be written fails the attempt', async () => {
  world.s3.fault = (request, reply, name) => {
    if (!name.includes('/results/')) return false;
    return denied(request, reply);
  };
  await world.submit(emptyTask({ executors: [command('true', world.folder)] }));
  expect((await run()).code).toBe(121);
  expect(await world.log('rc')).toBe('[0]');
});

test('a scratch folder that cannot be created is reported in the record', async () => {
  await world.submit(emptyTask({ executors: [command('true', world.folder)] }));
  expect((await run({ BATCHWELL_SCRATCH: `${stager[1]}/folder` })).code).toBe(123);
  expect((await world.result())?.record.error?.message).toContain('ENOTDIR');
});
