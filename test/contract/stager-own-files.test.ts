/** What a task does to files, its own and the stager's, loses neither logs nor exit codes nor outputs. */
import { spawnSync } from 'node:child_process';
import { appendFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { openS3 } from '../../stager/s3.ts';
import { createUploader } from '../../stager/upload.ts';
import {
  command,
  emptyTask,
  makeWorld,
  shell,
  useBuiltStager,
  type World,
} from './stager-world.ts';

// A graceful end takes seconds, and a busy machine more.
vi.setConfig({ testTimeout: 30_000 });

const stager = useBuiltStager();
let world: World;
beforeEach(async () => {
  world = await makeWorld();
});
afterEach(() => world.close());

const hasBubblewrap = spawnSync('bwrap', ['--ro-bind', '/', '/', 'true']).status === 0;

describe('a task that empties folders', () => {
  test.each([
    ['the stager’s own folder', 'rm -rf "$0"/.batchwell-* "$0"/*'],
    ['its working folder', 'rm -rf ./* ./.[!.]*'],
  ])('loses neither what it printed nor its next executor: %s', async (_, empty) => {
    const emptying = {
      ...command('', world.folder),
      command: [
        '/bin/sh',
        '-c',
        `echo before; ${empty}; echo after; echo told >&2; ls -A "$0"`,
        world.folder,
      ],
    };
    await world.submit(
      emptyTask({
        executors: [
          emptying,
          { ...emptying, stdout: join(world.folder, 'named/out') },
          command('echo third', world.folder),
        ],
      }),
    );
    expect((await world.start(stager).ended).code).toBe(0);
    expect(
      await Promise.all(
        ['rc', '0.stdout', '0.stderr', '1.stdout', '2.stdout'].map((name) => world.log(name)),
      ),
    ).toEqual(['[0,0,0]', 'before\nafter\n', 'told\n', 'before\nafter\n', 'third\n']);
    expect((await world.result())?.record.warnings).toBeUndefined();
  });

  test('a command that replaces the file of its stdout has what it printed in its log', async () => {
    const stdout = join(world.folder, 'out');
    await world.submit(
      emptyTask({
        executors: [
          command('echo printed; echo other >new; mv new out; echo more', world.folder, { stdout }),
        ],
        outputs: [{ url: 's3://out/out', path: stdout, type: 'FILE' }],
      }),
    );
    expect((await world.start(stager).ended).code).toBe(0);
    expect([await world.log('0.stdout'), await world.s3.text('out/out')]).toEqual([
      'printed\nmore\n',
      'other\n',
    ]);
  });

  test('no variable, argument or folder that a command is told of leads to the stager’s files', async () => {
    await world.submit(
      emptyTask({ executors: [shell('env; pwd; tr "\\0" "\\n" </proc/$$/cmdline; echo "$0"')] }),
    );
    expect((await world.start(stager).ended).code).toBe(0);
    const log = (await world.log('0.stdout')) ?? '';
    expect(log).toContain('AWS_BATCH_JOB_ID=job-1');
    expect(log).not.toContain(world.folder);
    expect(log).not.toContain('.batchwell-');
  });

  test.skipIf(!hasBubblewrap)(
    'in a container nothing of the stager is in /tmp, and its script can be found nowhere',
    async () => {
      const root = [
        '--bind',
        world.folder,
        '/',
        ...['/usr', '/bin', '/lib', '/lib64'].flatMap((path) => ['--ro-bind', path, path]),
      ];
      const node = [
        '--ro-bind',
        process.execPath,
        '/stager/node',
        '--ro-bind',
        stager[1] ?? '',
        '/stager/stager.mjs',
      ];
      await world.submit(
        emptyTask({
          executors: [
            shell(
              'ls -A /tmp; find / -xdev -name "script.sh" 2>/dev/null; rm -rf /tmp/* /tmp/.[!.]* "$HOME"/* /.batchwell-*; echo first',
            ),
            shell('echo second'),
          ],
        }),
      );
      const inside = [
        'bwrap',
        ...root,
        ...node,
        '--tmpfs',
        '/tmp',
        '--proc',
        '/proc',
        '--dev',
        '/dev',
        '--unshare-pid',
        '--unsetenv',
        'BATCHWELL_SCRATCH',
        '--setenv',
        'HOME',
        '/root',
        '--',
        '/stager/node',
        '/stager/stager.mjs',
      ];
      expect((await world.start(inside).ended).code).toBe(0);
      expect([await world.log('0.stdout'), await world.log('1.stdout')]).toEqual([
        'first\n',
        'second\n',
      ]);
    },
  );
});

test('a file that is changed in place, with its time and size kept, is written back', async () => {
  await world.s3.put('data/inplace', '0123456789');
  const path = join(world.folder, 'f');
  await world.submit(
    emptyTask({
      inputs: [{ url: 's3://data/inplace', path, type: 'FILE' }],
      outputs: [{ url: 's3://data/inplace', path, type: 'FILE' }],
      executors: [
        command(
          'touch -r f t; printf 9876543210 | dd of=f conv=notrunc status=none; touch -r t f',
          world.folder,
        ),
      ],
    }),
  );
  expect((await world.start(stager).ended).code).toBe(0);
  expect(await world.s3.text('data/inplace')).toBe('9876543210');
});

const MIB = 1_048_576;

/** What is done to a file when its upload has read it once, and what S3 then holds of it. */
describe.each([
  { sizeBytes: 3 * MIB, kind: 'one request' },
  { sizeBytes: 80 * MIB, kind: 'parts' },
])('a file that is written in $kind', ({ sizeBytes }) => {
  const cases = [
    {
      what: 'grows',
      act: (path: string) => appendFile(path, 'more'),
      holds: sizeBytes,
      lastBytes: sizeBytes + 4,
    },
    {
      what: 'shrinks',
      act: (path: string) => truncate(path, MIB + 1),
      holds: MIB + 1,
      lastBytes: MIB + 1,
    },
  ];

  test.each(cases)(
    'has a size and checksum of what S3 holds, and a warning, when it $what meanwhile',
    async ({ act, holds, lastBytes }) => {
      const path = join(world.folder, 'file');
      await writeFile(path, Buffer.alloc(sizeBytes, 'ACGT'));
      let changed = false;
      world.s3.fault = (request, reply) => {
        if (changed || !['PUT', 'POST'].includes(request.method ?? '')) return false;
        changed = true;
        // S3 resets the first request: the file is read again, and has changed since.
        void act(path).then(() => reply.destroy());
        return true;
      };
      const warnings: string[] = [];
      const s3 = openS3({ AWS_ENDPOINT_URL_S3: world.s3.url });
      Object.assign(process.env, {
        AWS_ENDPOINT_URL_S3: world.s3.url,
        AWS_ACCESS_KEY_ID: 'local',
        AWS_SECRET_ACCESS_KEY: 'local',
      });
      const written = await createUploader(s3, { warn: (text) => void warnings.push(text) }).upload(
        path,
        { bucket: 'out', key: 'file' },
        'text/plain',
      );
      s3.destroy();
      expect([written.sizeBytes, (await world.s3.text('out/file'))?.length]).toEqual([
        holds,
        holds,
      ]);
      expect(warnings).toEqual([
        `${path} went from ${sizeBytes} to ${lastBytes} bytes while it was written to s3://out/file, which has its first ${holds} bytes.`,
      ]);
    },
  );
});
