import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { appendFile, mkdtemp, readdir, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startLocalS3 } from '../s3/server.ts';
import { bucket, openS3World, type S3World } from './s3-world.ts';

let world: S3World;
beforeEach(async () => {
  world = await openS3World({ partMinBytes: 1 });
});
afterEach(() => world.end());

const put = (key: string, body: string | Buffer, more: object = {}) =>
  world.client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: body, ...more }));
const read = async (key: string) =>
  (
    await world.client.send(new GetObjectCommand({ Bucket: bucket, Key: key }))
  ).Body!.transformToString();
const keysOf = async () =>
  ((await world.client.send(new ListObjectsV2Command({ Bucket: bucket }))).Contents ?? []).map(
    ({ Key }) => Key,
  );

const stamp = (ms: number) => new Date(ms).toISOString().replace(/[-:]|\.\d+/g, '');

const presigned = (ms: number) =>
  `?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a&X-Amz-Date=${stamp(ms)}&X-Amz-Expires=60&X-Amz-Signature=0&x-amz-meta-a=1`;

const SIGNED = { authorization: 'AWS4-HMAC-SHA256 Credential=x' };

/** A multipart upload of one part, ready to be completed. */
async function prepareUpload(key: string, body: string) {
  const { UploadId } = await world.client.send(
    new CreateMultipartUploadCommand({ Bucket: bucket, Key: key }),
  );
  const { ETag } = await world.client.send(
    new UploadPartCommand({ Bucket: bucket, Key: key, UploadId, PartNumber: 1, Body: body }),
  );
  return (more: object = {}) =>
    world.client.send(
      new CompleteMultipartUploadCommand({
        Bucket: bucket,
        Key: key,
        UploadId,
        MultipartUpload: { Parts: [{ PartNumber: 1, ETag }] },
        ...more,
      }),
    );
}

/**
 * A PUT that has sent all but its last byte; the function it gives sends that byte and tells the
 * status.
 */
function holdPut(
  key: string,
  body: string,
  headers: Record<string, string>,
): Promise<() => Promise<number>> {
  return new Promise((resolve, reject) => {
    const sent = request(`${world.s3.url}/${bucket}/${key}`, {
      method: 'PUT',
      headers: { ...SIGNED, ...headers, 'content-length': String(body.length) },
    });
    const status = new Promise<number>((answered) =>
      sent.on('response', (response) => answered(response.resume().statusCode ?? 0)),
    );
    sent.on('error', reject);
    sent.write(body.slice(0, -1), () =>
      resolve(() => {
        sent.end(body.slice(-1));
        return status;
      }),
    );
  });
}

describe('conditional writes of the local S3', () => {
  it('of fifty that end in the same instant and want to be first, exactly one is', async () => {
    const sizes = [10, 30_000];
    const writers = Array.from({ length: 50 }, (_, n) =>
      holdPut('first', `writer ${n}`.padEnd(sizes[n % 2]!), { 'if-none-match': '*' }),
    );
    const releases = await Promise.all(writers);
    const statuses = await Promise.all(releases.map((release) => release()));
    expect(statuses.filter((status) => status === 200)).toHaveLength(1);
    expect(statuses.filter((status) => status === 412)).toHaveLength(49);
    expect((await read('first')).trimEnd()).toBe(`writer ${statuses.indexOf(200)}`);
    expect(world.s3.ledger.summary().requests['s3.PutObject']?.byCode).toEqual({
      OK: 1,
      PreconditionFailed: 49,
    });
  });

  it('of twenty at once that replace what they have seen, exactly one does', async () => {
    const { ETag } = await put('seen', 'before');
    const answers = await Promise.allSettled(
      Array.from({ length: 20 }, (_, n) => put('seen', `after ${n}`, { IfMatch: ETag })),
    );
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    await expect(put('not there', 'x', { IfMatch: ETag })).rejects.toMatchObject({
      name: 'NoSuchKey',
    });
  });

  it('hold for the end of a multipart upload too', async () => {
    const completions = await Promise.all(
      Array.from({ length: 10 }, (_, n) => prepareUpload('joined', `part ${n}`)),
    );
    const answers = await Promise.allSettled(
      completions.map((complete) => complete({ IfNoneMatch: '*' })),
    );
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    const again = await prepareUpload('joined', 'again');
    await expect(again({ IfMatch: '"no"' })).rejects.toMatchObject({ name: 'PreconditionFailed' });
    await again({
      IfMatch: (await world.client.send(new HeadObjectCommand({ Bucket: bucket, Key: 'joined' })))
        .ETag,
    });
    expect(await read('joined')).toBe('again');
  });
});

