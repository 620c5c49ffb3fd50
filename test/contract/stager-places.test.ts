/** Which files are laid where, and which objects they become. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { command, emptyTask, makeWorld, useBuiltStager, type World } from './stager-world.ts';

const stager = useBuiltStager();
let world: World;
beforeEach(async () => {
  world = await makeWorld();
});
afterEach(() => world.close());

const run = async (index?: number): Promise<number | null> =>
  (
    await world.start(
      stager,
      index === undefined ? {} : { AWS_BATCH_JOB_ARRAY_INDEX: String(index) },
    ).ended
  ).code;

const input = (key: string, path: string, type: 'FILE' | 'DIRECTORY' = 'FILE') => ({
  url: `s3://data/${key}`,
  path: `${world.folder}/${path}`,
  type,
});
const output = (url: string, path: string, type: 'FILE' | 'DIRECTORY' = 'FILE') => ({
  url: `s3://out/${url}`,
  path: `${world.folder}/${path}`,
  type,
});

describe('inputs', () => {
  test('an input that is declared twice is fetched once', async () => {
    await world.s3.put('data/a', 'once');
    await world.s3.put('data/d/x', ' x');
    await world.submit(
      emptyTask({
        inputs: [
          input('a', 'in/a'),
          input('d', 'in/d', 'DIRECTORY'),
          input('a', 'in/a'),
          input('d/', 'in/d', 'DIRECTORY'),
        ],
        executors: [command('cat in/a in/d/x', world.folder)],
      }),
    );
    expect(await run()).toBe(0);
    expect(await world.log('0.stdout')).toBe('once x');
    const reads = world.s3.requests.filter((request) => /^GET data\/(?:a|d\/x)$/.test(request));
    expect(reads.toSorted()).toEqual(['GET data/a', 'GET data/d/x']);
    const sums = (await world.result())?.record.inputs?.sums;
    expect([sums?.length, sums?.[0] === sums?.[2], sums?.[1] === sums?.[3]]).toEqual([
      4,
      true,
      true,
    ]);
  });

  test('the last of several inputs at one path wins, also when it was declared before', async () => {
    await world.s3.put('data/a', 'a');
    await world.s3.put('data/b', 'b');
    for (const name of ['d', 'e']) await world.s3.put(`data/${name}/x`, name);
    await world.submit(
      emptyTask({
        inputs: [
          ...['a', 'b', 'a', 'a'].map((key) => input(key, 'in/file')),
          ...['d', 'e', 'd/'].map((key) => input(key, 'in/folder', 'DIRECTORY')),
        ],
        executors: [command('cat in/file in/folder/x', world.folder)],
      }),
    );
    expect(await run()).toBe(0);
    expect(await world.log('0.stdout')).toBe('ad');
  });

  test('content where a folder is fails the task with a sentence that says so', async () => {
    await world.s3.put('data/d/x/y', 'y');
    await world.submit(
      emptyTask({
        inputs: [
          input('d', 'in', 'DIRECTORY'),
          { content: 'text', path: `${world.folder}/in/x`, type: 'FILE' },
        ],
        executors: [command('true', world.folder)],
      }),
    );
    await run();
    const error = (await world.result())?.record.error;
    expect(error?.message).toContain('a folder is already at its path');
    expect(error?.transient).not.toBe(true);
  });

  test('files and folders are laid over the folder that they are in, in any order', async () => {
    for (const key of ['ref/x', 'ref/sub/y', 'ref/sub/z'])
      await world.s3.put(`data/${key}`, 'ref ');
    await world.s3.put('data/own', 'own ');
    await world.s3.put('data/sub/y', 'sub ');
    await world.s3.put('data/sub/z', 'sub ');
    const inputs = [
      input('ref', 'in/ref', 'DIRECTORY'),
      input('sub', 'in/ref/sub', 'DIRECTORY'),
      input('own', 'in/ref/sub/z'),
      { content: 'text ', path: `${world.folder}/in/ref/w`, type: 'FILE' as const },
    ];
    const executors = [command('cd in/ref; cat w x sub/y sub/z', world.folder)];
    await world.submit(
      emptyTask({ inputs, executors }),
      emptyTask({ inputs: inputs.toReversed(), executors }),
    );
    for (const index of [0, 1]) {
      expect(await run(index)).toBe(0);
      expect(await world.log('0.stdout', index)).toBe('text ref sub own ');
    }
  });

  test('an empty folder is made, and keys that no file system can hold are named', async () => {
    await world.s3.put('data/empty/', '');
    await world.s3.put('data/bytes/sub/', 'not empty');
    await world.s3.put('data/both/a', 'file');
    await world.s3.put('data/both/a.b', 'between');
    await world.s3.put('data/both/a/b', 'below');
    const executors = [command('ls -A in', world.folder)];
    await world.submit(
      emptyTask({ inputs: [input('empty', 'in/empty', 'DIRECTORY')], executors }),
      emptyTask({ inputs: [input('bytes', 'in/bytes', 'DIRECTORY')], executors }),
      emptyTask({ inputs: [input('both', 'in/both', 'DIRECTORY')], executors }),
      emptyTask({ inputs: [input('bytes/sub', 'in/sub', 'DIRECTORY')], executors }),
      emptyTask({ inputs: [input('nothing', 'in/nothing', 'DIRECTORY')], executors }),
    );
    expect([await run(0), await world.log('0.stdout', 0)]).toEqual([0, 'empty\n']);
    const said = async (index: number) => {
      expect(await run(index)).toBe(120);
      return (await world.result(index))?.record.error;
    };
    expect(await said(1)).toMatchObject({
      declared: true,
      message: expect.stringContaining(`the key "bytes/sub/" ends in '/'`) as string,
    });
    expect((await said(2))?.message).toContain(
      '"both/a" is the key of an object and also a folder',
    );
    expect((await said(3))?.message).toContain('it holds 9 bytes');
    expect((await said(4))?.message).toContain('no key begins with "nothing/"');
  });

  test('a file whose place is taken by a folder fails with a reason that names the path', async () => {
    await world.s3.put('data/ref/x/y', 'y');
    await world.s3.put('data/own', 'own');
    await world.submit(
      emptyTask({
        inputs: [input('own', 'in/ref/x'), input('ref', 'in/ref', 'DIRECTORY')],
        executors: [command('true', world.folder)],
      }),
    );
    expect(await run()).toBe(120);
    expect((await world.result())?.record.error?.message).toContain(
      `a folder is already at its path ${world.folder}/in/ref/x`,
    );
  });
});

test('file names of 255 bytes arrive in both directions, and a key that is too long is named', async () => {
  const [ascii, accents] = ['n'.repeat(255), `${'é'.repeat(127)}x`];
  await world.s3.put(`data/${ascii}`, 'ascii');
  await world.s3.put(`data/d/${accents}`, 'accents');
  const deep = Array.from({ length: 5 }, () => 'p'.repeat(220)).join('/');
  await world.submit(
    emptyTask({
      inputs: [input(ascii, `in/${ascii}`), input('d', 'in/d', 'DIRECTORY')],
      outputs: [output('in', 'in', 'DIRECTORY'), output(ascii, `in/${ascii}`)],
      executors: [command('ls -A in in/d', world.folder)],
    }),
    emptyTask({
      outputs: [output('deep', 'deep', 'DIRECTORY'), output('kept', 'kept')],
      executors: [
        command(`mkdir -p deep/${deep}; echo x > deep/${deep}/x; echo k > kept`, world.folder),
      ],
    }),
  );
  expect(await run(0)).toBe(0);
  expect(await world.log('0.stdout', 0)).toBe(`in:\nd\n${ascii}\n\nin/d:\n${accents}\n`);
  expect(await world.s3.text(`out/in/d/${accents}`)).toBe('accents');
  expect(await world.s3.text(`out/in/${ascii}`)).toBe('ascii');
  expect(await world.s3.text(`out/${ascii}`)).toBe('ascii');
  expect(await run(1)).toBe(121);
  const { error, outputs } = (await world.result(1))?.record ?? {};
  expect(error).toMatchObject({ kind: 'output', declared: true });
  expect(error?.message).toMatch(
    /could not be written: its key would have 1111 bytes, and S3 allows at most 1024\. Shorten/,
  );
  expect(outputs?.map(({ path, output: at }) => [at, path])).toEqual([[1, '']]);
});

describe('outputs', () => {
  test('empty folders are objects without bytes whose keys end in a slash', async () => {
    await world.submit(
      emptyTask({
        outputs: [
          output('tree', 'e', 'DIRECTORY'),
          output('empty', 'empty', 'DIRECTORY'),
          { ...output('globs', 'g?', 'DIRECTORY'), path_prefix: `${world.folder}/g` },
        ],
        executors: [
          command(
            'mkdir -p e/logs/old e/logs/new empty g1 g2; echo 1 > e/x; echo 1 > e/logs/new/y; echo 2 > g2/z',
            world.folder,
          ),
        ],
      }),
    );
    expect(await run()).toBe(0);
    const record = (await world.result())?.record;
    const none = {
      sizeBytes: 0,
      crc64nvme: 'AAAAAAAAAAA=',
      etag: 'd41d8cd98f00b204e9800998ecf8427e',
    };
    expect(record?.outputs.map(({ output: at, path }) => [at, path])).toEqual([
      [0, 'logs/new/y'],
      [0, 'logs/old/'],
      [0, 'x'],
      [1, '/'],
      [2, '1/'],
      [2, '2/z'],
    ]);
    expect(record?.outputs[1]).toMatchObject(none);
    expect(record?.outputs[3]).toMatchObject(none);
    expect(await world.s3.names('out/')).toEqual([
      'out/empty/',
      'out/globs/1/',
      'out/globs/2/z',
      'out/tree/logs/new/y',
      'out/tree/logs/old/',
      'out/tree/x',
    ]);
  });

  test('two files that would become one object fail the outputs that they are in, and no other', async () => {
    const glob = (path: string, url: string) => ({
      ...output(url, path),
      path_prefix: `${world.folder}/${path.slice(0, path.indexOf('*'))}`,
    });
    const executors = [
      command('mkdir -p a b; echo 1 > a/x; echo 2 > b/x; echo 3 > b/y; echo 4 > z', world.folder),
    ];
    await world.submit(
      emptyTask({ outputs: [glob('a/*', 'o'), glob('b/*', 'o'), output('z', 'z')], executors }),
      emptyTask({ outputs: [output('o', 'b', 'DIRECTORY'), output('o/y', 'a/x')], executors }),
      emptyTask({
        outputs: [output('o', 'b', 'DIRECTORY'), output('o/y', 'b/y'), output('o/y', 'b/y')],
        executors,
      }),
    );
    const ended = async (index: number) => {
      const code = await run(index);
      const record = (await world.result(index))?.record;
      return { code, error: record?.error, outputs: record?.outputs.map(({ path }) => path) };
    };
    const { folder } = world;
    expect(await ended(0)).toEqual({
      code: 121,
      outputs: [''],
      error: {
        kind: 'output',
        subject: 's3://out/o/x',
        declared: true,
        message: expect.stringContaining(
          `two files would be written to s3://out/o/x: ${folder}/a/x of output 1 and ${folder}/b/x of output 2`,
        ) as string,
      },
    });
    expect(await ended(1)).toMatchObject({
      code: 121,
      outputs: [],
      error: { subject: 's3://out/o/y' },
    });
    expect(await ended(2)).toEqual({ code: 0, error: undefined, outputs: ['x', 'y', '', ''] });
    const writes = world.s3.requests.filter((request) => request === 'PUT out/o/y');
    expect(writes).toHaveLength(1);
  });

  test('a path without path_prefix is a name, whatever is in it', async () => {
    await world.submit(
      emptyTask({
        outputs: [output('s[1].txt', 'new*/s[1].txt'), output('back\\slash', 'a\\b?')],
        executors: [command(`echo x > 'new*/s[1].txt'; echo y > 'a\\b?'`, world.folder)],
      }),
      emptyTask({
        outputs: [{ ...output('g', 'lit\\[x\\]/*.t\\*t'), path_prefix: `${world.folder}/lit[x]/` }],
        executors: [command(`echo x > 'lit[x]/1.t*t'; echo y > 'lit[x]/2.txt'`, world.folder)],
      }),
    );
    expect([await run(0), await run(1)]).toEqual([0, 0]);
    expect(await world.s3.text('out/s[1].txt')).toBe('x\n');
    expect(await world.s3.text('out/back\\slash')).toBe('y\n');
    expect(await world.s3.names('out/g/')).toEqual(['out/g/1.t*t']);
  });
});
