import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ResultRecord } from '../../core/result/result.ts';
import { command, emptyTask, makeWorld, useBuiltStager, type World } from './stager-world.ts';

const stager = useBuiltStager();
let world: World;
beforeAll(async () => {
  world = await makeWorld();
});
afterAll(() => world.close());

/** A task whose output is the folder `d`, which the script fills. */
const folderOf = (script: string, more: object = {}) => ({
  outputs: [{ url: 's3://out/d', path: `${world.folder}/d`, type: 'DIRECTORY' as const }],
  executors: [command(`mkdir d; cd d; ${script}`, world.folder)],
  ...more,
});

const filled = async (script: string): Promise<ResultRecord | undefined> => {
  await world.close();
  world = await makeWorld();
  await world.submit(emptyTask(folderOf(script)));
  expect((await world.start(stager).ended).code).toBe(0);
  return (await world.result())?.record;
};
const pathsOf = (record: ResultRecord | undefined): string[] | undefined =>
  record?.outputs.map(({ path }) => path);

describe('links in an output folder', () => {
  test('lead to inputs, volumes, working directories, and what the command made', async () => {
    await world.s3.put('data/ref.fa', 'ACGT');
    await world.submit(
      emptyTask({
        ...folderOf(
          `echo own > own.txt; mkdir -p ../scratch/deep; echo s > ../scratch/deep/s.txt; echo v > ../vol/v.txt;
           ln -s ${world.folder}/in/ref.fa ref.fa; ln -s ../scratch scratch; ln -s ${world.folder}/vol vol`,
        ),
        inputs: [{ url: 's3://data/ref.fa', path: `${world.folder}/in/ref.fa`, type: 'FILE' }],
        volumes: [`${world.folder}/vol`],
      }),
    );
    expect((await world.start(stager).ended).code).toBe(0);
    const record = (await world.result())?.record;
    expect([pathsOf(record), record?.leftOut]).toEqual([
      ['own.txt', 'ref.fa', 'scratch/deep/s.txt', 'vol/v.txt'],
      undefined,
    ]);
    expect(await world.s3.text('out/d/ref.fa')).toBe('ACGT');
    expect(await world.s3.text('out/d/scratch/deep/s.txt')).toBe('s\n');
  });

  test('that lead elsewhere, and whatever else is no file, are named', async () => {
    const socket = `require('net').createServer().listen('socket', () => process.kill(process.pid, 9))`;
    const record = await filled(
      `echo x > x; ln -s /etc/passwd passwd; ln -s /etc etc; ln -s gone dangling; ln -s loop loop; ln -s . self;
       mkdir below; ln -s .. below/up; mkfifo pipe; ln -s pipe piped; ${process.execPath} -e "${socket}";
       : > "$(printf 'caf\\351.txt')"; mkdir "$(printf 'd\\377')"`,
    );
    expect(pathsOf(record)).toEqual(['below/', 'x']);
    expect(record?.leftOut).toHaveLength(1);
    const [said = ''] = record?.leftOut ?? [];
    expect(said).toMatch(/^Of the output \S+\/d, 11 entries were not written: /);
    const d = `${world.folder}/d`;
    for (const [name, why] of [
      ['passwd', 'a link to /etc/passwd, which is not a file of the task'],
      ['etc', 'a link to /etc, which is not a file of the task'],
      ['dangling', 'a link to gone, which does not exist'],
      ['loop', 'a link to loop, which leads back to itself'],
      ['self', `a link to ${d}, which contains it`],
      ['below/up', `a link to ${d}, which contains it`],
      ['pipe', 'a named pipe'],
      ['piped', `a link to ${d}/pipe, a named pipe`],
      ['socket', 'a socket'],
      ['caf\\xe9.txt', 'its name is not UTF-8'],
      ['d\\xff', 'its name is not UTF-8'],
    ])
      expect(said).toContain(`${JSON.stringify(`${d}/${name}`)} (${why})`);
  });

  test('to one folder are followed once beside its own place, so that a tree of links ends', async () => {
    const record = await filled(
      `mkdir a ../far; echo x > a/x; echo y > ../far/y; ln -s a b; ln -s a c; ln -s ../far far1; ln -s ../far far2;
       ln -s ../d/../far ../far/again`,
    );
    expect(pathsOf(record)).toEqual(['a/x', 'b/x', 'far1/y']);
    expect(record?.leftOut?.[0]).toMatch(
      /3 entries were not written: .*\/c" .*\/far1\/again" .*\/far2"/,
    );
  });

  test('of many kinds make a sentence that stays short', async () => {
    const record = await filled('for n in $(seq 1000 2253); do ln -s gone $n; done; echo x > x');
    const [said = ''] = record?.leftOut ?? [];
    expect(said).toMatch(/, 1,254 entries were not written: .*\/1000" .*, and 1,2\d\d more\.$/);
    expect(said.length).toBeLessThan(2000);
  });
});

test('what a pattern matches and cannot be written is named, and a chosen type is no reason', async () => {
  await world.close();
  world = await makeWorld();
  const { folder } = world;
  const output = (path: string, type: 'FILE' | 'DIRECTORY', url: string) => ({
    url,
    path: `${folder}/${path}`,
    path_prefix: folder,
    type,
  });
  await world.submit(
    emptyTask({
      outputs: [
        output('m/*', 'FILE', 's3://out/files'),
        output('m/*', 'DIRECTORY', 's3://out/folders'),
        output('m/no*', 'FILE', 's3://out/none'),
      ],
      executors: [
        command(
          `mkdir -p m/empty m/full; echo f > m/f; echo g > m/full/g; ln -s gone m/dangling; mkfifo m/pipe;
           : > "$(printf 'm/\\351')"`,
          folder,
        ),
      ],
    }),
  );
  expect((await world.start(stager).ended).code).toBe(0);
  const record = (await world.result())?.record;
  expect(record?.outputs.map(({ output: at, path }) => [at, path])).toEqual([
    [0, 'm/f'],
    [1, 'm/empty/'],
    [1, 'm/full/g'],
  ]);
  expect(record?.missingOutputs).toEqual([2]);
  expect(record?.leftOut).toHaveLength(2);
  expect(record?.leftOut?.[0]).toContain('3 entries were not written');
  for (const name of ['m/dangling', 'm/pipe', 'm/\\xe9'])
    expect(record?.leftOut?.[0]).toContain(JSON.stringify(`${folder}/${name}`));
});
