/** Faults of requests, and clients that disconnect. */
import { request } from 'node:http';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { bucket, openS3World, type S3World } from './s3-world.ts';

let world: S3World;
beforeEach(async () => {
  world = await openS3World({ partMinBytes: 1 });
});
afterEach(() => world.end());

const SIGNED = { authorization: 'AWS4-HMAC-SHA256 Credential=x' };

describe('faults of the local S3', () => {
  it('throttle a request, which the SDK then retries', async () => {
    world.s3.faults.add({ service: 's3', operation: 'PutObject', kind: 'throttle', times: 1 });
    await expect(world.put('throttled', 'x')).rejects.toMatchObject({
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

  it('cut the connection before or after the operation', async () => {
    world.s3.faults.add({
      service: 's3',
      operation: '*',
      match: 'cut',
      kind: 'drop-before',
      times: 1,
    });
    await expect(world.put('cut', 'x')).rejects.toMatchObject({ code: 'ECONNRESET' });
    expect(await world.keys()).toEqual([]);
    world.s3.faults.add({
      service: 's3',
      operation: '*',
      match: 'cut',
      kind: 'drop-after',
      times: 1,
    });
    await expect(world.put('cut', 'x')).rejects.toMatchObject({ code: 'ECONNRESET' });
    expect(await world.keys()).toEqual(['cut']);
    expect(world.s3.ledger.summary().requests['s3.PutObject']?.byCode).toEqual({
      DroppedBefore: 1,
      DroppedAfter: 1,
    });
  });

  it('cut a download in the middle', async () => {
    for (const bytes of [1000, 3_000_000]) {
      await world.put('half', 'x'.repeat(bytes));
      world.s3.faults.add({ service: 's3', operation: 'GetObject', kind: 'drop-after', times: 1 });
      await expect(world.read('half')).rejects.toThrow(/aborted|ECONNRESET/);
      expect(await world.read('half')).toHaveLength(bytes);
    }
  });

  it('fail after the operation, refuse with any error, or delay', async () => {
    world.s3.faults.add({ service: 's3', operation: 'PutObject', kind: 'error-after', times: 1 });
    await expect(world.put('done', 'x')).rejects.toMatchObject({
      name: 'InternalError',
      $metadata: { httpStatusCode: 500 },
    });
    expect(await world.keys()).toEqual(['done']);
    world.s3.faults.add({
      service: 's3',
      operation: 'GetObject',
      kind: 'error',
      status: 403,
      code: 'AccessDenied',
      message: 'not today',
      times: 1,
    });
    await expect(world.read('done')).rejects.toMatchObject({
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
    expect(await world.read('done')).toBe('x');
    expect(performance.now() - startedMs).toBeGreaterThan(45);
  });
});

describe('a client that disconnects', () => {
  it('leaves nothing of an unfinished upload', async () => {
    const half = request(`${world.s3.url}/${bucket}/half`, {
      method: 'PUT',
      headers: { ...SIGNED, 'content-length': '1000000' },
    });
    half.on('error', () => undefined);
    half.write('x'.repeat(500_000), () => half.destroy());
    await expect
      .poll(() => world.s3.ledger.summary().requests['s3.PutObject']?.byCode)
      .toEqual({ ClientGone: 1 });
    expect(await world.keys()).toEqual([]);
  });
});
