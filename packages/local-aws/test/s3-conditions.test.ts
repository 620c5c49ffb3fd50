/** Conditional writes: of any number of writers at once, exactly one wins. */
import { request } from 'node:http';
import { HeadObjectCommand } from '@aws-sdk/client-s3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { bucket, openS3World, prepareUpload, type S3World } from './s3-world.ts';

let world: S3World;
beforeEach(async () => {
  world = await openS3World({ partMinBytes: 1 });
});
afterEach(() => world.end());

const SIGNED = { authorization: 'AWS4-HMAC-SHA256 Credential=x' };

/**
 * A PUT that has sent all but its last byte. The returned function sends that byte and returns the
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
  it('let exactly one of fifty simultaneous If-None-Match writers succeed', async () => {
    const sizes = [10, 30_000];
    const writers = Array.from({ length: 50 }, (_, n) =>
      holdPut('first', `writer ${n}`.padEnd(sizes[n % 2]!), { 'if-none-match': '*' }),
    );
    const releases = await Promise.all(writers);
    const statuses = await Promise.all(releases.map((release) => release()));
    expect(statuses.filter((status) => status === 200)).toHaveLength(1);
    expect(statuses.filter((status) => status === 412)).toHaveLength(49);
    expect((await world.read('first')).trimEnd()).toBe(`writer ${statuses.indexOf(200)}`);
    expect(world.s3.ledger.summary().requests['s3.PutObject']?.byCode).toEqual({
      OK: 1,
      PreconditionFailed: 49,
    });
  });

  it('let exactly one of twenty simultaneous If-Match writers succeed', async () => {
    const { ETag } = await world.put('seen', 'before');
    const answers = await Promise.allSettled(
      Array.from({ length: 20 }, (_, n) => world.put('seen', `after ${n}`, { IfMatch: ETag })),
    );
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    await expect(world.put('not there', 'x', { IfMatch: ETag })).rejects.toMatchObject({
      name: 'NoSuchKey',
    });
  });

  it('apply to CompleteMultipartUpload too', async () => {
    const completions = await Promise.all(
      Array.from({ length: 10 }, (_, n) => prepareUpload(world, 'joined', `part ${n}`)),
    );
    const answers = await Promise.allSettled(
      completions.map((complete) => complete({ IfNoneMatch: '*' })),
    );
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    const again = await prepareUpload(world, 'joined', 'again');
    await expect(again({ IfMatch: '"no"' })).rejects.toMatchObject({ name: 'PreconditionFailed' });
    await again({
      IfMatch: (await world.client.send(new HeadObjectCommand({ Bucket: bucket, Key: 'joined' })))
        .ETag,
    });
    expect(await world.read('joined')).toBe('again');
  });
});
