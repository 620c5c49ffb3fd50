import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createHash } from 'node:crypto';
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { command, emptyTask, makeWorld, useBuiltStager, type World } from './stager-world.ts';

const stager = useBuiltStager();
let world: World;
beforeEach(async () => {
  world = await makeWorld();
});
afterEach(() => world.close());

type Handler = (request: IncomingMessage, reply: ServerResponse) => void;

/** Runs a task whose only input is what the server answers for `path`. */
async function fetchFrom(handler: Handler, path: string, script = 'cat input') {
  const web = createServer(handler);
  await new Promise<void>((resolve) => void web.listen(0, '127.0.0.1', resolve));
  const { port } = web.address() as AddressInfo;
  try {
    await world.submit(
      emptyTask({
        inputs: [
          {
            url: `http://127.0.0.1:${port}${path}`,
            path: `${world.folder}/input`,
            type: 'FILE',
          },
        ],
        executors: [command(script, world.folder)],
      }),
    );
    const ended = await world.start(stager).ended;
    return { ended, port, record: (await world.result())?.record };
  } finally {
    web.closeAllConnections();
    web.close();
  }
}

const READS = Buffer.from('@r1\nGAT\n+\nIII\n'.repeat(1000));
const ENCODINGS: readonly [string, Buffer][] = [
  ['gzip', gzipSync(READS)],
  ['x-gzip', gzipSync(READS)],
  ['deflate', deflateSync(READS)],
  ['br', brotliCompressSync(READS)],
  ['zstd', zstdCompressSync(READS)],
  ['gzip, br', brotliCompressSync(gzipSync(READS))],
  ['nonsense', READS],
];

test.each(ENCODINGS)(
  'an input from the web with the content encoding %s is the bytes that the server sent',
  async (encoding, bytes) => {
    let asked: string | undefined;
    const { ended } = await fetchFrom(
      (request, reply) => {
        asked = request.headers['accept-encoding'];
        reply.writeHead(200, {
          'content-encoding': encoding,
          'content-length': String(bytes.length),
        });
        reply.end(bytes);
      },
      '/reads.gz',
      'sha256sum input | cut -c1-64',
    );
    expect(ended.code).toBe(0);
    expect(asked).toBe('identity');
    expect(await world.log('0.stdout')).toBe(
      `${createHash('sha256').update(bytes).digest('hex')}\n`,
    );
  },
);

test('an encoded input that the server cuts short is fetched again and is whole', async () => {
  const bytes = gzipSync(READS);
  let tries = 0;
  const { ended } = await fetchFrom(
    (_, reply) => {
      tries += 1;
      reply.writeHead(200, {
        'content-encoding': 'gzip',
        'content-length': String(bytes.length),
      });
      if (tries > 1) reply.end(bytes);
      else reply.write(bytes.subarray(0, 20), () => reply.destroy());
    },
    '/reads.gz',
    'wc -c < input | tr -d " "',
  );
  expect(ended.code).toBe(0);
  expect(tries).toBe(2);
  expect(await world.log('0.stdout')).toBe(`${bytes.length}\n`);
});

test('a redirect is followed, and one that leads to no web address fails at once', async () => {
  const asked: (string | undefined)[] = [];
  const answer: Handler = (request, reply) => {
    asked.push(request.url);
    if (request.url === '/a') reply.writeHead(302, { location: 'b/c?X-Amz-Signature=key' }).end();
    else if (request.url === '/file')
      reply.writeHead(301, { location: 'file:///etc/passwd' }).end();
    else reply.end('moved here');
  };
  expect((await fetchFrom(answer, '/a')).ended.code).toBe(0);
  expect(await world.log('0.stdout')).toBe('moved here');
  await world.close();
  world = await makeWorld();
  const { record } = await fetchFrom(answer, '/file');
  expect(record?.error?.message).toContain('file:///etc/passwd');
  expect(record?.error?.transient).toBeUndefined();
  expect(asked).toEqual(['/a', '/b/c?X-Amz-Signature=key', '/file']);
});

test('a redirect that never ends, and a part where the whole was asked for, fail the input', async () => {
  const round = await fetchFrom((_, reply) => reply.writeHead(302, { location: '/x' }).end(), '/x');
  expect(round.record?.error?.message).toContain('more than 20 times');
  await world.close();
  world = await makeWorld();
  const part = await fetchFrom((_, reply) => reply.writeHead(206).end('part'), '/x');
  expect(part.record?.error?.message).toContain('HTTP 206');
});

test('neither a password nor the query of a URL is in a failure, a log or a record', async () => {
  const { ended, record, port } = await fetchFrom(
    (_, reply) =>
      reply.writeHead(307, { location: 'http://ann:redirect-word@127.0.0.1:9/y?sig=key2' }).end(),
    '/x?X-Amz-Signature=key1&token=key3#access_token=key4',
  );
  expect(record?.error?.subject).toBe(`http://127.0.0.1:${port}/x?…`);
  expect(record?.error?.message).toContain(`Input 1 of 1 http://127.0.0.1:${port}/x?… could not`);
  expect(JSON.stringify([record, ended.output])).not.toMatch(/key\d|redirect-word/);
});
