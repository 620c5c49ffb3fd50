/** Inputs and outputs in folders that hosts share with tasks: another path than in the container. */
import {
  chmod,
  link,
  lstat,
  mkdir,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  truncate,
  watch,
  writeFile,
} from 'node:fs/promises';
import { anyRoom, type Room } from '../../stager/room.ts';
import { openSharedFolders } from '../../stager/shared-folders.ts';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { isLong } from '../long.ts';
import { SHARED_VARIABLE } from '../../core/container/container.ts';
import type { TaskSpec } from '../../core/task/task.ts';
import { emptyTask, makeWorld, shell, useBuiltStager, type World } from './stager-world.ts';

const stager = useBuiltStager();
let world: World;
/** One of two shared folders; both are new for each test. */
let shared: string;
let second: string;
/** The task's own. */
let work: string;
beforeAll(async () => {
  world = await makeWorld();
});
afterAll(() => world.close());
let number = 0;
beforeEach(async () => {
  number += 1;
  [shared, second, work] = ['shared', 'second', 'work'].map(
    (name) => `${world.folder}/${number}/${name}`,
  ) as [string, string, string];
  for (const folder of [shared, second, work]) await mkdir(folder, { recursive: true });
});

let submissions = 0;
async function run(task: Partial<TaskSpec>): Promise<{ code: number | null; error?: string }> {
  const index = submissions;
  submissions += 1;
  // Of one submission, because the first job owns it.
  await world.submit(...Array.from({ length: index + 1 }, () => emptyTask(task)));
  const { code } = await world.start(stager, {
    AWS_BATCH_JOB_ARRAY_INDEX: String(index),
    [SHARED_VARIABLE]: JSON.stringify([shared, second]),
  }).ended;
  const error = (await world.result(index))?.record.error?.message;
  return { code, ...(error !== undefined && { error }) };
}
const record = async () => (await world.result(submissions - 1))?.record;

const input = (url: string, path: string, type: 'FILE' | 'DIRECTORY' = 'FILE') => ({
  url,
  path,
  type,
});
const leftovers = async (folder: string): Promise<string[]> =>
  (await readdir(folder, { recursive: true })).filter((name) => name.includes('batchwell'));
const CRC_OF_HELLO = 'M3eFcAZSQlc=';