describe('the store of the local S3', () => {
  it('serves after a restart what it served before', async () => {
    await put('small', 'small body', { Metadata: { a: '1' }, Tagging: 't=1' });
    await put('large', randomBytes(100_000));
    await put('replaced', randomBytes(100_000));
    await put('replaced', 'now small');
    await put('gone', 'x');
    await world.client.send(new DeleteObjectCommand({ Bucket: bucket, Key: 'gone' }));
    const complete = await prepareUpload('multi', 'completed after the restart');
    const { ETag } = await world.client.send(
      new HeadObjectCommand({ Bucket: bucket, Key: 'large' }),
    );
    await world.restart();
    expect(await keysOf()).toEqual(['large', 'replaced', 'small']);
    const small = await world.client.send(new GetObjectCommand({ Bucket: bucket, Key: 'small' }));
    expect(await small.Body!.transformToString()).toBe('small body');
    expect(small).toMatchObject({ Metadata: { a: '1' }, TagCount: 1 });
    const large = await world.client.send(new GetObjectCommand({ Bucket: bucket, Key: 'large' }));
    expect(
      `"${createHash('md5')
        .update(await large.Body!.transformToByteArray())
        .digest('hex')}"`,
    ).toBe(ETag);
    expect(await read('replaced')).toBe('now small');
    await complete();
    expect(await read('multi')).toBe('completed after the restart');
  });
});

async function spawnS3(dataFolder: string) {
  const child = spawn(
    process.execPath,
    [join(import.meta.dirname, '../s3/main.ts'), '--data', dataFolder, '--bucket', bucket],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const line = await Promise.race([
    once(createInterface(child.stdout), 'line'),
    once(child, 'exit').then(([code]) => {
      throw new Error(`the local S3 ended with ${code}`);
    }),
  ]);
  const { url } = JSON.parse(String(line[0])) as { url: string };
  const client = new S3Client({
    endpoint: url,
    region: 'us-east-1',
    credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
    maxAttempts: 1,
  });
  return {
    client,
    async end(signal: NodeJS.Signals) {
      client.destroy();
      if (child.exitCode === null && child.signalCode === null) {
        const exited = once(child, 'exit');
        child.kill(signal);
        await exited;
      }
      return child.exitCode;
    },
  };
}

describe('the process of the local S3', () => {
  it('killed in mid-write has every object it answered for, whole, and nothing half', async () => {
    const dataFolder = await mkdtemp(join(tmpdir(), 'local-s3-kill-'));
    let server = await spawnS3(dataFolder);
    try {
      const answered = new Set<string>();
      const writers = Array.from({ length: 8 }, async (_, writer) => {
        for (let n = 0; ; n += 1) {
          const key = `w${writer}/${n}`;
          // Every fourth is large enough for a file of its own.
          const sent = await server.client
            .send(
              new PutObjectCommand({
                Bucket: bucket,
                Key: key,
                Body: key.padEnd(n % 4 ? 50 : 200_000),
              }),
            )
            .catch(() => undefined);
          if (sent === undefined) return;
          answered.add(key);
          if (answered.size === 200) void server.end('SIGKILL');
        }
      });
      await Promise.all(writers);
      // What a crash in mid-append leaves: the beginning of a record.
      await appendFile(join(dataFolder, 'journal'), Buffer.from([200, 0, 0, 0, 9, 0]));
      server = await spawnS3(dataFolder);
      const listed =
        (await server.client.send(new ListObjectsV2Command({ Bucket: bucket }))).Contents ?? [];
      expect(answered.size).toBeGreaterThanOrEqual(200);
      expect([...answered].filter((key) => !listed.some(({ Key }) => Key === key))).toEqual([]);
      for (const { Key, Size } of listed) {
        const got = await server.client.send(new GetObjectCommand({ Bucket: bucket, Key }));
        expect(await got.Body!.transformToString()).toBe(Key!.padEnd(Size!));
      }
      const large = listed.filter(({ Size }) => Size === 200_000).length;
      expect(await readdir(join(dataFolder, 'blobs'))).toHaveLength(large);
      expect(await server.end('SIGTERM')).toBe(0);
    } finally {
      await server.end('SIGKILL');
      await rm(dataFolder, { recursive: true, force: true });
    }
  }, 60_000);

  it('has its data folder for itself', async () => {
    const dataFolder = await mkdtemp(join(tmpdir(), 'local-s3-lock-'));
    const first = await startLocalS3({ dataFolder });
    try {
      await expect(startLocalS3({ dataFolder })).rejects.toThrow('is in use by process');
    } finally {
      await first.close();
    }
    const second = await startLocalS3({ dataFolder });
    await second.close();
    await rm(dataFolder, { recursive: true, force: true });
  });
});

/** A request as no SDK sends it. */
function ask(
  path: string,
  {
    method = 'GET',
    headers = {},
    body = '',
  }: { method?: string; headers?: Record<string, string>; body?: string } = {},
) {
  return new Promise<{ status: number; text: string; headers: NodeJS.Dict<string | string[]> }>(
    (resolve, reject) => {
      const sent = request(`${world.s3.url}${path}`, { method, headers }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            text: Buffer.concat(chunks).toString(),
            headers: response.headers,
          }),
        );
      });
      sent.on('error', reject);
      sent.end(body);
    },
  );
}

