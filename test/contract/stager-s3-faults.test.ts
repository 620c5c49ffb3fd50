/** The stager with an S3 that fails, and with large files. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { isLong } from '../long.ts';
import { crcOf, denied } from './s3-between.ts';
import { command, emptyTask, makeWorld, useBuiltStager } from './stager-world.ts';
import type { Ended, World } from './stager-world.ts';

const stager = useBuiltStager();
let world: World;
beforeEach(async () => {
  world = await makeWorld();
});
afterEach(() => world.close());

const run = (env?: Record<string, string>): Promise<Ended> => world.start(stager, env).ended;

describe('the stager with a faulty S3', () => {
  test('a reset or 503 on the first request for every object is retried', async () => {
    const met = new Set<string>();
    world.s3.fault = (request, reply, name) => {
      const key = `${request.method} ${name}`;
      // Nobody waits for the object that tells a start.
      if (met.has(key) || name.includes('.start.')) return false;
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

  test('a truncated or corrupt body is fetched again, and the task never sees it', async () => {
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

  test.runIf(isLong)(
    'a large file is downloaded and uploaded in parts, with one checksum of the whole',
    async () => {
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
        {
          output: 0,
          path: '',
          sizeBytes: large.length,
          crc64nvme: await crcOf(large),
          etag: expect.stringMatching(/^[0-9a-f]{32}-\d+$/),
        },
      ]);
      expect(world.s3.requests.filter((request) => request.startsWith('DELETE'))).toEqual([]);
      expect(world.s3.requests.filter((request) => request === 'GET data/large').length).toBe(6);
    },
  );

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

test('the stager uses the credentials from the endpoint of the container’s role', async () => {
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
    // Variables that the stager sets for itself do not reach the task.
    expect(await world.log('0.stdout')).toBe('\n');
  } finally {
    role.close();
  }
});