describe('an input in a shared folder', () => {
  test('a file is copied to its path, by path and by file:// URL, and stays as it is', async () => {
    await writeFile(`${shared}/in.txt`, 'hello');
    await writeFile(`${shared}/tool`, '#!/bin/sh\necho ran');
    await chmod(`${shared}/tool`, 0o755);
    expect(
      await run({
        inputs: [
          input(`${shared}/in.txt`, `${work}/deep/a.txt`),
          input(`file://${shared}//./in.txt`, `${work}/${'n'.repeat(255)}`),
          input(`${shared}/tool`, `${work}/tool`),
        ],
        executors: [
          shell(
            `cd ${work} && cat deep/a.txt; echo; cat ${'n'.repeat(255)}; echo; ./tool && echo more >> deep/a.txt`,
          ),
        ],
      }),
    ).toEqual({ code: 0 });
    expect(await world.log('0.stdout', submissions - 1)).toBe('hello\nhello\nran\n');
    expect(await readFile(`${shared}/in.txt`, 'utf8'), 'the task changes its copy').toBe('hello');
    expect(await leftovers(work)).toEqual([]);
  });

  test('a folder is copied with its empty folders, and links within the shared folders are followed', async () => {
    await mkdir(`${shared}/dir/a/empty`, { recursive: true });
    await writeFile(`${shared}/dir/a/x y`, 'x');
    await writeFile(`${shared}/dir/.hidden`, 'h');
    await writeFile(`${shared}/dir/.AAAAAAAAAAAA.batchwell-part`, 'of another task');
    await writeFile(`${second}/far`, 'far\n');
    await symlink(`${second}/far`, `${shared}/dir/link`);
    await symlink('a', `${shared}/dir/again`);
    expect(
      await run({
        inputs: [input(`${shared}/dir/`, `${work}/in`, 'DIRECTORY')],
        executors: [
          shell(`cd ${work}/in && find . | sort && cat link "again/x y" && test ! -L link`),
        ],
      }),
    ).toEqual({ code: 0 });
    expect(await world.log('0.stdout', submissions - 1)).toBe(
      '.\n./.hidden\n./a\n./a/empty\n./a/x y\n./again\n./again/empty\n./again/x y\n./link\nfar\nx',
    );
  });

  test('a path or a link that leads out of the shared folders fails with both names', async () => {
    await writeFile(`${work}/secret`, 'secret');
    await symlink(`${work}/secret`, `${shared}/link`);
    await mkdir(`${shared}/dir`);
    await symlink(work, `${shared}/dir/out`);
    await symlink('/proc/self/environ', `${shared}/environ`);
    const failed = async (
      url: string,
      type: 'FILE' | 'DIRECTORY' = 'FILE',
      path = `${work}/to`,
    ) => {
      const ran = await run({ inputs: [input(url, path, type)], executors: [shell('echo ran')] });
      expect(ran.code, url).toBe(120);
      expect(await world.log('0.stdout', submissions - 1)).toBeUndefined();
      return ran.error;
    };
    const outside = 'which is not in a folder that hosts share with tasks';
    expect(await failed(`${shared}/link`)).toContain(
      `${shared}/link leads to ${work}/secret, ${outside}`,
    );
    expect(await failed(`${shared}/dir`, 'DIRECTORY')).toContain(
      `${shared}/dir/out leads to ${work}, ${outside}`,
    );
    expect(await failed(`${shared}/environ`)).toContain(outside);
    expect(await failed(`${work}/secret`)).toContain(
      'is not in a folder that hosts share with tasks',
    );
    expect(await failed(`${shared}/link`, 'FILE', `${shared}/link`), 'in place').toContain(outside);
    expect(await failed(`${shared}/none`)).toContain('ENOENT');
    expect(await failed(`${shared}/dir`)).toContain('is a directory');
    expect(await failed(`${work}/secret`.replace('/work/', '/shared/../work/'))).toContain('s3://');
  });

  test('a folder that cannot be copied whole fails with the reason', async () => {
    const failed = async (name: string): Promise<string | undefined> => {
      const ran = await run({
        inputs: [input(`${shared}/${name}`, `${work}/${name}`, 'DIRECTORY')],
        executors: [shell('true')],
      });
      expect(ran.code, name).toBe(120);
      return ran.error;
    };
    for (const name of ['loop', 'dangling', 'pipe', 'bytes']) await mkdir(`${shared}/${name}`);
    await symlink('..', `${shared}/loop/up`);
    await symlink('.', `${shared}/loop/self`);
    await symlink('nothing', `${shared}/dangling/link`);
    expect(await failed('loop')).toContain('leads to a folder above it');
    expect(await failed('dangling')).toContain('ENOENT');
    await writeFile(Buffer.concat([Buffer.from(`${shared}/bytes/`), Buffer.from([0xff])]), 'x');
    expect(await failed('bytes')).toContain('is not UTF-8');
    await writeFile(`${shared}/file`, 'x');
    expect(await failed('file')).toContain('is declared as DIRECTORY but is not one');
    const itself = await run({
      inputs: [input(shared, `${shared}/copy`, 'DIRECTORY')],
      executors: [shell('true')],
    });
    expect(itself.error).toContain('cannot be copied into itself');
  });
});

