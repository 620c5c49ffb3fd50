/** The stager when a task fails, or cannot be prepared. */
import { judgeStager } from '../../core/retry/stager-reasons.ts';
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
    expect(await reason(1)).toContain('its URL must be s3://bucket/key, http(s)://…, or a path');
    const presigned = await reason(2);
    expect(presigned).toMatch(/HTTP 4\d\d/);
    expect(presigned).not.toContain('topsecret');
  });

  test('a file that is declared as a directory, and the reverse, are told apart from what is missing', async () => {
    await world.s3.put('data/fr/ref', 'a file');
    await world.s3.put('data/fr/ref-v2/x', 'of others');
    await world.s3.put('data/fr/tree/x', 'a file in a folder');
    const task = (url: string, type: 'FILE' | 'DIRECTORY') =>
      emptyTask({ inputs: [{ url, path: `${world.folder}/a`, type }] });
    await world.submit(
      task('s3://data/fr/ref', 'DIRECTORY'),
      task('s3://data/fr/tree', 'FILE'),
      task('s3://data/fr/re', 'DIRECTORY'),
      task('s3://data/fr/re', 'FILE'),
    );
    const failure = async (index: number) => {
      expect((await run({ AWS_BATCH_JOB_ARRAY_INDEX: String(index) })).code).toBe(120);
      const error = (await world.result(index))?.record.error;
      return error && judgeStager(error);
    };
    expect(await failure(0)).toEqual({
      kind: 'input-refused',
      sentence:
        'Input 1 of 1 s3://data/fr/ref could not be read: it is a file (an object) but is declared as DIRECTORY. Correct the type of the input, then submit the task again.',
    });
    expect(await failure(1)).toEqual({
      kind: 'input-refused',
      sentence:
        'Input 1 of 1 s3://data/fr/tree could not be read: it is a directory (a prefix of objects) but is declared as FILE. Correct the type of the input, then submit the task again.',
    });
    for (const index of [2, 3])
      expect(await failure(index)).toMatchObject({ kind: 'input-missing' });
  });

  test('a path that cannot be made is the task’s own fault', async () => {
    await world.s3.put('data/tree/a', 'a file');
    const at = (path: string) => emptyTask({ inputs: [{ content: 'x', path, type: 'FILE' }] });
    await world.submit(
      emptyTask({
        inputs: [
          { url: 's3://data/tree', path: `${world.folder}/t`, type: 'DIRECTORY' },
          { content: 'x', path: `${world.folder}/t/a/b`, type: 'FILE' },
        ],
      }),
      at('/proc/no/x'),
      emptyTask({ volumes: ['/proc/no'] }),
      emptyTask({ executors: [command('true', '/proc/no')] }),
      emptyTask({ executors: [command('true', world.folder, { stdin: '/no/such' })] }),
    );
    const kinds: unknown[] = [];
    for (const index of [0, 1, 2, 3, 4]) {
      await run({ AWS_BATCH_JOB_ARRAY_INDEX: String(index) });
      const record = (await world.result(index))?.record;
      kinds.push([record?.error && judgeStager(record.error).kind, record?.executors]);
    }
    expect(kinds).toEqual([
      ['input-refused', []],
      ['input-refused', []],
      ['path-refused', []],
      ['path-refused', []],
      ['path-refused', []],
    ]);
  });

  test('a file whose URL ends in a slash is told that the slash is wrong', async () => {
    await world.submit(
      emptyTask({
        outputs: [{ url: 's3://out/h/', path: `${world.folder}/a.txt`, type: 'DIRECTORY' }],
        executors: [command('echo x > a.txt', world.folder)],
      }),
    );
    expect((await run()).code).toBe(121);
    const error = (await world.result())?.record.error;
    expect(error && judgeStager(error)).toMatchObject({
      kind: 'output-refused',
      sentence: expect.stringContaining("Remove the '/' at the end of the output's URL"),
    });
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
