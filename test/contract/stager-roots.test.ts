/**
 * The stager in root file systems with nothing but the task: Alpine, distroless and scratch images
 * need nothing else.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { HOST_FOLDER, STAGER_COMMAND } from '../../core/container/container.ts';
import type { ExecutorOf } from '../../core/task/task.ts';
import { assembleHostFolder, listHostFolder } from '../../stager/host-folder.ts';
import { emptyTask, makeWorld } from './stager-world.ts';
import type { Ended, World } from './stager-world.ts';

const has = (program: string) => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;
const bubblewrap = spawnSync('bwrap', ['--ro-bind', '/', '/', 'true']).status === 0;
const staticBusybox = ['/bin/busybox', '/usr/bin/busybox'].find(
  (path) =>
    existsSync(path) && !spawnSync('ldd', [path], { encoding: 'utf8' }).stdout.includes('=>'),
);

/**
 * No libc, no shell, no file system: like a Go or Rust program in a scratch image.
 */
const PROGRAM = `
#include <stdio.h>
int main(int argc, char **argv) {
  FILE *in = fopen("/in/reads", "r"), *out = fopen("/out/copy", "w");
  if (!in || !out) return 9;
  for (int c; (c = fgetc(in)) != EOF; ) fputc(c, out);
  printf("%s", argc > 1 ? argv[1] : "");
  return 0;
}`;

let built: string;
let world: World;

beforeAll(async () => {
  built = await mkdtemp(join(tmpdir(), 'stager-roots-'));
  await assembleHostFolder(join(built, 'host'));
});
afterAll(() => rm(built, { recursive: true, force: true }));
beforeEach(async () => {
  world = await makeWorld();
});
afterEach(() => world.close());

/** Runs the container's constant command in this root, which is otherwise empty. */
function runIn(root: readonly string[], env: Record<string, string> = {}): Promise<Ended> {
  const sandbox = [
    'bwrap',
    ...root,
    '--ro-bind',
    join(built, 'host'),
    HOST_FOLDER,
    '--proc',
    '/proc',
    '--dev',
    '/dev',
    '--die-with-parent',
    '--chdir',
    '/',
  ];
  // Unlike in other tests, the stager chooses the scratch folder: the root has no /tmp.
  return world.start([...sandbox, '--unsetenv', 'BATCHWELL_SCRATCH', ...STAGER_COMMAND], env).ended;
}

async function copyTask(executor: ExecutorOf<string>): Promise<void> {
  await world.s3.put('data/reads', 'ACGT');
  await world.submit(
    emptyTask({
      inputs: [{ url: 's3://data/reads', path: '/in/reads', type: 'FILE' }],
      outputs: [{ url: 's3://out/copy', path: '/out/copy', type: 'FILE' }],
      executors: [executor],
      volumes: ['/out'],
    }),
  );
}

const copied = { code: 0, copy: 'ACGT', stdout: 'told', exitCodes: [0], reasons: [] };

async function outcomeOf({ code, events }: Ended): Promise<unknown> {
  const reasons = events.flatMap((event) => event['reason'] ?? []);
  return {
    code,
    copy: await world.s3.text('out/copy'),
    stdout: await world.log('0.stdout'),
    exitCodes: (await world.result())?.record.executors.map((one) => one.exitCode),
    reasons,
  };
}

describe.skipIf(!bubblewrap)('the stager in a bare root file system', () => {
  test.skipIf(staticBusybox === undefined)(
    'the stager runs a task in a root with only a static busybox',
    async () => {
      await copyTask({
        image: 'alpine',
        command: ['busybox', 'sh', '-c', 'cat /in/reads > /out/copy; printf told'],
        env: { PATH: '/prog' },
      });
      expect(
        await outcomeOf(await runIn(['--ro-bind', staticBusybox ?? '', '/prog/busybox'])),
      ).toEqual(copied);
    },
  );

  test.skipIf(!has('gcc') || staticBusybox === undefined)(
    'the stager runs a task in a root with only one static program and no shell',
    async () => {
      const folder = await mkdtemp(join(built, 'scratch-'));
      await writeFile(join(folder, 'program.c'), PROGRAM);
      expect(
        spawnSync('gcc', ['-static', '-o', join(folder, 'program'), join(folder, 'program.c')], {
          encoding: 'utf8',
        }).stderr,
      ).toBe('');
      await rm(join(folder, 'program.c'));
      await copyTask({ image: 'scratch', command: ['/program', 'told'] });
      expect(
        await outcomeOf(await runIn(['--ro-bind', join(folder, 'program'), '/program'])),
      ).toEqual(copied);
    },
  );

  test('the stager runs a task in a root with this machine’s own files', async () => {
    await copyTask({
      image: 'debian',
      command: ['sh', '-c', 'cat /in/reads > /out/copy; printf told'],
    });
    expect(
      await outcomeOf(
        await runIn([
          '--ro-bind',
          '/usr',
          '/usr',
          '--symlink',
          'usr/bin',
          '/bin',
          '--symlink',
          'usr/lib',
          '/lib',
          '--symlink',
          'usr/lib64',
          '/lib64',
        ]),
      ),
    ).toEqual(copied);
  });

  test('a stager folder without a shell makes the record report the missing shell', async () => {
    const bare = join(built, 'bare');
    const { withoutShell } = await assembleHostFolder(bare, {
      shell: false,
      stager: join(built, 'host', 'stager.mjs'),
    });
    expect(withoutShell).toContain('/bin/sh');
    await world.submit(emptyTask({ executors: [{ image: 'scratch', command: ['/program'] }] }));
    const { code } = await world.start([
      'bwrap',
      '--ro-bind',
      bare,
      HOST_FOLDER,
      '--proc',
      '/proc',
      '--dev',
      '/dev',
      '--die-with-parent',
      '--unsetenv',
      'BATCHWELL_SCRATCH',
      ...STAGER_COMMAND,
    ]).ended;
    expect(code).toBe(123);
    expect((await world.result())?.record.error?.message).toContain(
      '/bin/sh could not be started: ENOENT',
    );
  });
});

describe('the host folder', () => {
  test('the host folder has the stager, Node, its loader and libraries', async () => {
    expect(await listHostFolder(join(built, 'host'))).toEqual(
      expect.arrayContaining(['stager.mjs', 'bin/node', 'lib/ld.so', 'lib/libc.so.6', 'stamp']),
    );
  });

  test('the host folder is kept if it is equal, and rebuilt if it is not', async () => {
    const target = join(built, 'again');
    const options = { stager: join(built, 'host', 'stager.mjs') };
    await assembleHostFolder(target, options);
    await writeFile(join(target, 'mark'), '');
    await assembleHostFolder(target, options);
    expect(existsSync(join(target, 'mark'))).toBe(true);
    await writeFile(join(target, 'stamp'), 'of an older make');
    await Promise.all([assembleHostFolder(target, options), assembleHostFolder(target, options)]);
    expect(existsSync(join(target, 'mark'))).toBe(false);
    expect(await listHostFolder(built)).toEqual(
      expect.not.arrayContaining([expect.stringMatching(/^again\./)]),
    );
  });

  test('the host folder refuses a shell that needs the image’s own loader', async () => {
    const pretended = join(built, 'busybox');
    await copyFile('/bin/sh', pretended);
    await mkdir(join(built, 'other'));
    const { withoutShell } = await assembleHostFolder(join(built, 'other', 'host'), {
      shell: pretended,
      stager: join(built, 'host', 'stager.mjs'),
    });
    expect(withoutShell).toContain('linked dynamically');
    expect(await listHostFolder(join(built, 'other', 'host'))).not.toContain('bin/sh');
  });
});
