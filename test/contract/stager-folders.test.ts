import { mkdir, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { emptyTask, makeWorld, shell, useBuiltStager, type World } from './stager-world.ts';

const stager = useBuiltStager();
let world: World;
beforeAll(async () => {
  world = await makeWorld();
});
afterAll(() => world.close());

test('the rc of an output folder is written last, because watchers of the folder read it as the end', async () => {
  await world.submit(
    emptyTask({
      outputs: [
        { url: 's3://out/execution', path: `${world.folder}/execution`, type: 'DIRECTORY' },
      ],
      executors: [
        {
          ...shell(
            'mkdir execution && cd execution && echo 0 > rc && mkdir z && for i in 1 2 3 4 5 6 7 8; do head -c 200000 /dev/zero > z/$i; done',
          ),
          workdir: world.folder,
        },
      ],
    }),
  );
  expect((await world.start(stager).ended).code).toBe(0);
  const writes = world.s3.requests.filter((request) => request.startsWith('PUT out/'));
  expect([writes.length, writes.at(-1)]).toEqual([9, 'PUT out/execution/rc']);
});

test('a path that the task already sees is an input in place, and an unseen path or another target is an error', async () => {
  const path = `${world.folder}/shared`;
  await mkdir(path);
  await writeFile(`${path}/x`, 'here');
  const task = (url: string, type: 'FILE' | 'DIRECTORY', to: string) =>
    emptyTask({ inputs: [{ url, path: to, type }], executors: [shell(`cat ${path}/x`)] });
  await world.submit(
    task(`file://${path}/`, 'DIRECTORY', path),
    task(`${path}/x`, 'FILE', `${path}/x`),
    task(`file://${path}`, 'FILE', path),
    task(`${path}/x`, 'DIRECTORY', `${path}/x`),
    task(`${path}/gone`, 'FILE', `${path}/gone`),
    task(`${path}/x`, 'FILE', `${path}/y`),
  );
  const run = async (index: number) =>
    (await world.start(stager, { AWS_BATCH_JOB_ARRAY_INDEX: String(index) }).ended).code;
  const reason = async (index: number) => [
    await run(index),
    (await world.result(index))?.record.error?.message,
  ];
  expect([await run(0), await run(1)]).toEqual([0, 0]);
  expect([await world.log('0.stdout', 0), await world.log('0.stdout', 1)]).toEqual([
    'here',
    'here',
  ]);
  expect(await reason(2)).toEqual([120, expect.stringContaining('it is a directory')]);
  expect(await reason(3)).toEqual([120, expect.stringContaining('is not one')]);
  expect(await reason(4)).toEqual([120, expect.stringContaining('ENOENT')]);
  expect(await reason(5)).toEqual([
    120,
    expect.stringContaining('is not in a folder that hosts share with tasks (there are none)'),
  ]);
});

test('an output without a prefix is the file of its name, whatever characters of a pattern the name has', async () => {
  const names = ['odd [1] {2}~.txt', 'all*', '[ab]/what?', String.raw`a\b[1]`];
  const folder = `${world.folder}/literal`;
  await world.submit(
    emptyTask({
      outputs: names.map((name) => ({
        url: `s3://out/literal/${name}`,
        path: `${folder}/${name}`,
        type: 'FILE',
      })),
      executors: [
        shell(names.map((name) => `printf '%s\\n' '${name}' > '${folder}/${name}'`).join('\n')),
        shell(`echo no > '${folder}/odd 1 {2}~.txt'; echo no > '${folder}/all of them'`),
      ],
    }),
  );
  expect((await world.start(stager).ended).code).toBe(0);
  expect((await world.result())?.record).toMatchObject({ missingOutputs: [] });
  for (const name of names)
    expect(await world.s3.text(`out/literal/${name}`), name).toBe(`${name}\n`);
});