describe('the wire of the local S3', () => {
  it('refuses who does not sign, and takes presigned URLs until they run out', async () => {
    const unsigned = await ask(`/${bucket}/key`);
    expect(unsigned.status).toBe(403);
    expect(unsigned.text).toContain('<Code>AccessDenied</Code>');
    expect(
      (await ask(`/${bucket}/key${presigned(Date.now())}`, { method: 'PUT', body: 'presigned' }))
        .status,
    ).toBe(200);
    expect(await ask(`/${bucket}/key${presigned(Date.now())}`)).toMatchObject({
      status: 200,
      text: 'presigned',
      headers: { 'x-amz-meta-a': '1' },
    });
    expect((await ask(`/${bucket}/key${presigned(Date.now() - 61_000)}`)).text).toContain(
      'Request has expired',
    );
  });

  it('knows a bucket by the name of the host', async () => {
    const host = `${bucket}.localhost:${world.s3.port}`;
    expect(
      (await ask('/a/b', { method: 'PUT', headers: { ...SIGNED, host }, body: 'by host' })).status,
    ).toBe(200);
    expect(await read('a/b')).toBe('by host');
    expect(
      (await ask('/?list-type=2', { headers: { ...SIGNED, host: `${bucket}.s3.localhost` } })).text,
    ).toContain('<Key>a/b</Key>');
  });

  it('says in XML what is wrong, and what it does not do', async () => {
    const missing = await ask(`/${bucket}/a%20%26b`, { headers: SIGNED });
    expect(missing).toMatchObject({ status: 404, headers: { 'content-type': 'application/xml' } });
    expect(missing.text).toMatch(
      /^<\?xml .*<Error><Code>NoSuchKey<\/Code><Message>The specified key does not exist.<\/Message><Key>a &amp;b<\/Key><Resource>.*<\/Resource><RequestId>[0-9A-F]{16}<\/RequestId>/s,
    );
    expect(missing.headers['x-amz-request-id']).toMatch(/^[0-9A-F]{16}$/);
    expect(await ask(`/${bucket}?acl`, { headers: SIGNED })).toMatchObject({
      status: 501,
      text: expect.stringContaining('<Code>NotImplemented</Code>'),
    });
    expect((await ask(`/${bucket}/%ff`, { headers: SIGNED })).text).toContain(
      '<Code>InvalidURI</Code>',
    );
    expect(
      (await ask(`/${bucket}?delete`, { method: 'POST', headers: SIGNED, body: '<Delete/>' })).text,
    ).toContain('Missing required header');
    expect(
      (await ask(`/${bucket}/x?uploadId=1`, { method: 'POST', headers: SIGNED, body: '<no' })).text,
    ).toContain('<Code>MalformedXML</Code>');
  });

  it('tells its health and its ledger under /_local/', async () => {
    await put('counted', 'x');
    expect(JSON.parse((await ask('/_local/health')).text)).toEqual({
      service: 's3',
      buckets: 1,
      uploads: 0,
    });
    expect(JSON.parse((await ask('/_local/ledger')).text)).toMatchObject({
      summary: { requests: { 's3.PutObject': { count: 1, byCode: { OK: 1 } } } },
      recent: [{ operation: 'PutObject', status: 200, detail: { subject: `${bucket}/counted` } }],
    });
  });
});

