/** The stager with tasks that succeed. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { decodeStartKey, isStartKey } from '../../core/result/start-key.ts';
import { crcOf } from './s3-between.ts';
import {
  command,
  emptyTask,
  makeWorld,
  PREFIX,
  SECRET,
  shell,
  useBuiltStager,
} from './stager-world.ts';
import type { Ended, World } from './stager-world.ts';

const stager = useBuiltStager();
let world: World;
beforeEach(async () => {
  world = await makeWorld();
});
afterEach(() => world.close());

const run = (env?: Record<string, string>): Promise<Ended> => world.start(stager, env).ended;

describe('the stager with a successful task', () => {
  test('a successful task reads its inputs, runs its executors, writes its outputs and then its record', async () => {
    const { folder } = world;
    await world.s3.put('data/reads.fq', 'ACGT\n');
    await world.s3.put('data/ref/a b/genome.fa', 'G');
    await world.s3.put('data/ref/index', 'I');
    await world.submit(
      emptyTask({
        inputs: [
          { name: 'reads', url: 's3://data/reads.fq', path: `${folder}/in/reads.fq`, type: 'FILE' },
          { url: 's3://data/ref', path: `${folder}/ref`, type: 'DIRECTORY' },
          { content: "it's $HOME", path: `${folder}/in/note`, type: 'FILE' },
        ],
        outputs: [
          { url: 's3://out/all.txt', path: `${folder}/out/all.txt`, type: 'FILE' },
          { url: 's3://out/tree/', path: `${folder}/out`, type: 'DIRECTORY' },
          {
            url: 's3://out/matches',
            path: `${folder}/out/part[0-9].*`,
            path_prefix: `${folder}/out/`,
            type: 'FILE',
          },
          { url: 's3://out/absent', path: `${folder}/absent`, type: 'FILE' },
        ],
        executors: [
          {
            ...shell(
              'cat "$1/in/reads.fq" "$1/ref/a b/genome.fa" "$1/ref/index" "$1/in/note"; echo warned >&2; printf x > part1.txt; printf y > part2.txt; : > empty',
            ),
            workdir: `${folder}/out`,
            stdout: `${folder}/out/all.txt`,
          },
          {
            ...shell('read line; echo "$line and $WHO"'),
            stdin: `${folder}/out/all.txt`,
            env: { WHO: 'me' },
          },
        ].map((executor, position) =>
          position === 0 ? { ...executor, command: [...executor.command, 'sh', folder] } : executor,
        ),
      }),
    );

    const { code, output } = await run();

    expect(output).not.toContain('"reason"');
    expect(code).toBe(0);
    const seen = await world.result();
    expect(seen?.attempt).toBe(1);
    expect(seen?.record.error).toBeUndefined();
    expect(seen?.record.executors.map((one) => one.exitCode)).toEqual([0, 0]);
    expect(seen?.record.missingOutputs).toEqual([3]);
    const text = "ACGT\nGIit's $HOME";
    expect(
      seen?.record.outputs.map(({ output, path, sizeBytes }) => [output, path, sizeBytes]),
    ).toEqual([
      [0, '', text.length],
      [1, 'all.txt', text.length],
      [1, 'empty', 0],
      [1, 'part1.txt', 1],
      [1, 'part2.txt', 1],
      [2, 'part1.txt', 1],
      [2, 'part2.txt', 1],
    ]);
    expect(seen?.record.outputs[0]?.crc64nvme).toBe(await crcOf(Buffer.from(text)));
    expect(await world.s3.text('out/all.txt')).toBe(text);
    expect(await world.s3.text('out/tree/part2.txt')).toBe('y');
    expect(await world.s3.text('out/matches/part1.txt')).toBe('x');
    expect(JSON.parse((await world.log('rc')) ?? '')).toEqual([0, 0]);
    expect(await world.log('0.stdout')).toBe(text);
    expect(await world.log('0.stderr')).toBe('warned\n');
    expect(await world.log('1.stdout')).toBe('ACGT and me\n');
    expect(await world.log('1.stderr')).toBeUndefined();
    const writes = world.s3.requests.filter((request) => request.startsWith('PUT'));
    expect(writes.at(-1)).toContain('/results/');
    expect(writes.findIndex((write) => write.endsWith('/rc'))).toBeLessThan(
      writes.findIndex((write) => write.startsWith('PUT out/')),
    );
  });
});

test('an output with the URL of its own input is recorded, and written only when it has changed', async () => {
  await world.s3.put('data/same', 'same');
  await world.s3.put('data/changed', 'before');
  const both = (name: string) => ({
    url: `s3://data/${name}`,
    path: `${world.folder}/${name}`,
    type: 'FILE' as const,
  });
  await world.submit(
    emptyTask({
      inputs: [both('same'), both('changed')],
      outputs: [both('same'), both('changed')],
      executors: [command('echo after > changed', world.folder)],
    }),
  );
  expect((await run()).code).toBe(0);
  expect((await world.result())?.record.outputs.map((file) => [file.path, file.sizeBytes])).toEqual(
    [
      ['', 4],
      ['', 6],
    ],
  );
  expect((await world.result())?.record.outputs[0]?.crc64nvme).toBe(
    await crcOf(Buffer.from('same')),
  );
  expect(world.s3.requests.filter((request) => request.startsWith('PUT data/'))).toEqual([
    'PUT data/changed',
  ]);
});

test('an input comes from the web, and a folder from S3 keeps its empty folders', async () => {
  const web = createServer(
    (request, reply) =>
      void (request.url === '/moved'
        ? reply.writeHead(302, { location: '/there?Signature=s' }).end()
        : reply.end('from the web')),
  );
  await new Promise<void>((resolve) => void web.listen(0, '127.0.0.1', resolve));
  try {
    const { port } = web.address() as AddressInfo;
    await world.s3.put('data/tree/deep/file', 'deep');
    await world.s3.put('data/tree/empty/', '');
    await world.submit(
      emptyTask({
        inputs: [
          { url: `http://127.0.0.1:${port}/moved`, path: `${world.folder}/web`, type: 'FILE' },
          { url: 's3://data/tree/', path: `${world.folder}/tree`, type: 'DIRECTORY' },
        ],
        executors: [command('cat web; find tree | sort', world.folder)],
      }),
    );
    expect((await run()).code).toBe(0);
    expect(await world.log('0.stdout')).toBe(
      'from the webtree\ntree/deep\ntree/deep/file\ntree/empty\n',
    );
  } finally {
    web.close();
  }
});

test('a record of many outputs is too long for a key and is whole in its object', async () => {
  await world.submit(
    emptyTask({
      outputs: [
        {
          url: 's3://out/many',
          path: `${world.folder}/many/*`,
          path_prefix: `${world.folder}/many`,
          type: 'FILE',
        },
      ],
      executors: [
        command(
          'mkdir many; for n in 1 2 3 4 5 6 7 8 9; do for m in 1 2 3 4 5; do echo $n > many/$n$m; done; done',
          world.folder,
        ),
      ],
    }),
  );
  expect((await run()).code).toBe(0);
  const names = await world.s3.names(`${PREFIX}results/`);
  expect(names.filter((name) => !isStartKey(name))).toEqual([
    expect.stringMatching(/\/results\/\d{13}\.00000\.1\.long\.[\w-]{22}$/),
  ]);
  expect((await world.result())?.record.outputs).toHaveLength(45);
});

test('a container tells that it runs before its executors do, and its record alone is an outcome', async () => {
  await world.submit(
    emptyTask({ executors: [shell(`while [ ! -e ${world.folder}/go ]; do sleep 0.05; done`)] }),
  );
  const beganMs = Date.now();
  const running = world.start(stager);
  await running.saw('task_started');
  const told = await vi.waitFor(async () => {
    const [only = ''] = await world.s3.names(`${PREFIX}results/`);
    expect(only).toContain('/results/');
    return only.slice(`${PREFIX}results/`.length);
  }, 5000);
  const start = decodeStartKey(SECRET, told);
  expect(start).toMatchObject({ index: 0, attempt: 1 });
  expect(start?.startedMs).toBeGreaterThanOrEqual(beganMs);
  expect(start?.startedMs).toBeLessThanOrEqual(Date.now());
  expect(await world.result()).toBeUndefined();
  await writeFile(join(world.folder, 'go'), '');
  expect((await running.ended).code).toBe(0);
  expect((await world.result())?.record.executors).toMatchObject([{ exitCode: 0 }]);
});

test('a child of a wide array reads only its own part of the manifest', async () => {
  const tasks = Array.from({ length: 2_000 }, (_, index) =>
    emptyTask({
      executors: [command(`echo "$1" ${index % 2}`, world.folder)].map((one) => ({
        ...one,
        command: [...one.command, 'sh', `value ${index}`],
      })),
    }),
  );
  await world.submit(...tasks);
  expect((await run({ AWS_BATCH_JOB_ARRAY_INDEX: '1999' })).code).toBe(0);
  expect(await world.log('0.stdout', 1999)).toBe('value 1999 1\n');
  expect(world.s3.requests.filter((request) => request.endsWith('/manifest')).length).toBe(2);
});
