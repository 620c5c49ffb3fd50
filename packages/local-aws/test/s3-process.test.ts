/** What the local S3 keeps over a restart and over a SIGKILL. */
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { appendFile, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startLocalS3 } from '../s3/server.ts';
import { bucket, openS3World, prepareUpload, type S3World } from './s3-world.ts';

let world: S3World;
beforeEach(async () => {
  world = await openS3World({ partMinBytes: 1 });
});
afterEach(() => world.end());

describe('the store of the local S3', () => {
  it('serves the same objects and uploads after a restart', async () => {
    await world.put('small', 'small body', { Metadata: { a: '1' }, Tagging: 't=1' });
    await world.put('large', randomBytes(100_000));
    await world.put('replaced', randomBytes(100_000));
    await world.put('replaced', 'now small');
    await world.put('gone', 'x');
    await world.client.send(new DeleteObjectCommand({ Bucket: bucket, Key: 'gone' }));
    const complete = await prepareUpload(world, 'multi', 'completed after the restart');
    const { ETag } = await world.client.send(
      new HeadObjectCommand({ Bucket: bucket, Key: 'large' }),
    );
    await world.restart();
    expect(await world.keys()).toEqual(['large', 'replaced', 'small']);
    const small = await world.client.send(new GetObjectCommand({ Bucket: bucket, Key: 'small' }));
    expect(await small.Body!.transformToString()).toBe('small body');
    expect(small).toMatchObject({ Metadata: { a: '1' }, TagCount: 1 });
    const large = await world.client.send(new GetObjectCommand({ Bucket: bucket, Key: 'large' }));
    expect(
      `"${createHash('md5')
        .update(await large.Body!.transformToByteArray())
        .digest('hex')}"`,
    ).toBe(ETag);
    expect(await world.read('replaced')).toBe('now small');
    await complete();
    expect(await world.read('multi')).toBe('completed after the restart');
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
  it('keeps every object it confirmed, whole, when it is killed during writes', async () => {
    const dataFolder = await mkdtemp(join(tmpdir(), 'local-s3-kill-'));
    let server = await spawnS3(dataFolder);
    try {
      const answered = new Set<string>();
      const writers = Array.from({ length: 8 }, async (_, writer) => {
        for (let n = 0; ; n += 1) {
          const key = `w${writer}/${n}`;
          // Every fourth is large enough for its own file.
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
      // What a crash during an append leaves: the beginning of a record.
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

  it('refuses a data folder that another server uses', async () => {
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
