/** What a worker does where the ETags of its S3 say nothing of what objects hold. */
import { createServer, request as forward } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { judgeEtags } from '../../core/cache/judge-etags.ts';
import type { Workers } from '../../workers/main.ts';
import { newTask, startFleetWorld, type FleetWorld } from './harness.ts';

test.each([
  ['two ETags are distinct', ['a', 'b'], 'distinct'],
  ['one ETag twice tells nothing', ['a', 'a'], 'same'],
  ['an object without an ETag tells nothing', ['a', ''], 'none'],
] as const)('of two objects of one size, %s', (_, etags, verdict) => {
  expect(judgeEtags(etags)).toBe(verdict);
});

const call = (name: string) =>
  newTask(name, {
    cache: 'readwrite',
    spec: {
      inputs: [{ url: 's3://data/in', path: '/in', type: 'FILE' }],
      executors: [{ image: 'debian:12', command: ['same'] }],
    },
  });

/** The S3 of the world as a gateway shows it that gives every object one ETag, in its place. */
async function startConstantEtags(to: string): Promise<{ url: string; close(): void }> {
  const server = createServer((request, reply) => {
    const onward = forward(
      `${to}${request.url}`,
      { method: request.method ?? 'GET', headers: request.headers },
      async (answer) => {
        const body = Buffer.concat(await Array.fromAsync(answer)).toString('latin1');
        const same = 'd'.repeat(32);
        const { etag, 'content-length': length, ...headers } = answer.headers;
        const sent = body.replaceAll(/(?<=<ETag>(?:&quot;|"))[^&"]*/g, same);
        reply.writeHead(answer.statusCode ?? 500, {
          ...headers,
          ...(etag !== undefined && { etag: `"${same}"` }),
          ...(length !== undefined && {
            'content-length': request.method === 'HEAD' ? length : String(sent.length),
          }),
        });
        reply.end(Buffer.from(sent, 'latin1'));
      },
    );
    request.pipe(onward);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, close: () => void server.close() };
}

const gaugeOf = async ({ runtime }: Workers): Promise<number | undefined> =>
  (await runtime.metrics.etagsDistrusted.get()).values[0]?.value;

const eventsOf = ({ lines }: FleetWorld): unknown[] => lines.map(({ msg }) => msg);

test('a worker trusts ETags that tell contents apart, and asks for two writes beside its lease', async () => {
  const world = await startFleetWorld();
  for (const _ of [1, 2]) expect(await gaugeOf(await world.startWorkers())).toBe(0);
  expect(eventsOf(world)).not.toContain('etags-tell-nothing');
  expect(world.s3.ledger.summary().requests['s3.PutObject']?.count).toBe(3);
  await world.close();
});

test('a worker whose S3 gives every object one ETag says so, and knows objects by their checksums only', async () => {
  const world = await startFleetWorld();
  await world.objects.put('s3://data/in', 'reads');
  const gateway = await startConstantEtags(world.s3.url);
  process.env['AWS_ENDPOINT_URL_S3'] = gateway.url;
  const workers = await world.startWorkers();
  expect(await gaugeOf(workers)).toBe(1);
  expect(eventsOf(world)).toContain('etags-tell-nothing');
  const [first] = await world.ended(await world.accept([call('first')]));
  expect(first).toMatchObject({ place: 'done' });
  await world.objects.put('s3://data/in', 'other');
  const [second] = await world.ended(await world.accept([call('second')]));
  expect(second).toMatchObject({ place: 'done', hitEntryId: null });
  await world.close();
  gateway.close();
});

test('a worker starts where S3 does not answer its question', async () => {
  const world = await startFleetWorld();
  world.s3.faults.add({
    service: 's3',
    operation: 'ListObjectsV2',
    kind: 'error',
    status: 403,
    code: 'AccessDenied',
  });
  expect(await gaugeOf(await world.startWorkers())).toBe(0);
  expect(eventsOf(world)).toContain('etag-probe-failed');
  await world.close();
});