describe('an output to a shared folder', () => {
  test('files, folders and matches of a pattern are written, and recorded with size and checksum', async () => {
    const name = `${'ü'.repeat(127)}x`;
    expect(
      await run({
        outputs: [
          { url: `${shared}/new/folder/out.txt`, path: `${work}/out.txt`, type: 'FILE' },
          { url: `file://${shared}/${name}`, path: `${work}/out.txt`, type: 'FILE' },
          { url: `${shared}/tree/`, path: `${work}/tree`, type: 'DIRECTORY' },
          { url: `${second}/matches`, path: `${work}/*.log`, path_prefix: work, type: 'FILE' },
          { url: `${shared}/missing`, path: `${work}/missing`, type: 'FILE' },
          { url: 's3://out/both', path: `${work}/out.txt`, type: 'FILE' },
        ],
        executors: [
          shell(
            `cd ${work}; printf hello > out.txt; mkdir -p tree/a; printf x > tree/a/b; chmod 755 tree/a/b; printf l > 1.log`,
          ),
        ],
      }),
    ).toEqual({ code: 0 });
    expect(await readFile(`${shared}/new/folder/out.txt`, 'utf8')).toBe('hello');
    expect(await readFile(`${shared}/${name}`, 'utf8')).toBe('hello');
    expect((await stat(`${shared}/tree/a/b`)).mode & 0o777).toBe(0o755);
    expect(await readFile(`${second}/1.log`, 'utf8').catch(() => '')).toBe('');
    expect(await readFile(`${second}/matches/1.log`, 'utf8')).toBe('l');
    expect(await world.s3.text('out/both')).toBe('hello');
    expect(await record()).toMatchObject({
      missingOutputs: [4],
      outputs: expect.arrayContaining([
        { output: 0, path: '', sizeBytes: 5, crc64nvme: CRC_OF_HELLO, etag: '' },
        { output: 2, path: 'a/b', sizeBytes: 1, crc64nvme: expect.any(String), etag: '' },
        // S3 has computed this one itself.
        expect.objectContaining({ output: 5, crc64nvme: CRC_OF_HELLO }),
      ]),
    });
    expect([...(await leftovers(shared)), ...(await leftovers(second))]).toEqual([]);
  });

  test('what is at the place is replaced by a rename, so that readers see the old or the new file', async () => {
    await writeFile(`${shared}/out`, 'old');
    await link(`${shared}/out`, `${shared}/reader`);
    await writeFile(`${work}/elsewhere`, 'stays');
    await symlink(`${work}/elsewhere`, `${shared}/link`);
    const outputs = ['out', 'link'].map((name) => ({
      url: `${shared}/${name}`,
      path: `${work}/out`,
      type: 'FILE' as const,
    }));
    expect(await run({ outputs, executors: [shell(`printf hello > ${work}/out`)] })).toEqual({
      code: 0,
    });
    expect(await readFile(`${shared}/out`, 'utf8')).toBe('hello');
    expect(await readFile(`${shared}/reader`, 'utf8')).toBe('old');
    expect(await readFile(`${work}/elsewhere`, 'utf8')).toBe('stays');
    expect((await lstat(`${shared}/link`)).isFile()).toBe(true);
  });

  test('an output that the task wrote in place is recorded, and a link to the scratch becomes a file', async () => {
    const outputs = [
      { url: `${shared}/out`, path: `${shared}/out`, type: 'FILE' as const },
      { url: shared, path: shared, type: 'DIRECTORY' as const },
      { url: `${second}/out`, path: `${work}/out`, type: 'FILE' as const },
    ];
    expect(
      await run({
        outputs,
        executors: [
          shell(
            `printf hello > ${shared}/out; printf hello > ${work}/out; ln -s ${work}/out ${second}/out`,
          ),
        ],
      }),
    ).toEqual({ code: 0 });
    const file = { sizeBytes: 5, crc64nvme: CRC_OF_HELLO, etag: '' };
    expect((await record())?.outputs).toEqual([
      { output: 0, path: '', ...file },
      { output: 1, path: 'out', ...file },
      { output: 2, path: '', ...file },
    ]);
    expect((await lstat(`${second}/out`)).isFile()).toBe(true);
  });

  test('an input that is written back to its URL keeps its file while its bytes are the same', async () => {
    await writeFile(`${shared}/same`, 'same');
    await writeFile(`${shared}/other`, 'same');
    const { ino } = await stat(`${shared}/same`);
    const files = ['same', 'other'].map((name) => input(`${shared}/${name}`, `${work}/${name}`));
    const outputs = files.map((file) => ({ ...file }));
    expect(
      await run({ inputs: files, outputs, executors: [shell(`printf diff > ${work}/other`)] }),
    ).toEqual({ code: 0 });
    expect((await stat(`${shared}/same`)).ino).toBe(ino);
    expect(await readFile(`${shared}/other`, 'utf8')).toBe('diff');
  });

  test('one file for one place is written once; two files of one place, or a file in the place of a folder, fail', async () => {
    await mkdir(`${shared}/real`);
    await symlink(`${shared}/real`, `${shared}/alias`);
    const two = (one: string, other: string) =>
      [one, other].map((url, at) => ({ url, path: `${work}/${at}`, type: 'FILE' as const }));
    const linked = [shell(`printf one > ${work}/0; ln -s 0 ${work}/1`)];
    const equal = [shell(`printf one > ${work}/0; printf one > ${work}/1`)];
    const same = two(`${shared}/real/o`, `file://${shared}/alias/./o`);
    expect(await run({ outputs: same, executors: linked })).toEqual({ code: 0 });
    expect(await readFile(`${shared}/real/o`, 'utf8')).toBe('one');
    await rm(`${work}/1`);
    const both = await run({ outputs: same, executors: equal });
    expect(both.code).toBe(121);
    expect(both.error).toContain(`two files would be written to ${shared}/real/o`);
    expect((await record())?.error?.declared).toBe(true);
    const below = await run({ outputs: two(`${shared}/p`, `${shared}/p/q`), executors: equal });
    expect(below.error).toContain(`two files would be written to ${shared}/p`);
    expect(await readdir(shared)).toEqual(['alias', 'real']);
  });

  test.runIf(isLong)(
    'a place outside of the shared folders, or that cannot be written, fails after the logs are safe',
    async () => {
      await symlink(work, `${shared}/out`);
      await writeFile(`${shared}/file`, '');
      await mkdir(`${shared}/folder`);
      const failed = async (url: string): Promise<string | undefined> => {
        const ran = await run({
          outputs: [{ url, path: `${work}/x`, type: 'FILE' }],
          executors: [shell(`echo said; printf x > ${work}/x`)],
        });
        expect(ran.code, url).toBe(121);
        expect(await world.log('0.stdout', submissions - 1)).toBe('said\n');
        return ran.error;
      };
      const outside = 'not in a folder that hosts share with tasks';
      expect(await failed(`${shared}/out/y`)).toContain(outside);
      expect(await failed(`${shared}/out/new/y`)).toContain(outside);
      expect(await failed(`${world.folder}/nowhere/y`)).toContain(outside);
      expect(await readdir(world.folder)).not.toContain('nowhere');
      expect(await readdir(work)).toEqual(['x']);
      expect(await failed(`${shared}/file/y`)).toContain('is a file');
      expect(await failed(`${shared}/folder`)).toContain('is a folder');
      expect(await failed(`${shared}/${'n'.repeat(256)}`)).toContain('ENAMETOOLONG');
      expect(await failed('ftp://x/y')).toContain('s3://bucket/key');
      expect(await leftovers(shared)).toEqual([]);
    },
  );
});

