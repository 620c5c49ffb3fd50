/** A local S3 for one test, and the unmodified SDK's client. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
  type PutObjectCommandOutput,
  type S3ClientConfig,
} from '@aws-sdk/client-s3';
import { startLocalS3, type LocalS3, type LocalS3Options } from '../s3/server.ts';

export interface S3World {
  s3: LocalS3;
  client: S3Client;
  put(key: string, body: string | Buffer, more?: object): Promise<PutObjectCommandOutput>;
  read(key: string): Promise<string>;
  /** The keys of the bucket, as ListObjectsV2 gives them. */
  keys(): Promise<(string | undefined)[]>;
  /** A further client, closed with the world. */
  newClient(config: S3ClientConfig): S3Client;
  /**
   * Closes the server and serves the same folder again on another port. Use `world.client`
   * afterwards.
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
    put: (key, body, more = {}) =>
      world.client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: body, ...more })),
    async read(key) {
      const got = await world.client.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
      return got.Body!.transformToString();
    },
    async keys() {
      const page = await world.client.send(new ListObjectsV2Command({ Bucket: bucket }));
      return (page.Contents ?? []).map(({ Key }) => Key);
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

/** A multipart upload of one part, ready to be completed. */
export async function prepareUpload(world: S3World, key: string, body: string) {
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
