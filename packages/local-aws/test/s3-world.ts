/** A local S3 of a test's own, with the unmodified SDK before it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import { startLocalS3, type LocalS3, type LocalS3Options } from '../s3/server.ts';

export interface S3World {
  s3: LocalS3;
  client: S3Client;
  /** A further client, closed with the world. */
  newClient(config: S3ClientConfig): S3Client;
  /**
   * Closes the server and serves the same folder again, at another port: use `world.client` after
   * it.
   */
  restart(): Promise<void>;
  end(): Promise<void>;
}

export const bucket = 'world';

export async function openS3World(options: Partial<LocalS3Options> = {}): Promise<S3World> {
  const dataFolder = await mkdtemp(join(tmpdir(), 'local-s3-'));
  const clients: S3Client[] = [];
  const start = () => startLocalS3({ dataFolder, createBuckets: [bucket], ...options });
  const world: S3World = {
    s3: await start(),
    get client() {
      return clients[0]!;
    },
    newClient(config) {
      const client = new S3Client({
        endpoint: world.s3.url,
        region: 'us-east-1',
        credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
        maxAttempts: 1,
        ...config,
      });
      clients.push(client);
      return client;
    },
    async restart() {
      await world.s3.close();
      for (const client of clients.splice(0)) client.destroy();
      world.s3 = await start();
      world.newClient({});
    },
    async end() {
      for (const client of clients) client.destroy();
      await world.s3.close();
      await rm(dataFolder, { recursive: true, force: true });
    },
  };
  world.newClient({});
  return world;
}