test('without shared folders, a path is no place for an output', async () => {
  await world.submit(
    emptyTask({
      outputs: [{ url: `${shared}/x`, path: `${work}/x`, type: 'FILE' }],
      executors: [shell(`printf x > ${work}/x`)],
    }),
  );
  const index = '0';
  expect((await world.start(stager, { AWS_BATCH_JOB_ARRAY_INDEX: index }).ended).code).toBe(121);
});

describe('a copy', () => {
  const open = () => openSharedFolders({ [SHARED_VARIABLE]: JSON.stringify([shared]) });

  test('a copy that is abandoned leaves nothing behind, and no later one begins', async () => {
    await writeFile(`${work}/large`, '');
    await truncate(`${work}/large`, 96 * 1024 ** 2);
    const folders = open();
    const copied = folders.copyOut(`${work}/large`, `${shared}/large`).catch(String);
    const begun = watch(shared)[Symbol.asyncIterator]();
    await begun.next();
    await folders.abandon();
    expect(await copied).toContain('Error');
    expect(await folders.copyOut(`${work}/large`, `${shared}/again`).catch(String)).toContain(
      'the attempt has ended',
    );
    expect(await readdir(shared)).toEqual([]);
    await begun.return?.();
  });

  test('an input that changes while it is read is read again', async () => {
    await writeFile(`${shared}/in`, 'first');
    let claims = 0;
    const room: Room = {
      ...anyRoom,
      async claim(path, bytes) {
        claims += 1;
        if (claims === 1) await writeFile(`${shared}/in`, 'second, and longer');
        return anyRoom.claim(path, bytes);
      },
    };
    expect(await open().copyFileIn(`${shared}/in`, `${work}/in`, { room })).toMatchObject({
      sizeBytes: 18,
    });
    expect([await readFile(`${work}/in`, 'utf8'), claims]).toEqual(['second, and longer', 2]);
    expect(await readdir(work)).toEqual(['in']);
  });

  test('a list of shared folders that is not valid JSON is reported by the name of its variable', () => {
    for (const text of ['/mnt', '{}', '[1]'])
      expect(() => openSharedFolders({ [SHARED_VARIABLE]: text }), text).toThrow(SHARED_VARIABLE);
  });
});
