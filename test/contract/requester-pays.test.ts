/** Buckets whose owner makes the requester pay, as the fleet and the stager read them. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openObjectStore, type ObjectStore } from '../../aws/s3.ts';
import { paysFor, readPayingBuckets } from '../../core/files/requester-pays.ts';
import { fetchInputs } from '../../stager/inputs.ts';
import { openS3 } from '../../stager/s3.ts';
import { createMetrics } from '../../telemetry/metrics.ts';
import { openS3Edge, sourceOf, type S3Edge } from './aws-world.ts';

const PART = 64 * 1024;
const copyLimits = { largestBytes: PART, partBytes: PART };
let edge: S3Edge;
let paying: ObjectStore;
let folder: string;
beforeAll(async () => {
  edge = await openS3Edge({
    createBuckets: ['data', 'theirs'],
    requesterPays: ['theirs'],
    partMinBytes: 1024,
  });
  paying = openObjectStore({
    metrics: createMetrics(),
    pathStyle: true,
    copyLimits,
    requesterPays: ['theirs'],
  });
  await paying.put('s3://theirs/ref/a', 'a');
  await paying.put('s3://theirs/large', Buffer.alloc(2 * PART, 'x'));
  folder = await mkdtemp(join(tmpdir(), 'requester-pays-'));
});
afterAll(async () => {
  paying.close();
  await rm(folder, { recursive: true, force: true });
  await edge.close();
});

const listed = async (objects: ObjectStore): Promise<string[]> => {
  const urls: string[] = [];
  for await (const page of objects.list('s3://theirs/ref/'))
    urls.push(...page.map(({ url }) => url));
  return urls;
};

describe('the fleet', () => {
  test('is denied each request to a bucket that it was not told to pay for', async () => {
    await expect(edge.objects.get('s3://theirs/ref/a')).rejects.toThrow('AccessDenied');
    await expect(edge.objects.describe('s3://theirs/ref/a')).rejects.toThrow('could not look at');
    await expect(listed(edge.objects)).rejects.toThrow('AccessDenied');
  });

  test('reads, lists, and copies from a bucket that it pays for, also part by part', async () => {
    expect(String(await paying.get('s3://theirs/ref/a'))).toBe('a');
    expect((await paying.describe('s3://theirs/ref/a'))?.sizeBytes).toBe(1);
    expect(await listed(paying)).toEqual(['s3://theirs/ref/a']);
    for (const name of ['ref/a', 'large']) {
      const from = await sourceOf(paying, `s3://theirs/${name}`);
      expect(await paying.copy({ from, toUrl: `s3://data/${name}` })).toMatchObject({
        did: 'copied',
      });
    }
  });
});

describe('the stager', () => {
  const inputs = [
    { kind: 'file' as const, url: 's3://theirs/ref/a', path: 'file', name: '' },
    { kind: 'folder' as const, url: 's3://theirs/ref', path: 'tree', name: '' },
  ].map((input) => ({ ...input, at: input.path }));
  const fetchWith = (env: Record<string, string>) => {
    const s3 = openS3({ ...process.env, ...env });
    return fetchInputs(
      s3,
      inputs.map(({ at, ...input }) => ({ ...input, path: join(folder, at) })),
    ).finally(() => s3.destroy());
  };

  test.each([{}, { BATCHWELL_REQUESTER_PAYS: 'other' }])(
    'is denied the inputs with %j',
    async (env) => {
      const fetched = await fetchWith(env);
      expect('error' in fetched && fetched.error.message).toContain('AccessDenied');
    },
  );

  test.each(['theirs', ' other, theirs ', '*'])('reads the inputs with %j', async (value) => {
    expect(await fetchWith({ BATCHWELL_REQUESTER_PAYS: value })).not.toHaveProperty('error');
    expect(await readFile(join(folder, 'tree', 'a'), 'utf8')).toBe('a');
  });
});

test('requests to other buckets agree to nothing', async () => {
  const agreed: unknown[] = [];
  const s3 = openS3({ ...process.env, BATCHWELL_REQUESTER_PAYS: 'theirs' });
  s3.middlewareStack.add(
    (next) => (args) => {
      const { headers } = args.request as { headers: Record<string, string> };
      agreed.push(headers['x-amz-request-payer']);
      return next(args);
    },
    { step: 'finalizeRequest', priority: 'low' },
  );
  for (const Bucket of ['data', 'theirs'])
    await s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'x' }));
  s3.destroy();
  expect(agreed).toEqual([undefined, 'requester']);
});

test.each([
  [{ Bucket: 'a' }, true],
  [{ Bucket: 'b', CopySource: 'a/key' }, true],
  [{ Bucket: 'b', CopySource: '/a/key?versionId=1' }, true],
  [{ Bucket: 'b', CopySource: 'b/a/key' }, false],
  [{ Bucket: 'ab' }, false],
  [{}, false],
  [undefined, false],
])('of the bucket a alone, %j is paid: %s', (input, pays) => {
  expect(paysFor(readPayingBuckets('a'), input)).toBe(pays);
  expect(paysFor(readPayingBuckets(''), input)).toBe(false);
  expect(paysFor(readPayingBuckets('*'), input)).toBe(true);
});
