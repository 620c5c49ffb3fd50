/**
 * The parts of the wire protocol that no SDK shows: signatures, host names, XML errors, the control
 * surface.
 */
import { request } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { bucket, openS3World, type S3World } from './s3-world.ts';

let world: S3World;
beforeEach(async () => {
  world = await openS3World({ partMinBytes: 1 });
});
afterEach(() => world.end());

const stamp = (ms: number) => new Date(ms).toISOString().replace(/[-:]|\.\d+/g, '');

const presigned = (ms: number) =>
  `?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a&X-Amz-Date=${stamp(ms)}&X-Amz-Expires=60&X-Amz-Signature=0&x-amz-meta-a=1`;

const SIGNED = { authorization: 'AWS4-HMAC-SHA256 Credential=x' };

/** A request that no SDK sends. */
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

describe('the wire protocol of the local S3', () => {
  it('refuses unsigned requests and accepts presigned URLs until they expire', async () => {
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

  it('finds the bucket in the host name', async () => {
    const host = `${bucket}.localhost:${world.s3.port}`;
    expect(
      (await ask('/a/b', { method: 'PUT', headers: { ...SIGNED, host }, body: 'by host' })).status,
    ).toBe(200);
    expect(await world.read('a/b')).toBe('by host');
    expect(
      (await ask('/?list-type=2', { headers: { ...SIGNED, host: `${bucket}.s3.localhost` } })).text,
    ).toContain('<Key>a/b</Key>');
  });

  it('describes errors and operations that are not implemented in XML', async () => {
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

  it('serves its health and its ledger under /_local/', async () => {
    await world.put('counted', 'x');
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