describe('faults of the local S3', () => {
  it('throttle, and the SDK tries again', async () => {
    world.s3.faults.add({ service: 's3', operation: 'PutObject', kind: 'throttle', times: 1 });
    await expect(put('throttled', 'x')).rejects.toMatchObject({
      name: 'SlowDown',
      $metadata: { httpStatusCode: 503 },
    });
    world.s3.faults.add({ service: 's3', operation: 'PutObject', kind: 'throttle', times: 1 });
    const patient = world.newClient({ maxAttempts: 2 });
    await patient.send(new PutObjectCommand({ Bucket: bucket, Key: 'throttled', Body: 'x' }));
    expect(world.s3.ledger.summary().requests['s3.PutObject']).toEqual({
      count: 3,
      byCode: { SlowDown: 2, OK: 1 },
    });
  });

  it('cut the connection before and after the deed', async () => {
    world.s3.faults.add({
      service: 's3',
      operation: '*',
      match: 'cut',
      kind: 'drop-before',
      times: 1,
    });
    await expect(put('cut', 'x')).rejects.toMatchObject({ code: 'ECONNRESET' });
    expect(await keysOf()).toEqual([]);
    world.s3.faults.add({
      service: 's3',
      operation: '*',
      match: 'cut',
      kind: 'drop-after',
      times: 1,
    });
    await expect(put('cut', 'x')).rejects.toMatchObject({ code: 'ECONNRESET' });
    expect(await keysOf()).toEqual(['cut']);
    expect(world.s3.ledger.summary().requests['s3.PutObject']?.byCode).toEqual({
      DroppedBefore: 1,
      DroppedAfter: 1,
    });
  });

  it('cut a download in its midst', async () => {
    for (const bytes of [1000, 3_000_000]) {
      await put('half', 'x'.repeat(bytes));
      world.s3.faults.add({ service: 's3', operation: 'GetObject', kind: 'drop-after', times: 1 });
      await expect(read('half')).rejects.toThrow(/aborted|ECONNRESET/);
      expect(await read('half')).toHaveLength(bytes);
    }
  });

  it('fail after the deed, refuse with any error, and delay', async () => {
    world.s3.faults.add({ service: 's3', operation: 'PutObject', kind: 'error-after', times: 1 });
    await expect(put('done', 'x')).rejects.toMatchObject({
      name: 'InternalError',
      $metadata: { httpStatusCode: 500 },
    });
    expect(await keysOf()).toEqual(['done']);
    world.s3.faults.add({
      service: 's3',
      operation: 'GetObject',
      kind: 'error',
      status: 403,
      code: 'AccessDenied',
      message: 'not today',
      times: 1,
    });
    await expect(read('done')).rejects.toMatchObject({
      name: 'AccessDenied',
      message: 'not today',
    });
    world.s3.faults.add({
      service: 's3',
      operation: 'GetObject',
      kind: 'delay',
      delayMs: 50,
      times: 1,
    });
    const startedMs = performance.now();
    expect(await read('done')).toBe('x');
    expect(performance.now() - startedMs).toBeGreaterThan(45);
  });

  it('a client that goes away in mid-upload leaves nothing', async () => {
    const half = request(`${world.s3.url}/${bucket}/half`, {
      method: 'PUT',
      headers: { ...SIGNED, 'content-length': '1000000' },
    });
    half.on('error', () => undefined);
    half.write('x'.repeat(500_000), () => half.destroy());
    await expect
      .poll(() => world.s3.ledger.summary().requests['s3.PutObject']?.byCode)
      .toEqual({ ClientGone: 1 });
    expect(await keysOf()).toEqual([]);
  });
});
