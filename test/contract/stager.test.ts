import { existsSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { watch } from 'node:fs/promises';
import { dirname } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { emptyTask, makeWorld, shell, useBuiltStager } from './stager-world.ts';
import type { Ended, World } from './stager-world.ts';
import { crcOf, denied } from './s3-between.ts';

const stager = useBuiltStager();
let world: World;
beforeEach(async () => {
  world = await makeWorld();
});
afterEach(() => world.close());

function gate(): { opened: Promise<void>; open: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { opened: promise, open: resolve };
}

/** Resolves when the file is there. */
async function until(path: string): Promise<void> {
  const watching = watch(dirname(path));
  try {
    if (existsSync(path)) return;
    for await (const _ of watching) if (existsSync(path)) return;
  } finally {
    await watching.return?.();
  }
}

const run = (env?: Record<string, string>): Promise<Ended> => world.start(stager, env).ended;

describe('a task that ends well', () => {
  test('reads its inputs, runs its executors, writes its outputs, and says so last', async () => {
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

const command = (script: string, folder: string, more: object = {}) => ({
  ...shell(script),
  workdir: folder,
  ...more,
});

describe('a task that fails', () => {
  test('an executor’s failure is its exit code, with its logs in S3, and no output is written', async () => {
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

  test('a command killed by a signal ends with 128 + the signal, and a missing one with 127 and a reason', async () => {
    await world.submit(
      emptyTask({ executors: [command('kill -9 $$', world.folder)] }),
      emptyTask({ executors: [{ image: 'none', command: ['no-such-program', '-x'] }] }),
    );
    expect((await run({ AWS_BATCH_JOB_ARRAY_INDEX: '0' })).code).toBe(137);
    expect((await run({ AWS_BATCH_JOB_ARRAY_INDEX: '1' })).code).toBe(127);
    expect(await world.log('0.stderr', 1)).toContain('no-such-program is not on the PATH');
  });

  test('an input that is not there is named with its url and the reason, and nothing is run', async () => {
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

  test('an empty folder of inputs and an url that nobody can read are errors, and a presigned url keeps its secret', async () => {
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

  test('an output that cannot be written is named, after rc and logs are in S3', async () => {
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

  test('an index that the manifest lacks, and a script that is not what its name says, are told in the record', async () => {
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

describe('S3 at its worst', () => {
  test('resets and 503s on every object’s first request are tried again', async () => {
    const met = new Set<string>();
    world.s3.fault = (request, reply, name) => {
      const key = `${request.method} ${name}`;
      if (met.has(key)) return false;
      met.add(key);
      if (met.size % 2) request.socket.destroy();
      else
        reply
          .writeHead(503, { 'content-type': 'application/xml' })
          .end('<Error><Code>SlowDown</Code><Message>slow</Message></Error>');
      return true;
    };
    await world.s3.put('data/in', 'x'.repeat(2_000_000));
    await world.submit(
      emptyTask({
        inputs: [{ url: 's3://data/in', path: `${world.folder}/in`, type: 'FILE' }],
        outputs: [{ url: 's3://out/copy', path: `${world.folder}/copy`, type: 'FILE' }],
        executors: [command('cat in > copy', world.folder)],
      }),
    );
    const { code, output } = await run();
    expect(output).not.toContain('"reason"');
    expect(code).toBe(0);
    expect((await world.s3.text('out/copy'))?.length).toBe(2_000_000);
    expect(met.size).toBe(8);
  });

  test('a body that is cut or spoiled on the way is fetched again, and never seen by the task', async () => {
    await world.s3.put('data/in', 'good content');
    const crc64nvme = await crcOf(Buffer.from('good content'));
    let spoiled = 0;
    world.s3.fault = (_request, reply, name) => {
      if (name !== 'data/in' || spoiled >= 2) return false;
      spoiled += 1;
      reply.writeHead(200, {
        etag: '"spoiled"',
        'content-length': 12,
        'x-amz-checksum-crc64nvme': crc64nvme,
        'x-amz-checksum-type': 'FULL_OBJECT',
      });
      if (spoiled === 1) reply.end('evil content');
      else reply.write('good', () => reply.destroy());
      return true;
    };
    await world.submit(
      emptyTask({
        inputs: [{ url: 's3://data/in', path: `${world.folder}/in`, type: 'FILE' }],
        executors: [command('cat in', world.folder)],
      }),
    );
    expect((await run()).code).toBe(0);
    expect(spoiled).toBe(2);
    expect(await world.log('0.stdout')).toBe('good content');
  });

  test('a large file comes and goes in parts, with one checksum of the whole', async () => {
    const large = Buffer.alloc(70 * 1_048_576 + 3, 'large ');
    await world.s3.put('data/large', large);
    await world.submit(
      emptyTask({
        inputs: [{ url: 's3://data/large', path: `${world.folder}/large`, type: 'FILE' }],
        outputs: [{ url: 's3://out/large', path: `${world.folder}/copy`, type: 'FILE' }],
        executors: [command('cp large copy', world.folder)],
      }),
    );
    expect((await run()).code).toBe(0);
    expect((await world.s3.bytes('out/large'))?.equals(large)).toBe(true);
    expect((await world.result())?.record.outputs).toEqual([
      { output: 0, path: '', sizeBytes: large.length, crc64nvme: await crcOf(large) },
    ]);
    expect(world.s3.requests.filter((request) => request.startsWith('DELETE'))).toEqual([]);
    expect(world.s3.requests.filter((request) => request === 'GET data/large').length).toBe(6);
  });

  test('a multipart upload that fails is aborted', async () => {
    world.s3.fault = (request, reply, name) => {
      if (name !== 'out/large' || !request.url?.includes('partNumber=3')) return false;
      return denied(request, reply);
    };
    await world.submit(
      emptyTask({
        outputs: [{ url: 's3://out/large', path: `${world.folder}/large`, type: 'FILE' }],
        executors: [command('head -c 70000000 /dev/zero > large', world.folder)],
      }),
    );
    expect((await run()).code).toBe(121);
    expect((await world.result())?.record.error?.message).toContain('AccessDenied');
    expect(world.s3.requests.filter((request) => request.startsWith('DELETE'))).toEqual([
      'DELETE out/large',
    ]);
  });
});

test('a result that cannot be written is no success', async () => {
  world.s3.fault = (request, reply, name) => {
    if (!name.includes('/results/')) return false;
    return denied(request, reply);
  };
  await world.submit(emptyTask({ executors: [command('true', world.folder)] }));
  expect((await run()).code).toBe(121);
  expect(await world.log('rc')).toBe('[0]');
});

test('a scratch that cannot be made is told in the record', async () => {
  await world.submit(emptyTask({ executors: [command('true', world.folder)] }));
  expect((await run({ BATCHWELL_SCRATCH: `${stager[1]}/folder` })).code).toBe(123);
  expect((await world.result())?.record.error?.message).toContain('ENOTDIR');
});

test('the credentials of the container’s role are used, as they come from its endpoint', async () => {
  const role = createServer((_, reply) =>
    reply.end(
      JSON.stringify({
        AccessKeyId: 'from-role',
        SecretAccessKey: 's',
        Token: 't',
        Expiration: '2099-01-01T00:00:00Z',
      }),
    ),
  );
  await new Promise<void>((resolve) => void role.listen(0, '127.0.0.1', resolve));
  try {
    let signed = '';
    world.s3.fault = (request) => {
      signed = request.headers.authorization ?? '';
      return false;
    };
    await world.submit(emptyTask({ executors: [command('echo "$HOME"', world.folder)] }));
    const { port } = role.address() as AddressInfo;
    expect(
      (
        await run({
          AWS_ACCESS_KEY_ID: '',
          AWS_SECRET_ACCESS_KEY: '',
          AWS_CONTAINER_CREDENTIALS_FULL_URI: `http://127.0.0.1:${port}/role`,
          AWS_EC2_METADATA_DISABLED: 'true',
        })
      ).code,
    ).toBe(0);
    expect(signed).toContain('Credential=from-role/');
    // What the stager sets for itself is not the task's.
    expect(await world.log('0.stdout')).toBe('\n');
  } finally {
    role.close();
  }
});

describe('the fence', () => {
  test('of two jobs for one submission the first alone has effect', async () => {
    await world.submit(
      emptyTask({ executors: [command('echo ran >> ran; cat ran', world.folder)] }),
    );
    // The worst order: both see no owner; one writes itself; only then the other writes.
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
    const owner = await world.s3.text('work/submissions/sub1/owner');
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
    expect(await world.s3.text('work/submissions/sub1/owner')).toBe('job-9');
  });

  test('Batch’s second attempt runs where the first left no record, and does nothing where it left one', async () => {
    await world.submit(emptyTask({ executors: [command('echo ran', world.folder)] }));
    const second = { AWS_BATCH_JOB_ID: 'job-9', AWS_BATCH_JOB_ATTEMPT: '2' };
    expect((await run(second)).code).toBe(0);
    expect(await world.log('0.stdout', 0, 2)).toBe('ran\n');

    const third = await run({ ...second, AWS_BATCH_JOB_ATTEMPT: '3' });
    expect(third.code).toBe(0);
    expect(third.events.map((one) => one['event'])).toEqual(['task_recorded_before']);
    expect(await world.log('0.stdout', 0, 3)).toBeUndefined();
  });

  test('a job that loses its submission while it runs writes no output and no result', async () => {
    await world.submit(
      emptyTask({
        outputs: [{ url: 's3://out/x', path: `${world.folder}/x`, type: 'FILE' }],
        executors: [command(': > x', world.folder)],
      }),
    );
    world.s3.fault = (request, reply, name) => {
      if (!name.endsWith('/rc')) return false;
      world.s3.fault = undefined;
      void world.s3.put('work/submissions/sub1/owner', 'somebody-else');
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
  test('reaches the task, leaves its logs in S3, and claims no result', async () => {
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

test('SIGTERM while inputs are fetched ends the task at once, and without a result', async () => {
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

test('an output on its own input’s url is recorded, and written only when it was changed', async () => {
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

test('a record of many outputs is too long for a name, and whole in its object', async () => {
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
  expect(await world.s3.names('work/submissions/sub1/results/')).toEqual([
    'work/submissions/sub1/results/00000.1.long',
  ]);
  expect((await world.result())?.record.outputs).toHaveLength(45);
});

test('links are followed within an output’s folder, and not out of it', async () => {
  await world.submit(
    emptyTask({
      outputs: [{ url: 's3://out/tree', path: `${world.folder}/tree`, type: 'DIRECTORY' }],
      executors: [
        command(
          'echo secret > outside; mkdir -p tree/a; echo x > tree/a/x; ln -s a/x tree/inside; ln -s ../outside tree/outside; ln -s . tree/loop; ln -s gone tree/dangling; ln -s a tree/b',
          world.folder,
        ),
      ],
    }),
  );
  expect((await run()).code).toBe(0);
  expect((await world.result())?.record.outputs.map((file) => file.path)).toEqual([
    'a/x',
    'b/x',
    'inside',
  ]);
});

test('a child of a wide array reads no more than its own part', async () => {
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
