/**
 * The local S3 behind a small proxy, where a test sees every request and can break it in ways that
 * no rule describes.
 */
import {
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { Crc64Nvme } from '@aws-sdk/checksums/crc';
import { createServer, request as forward } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { startLocalS3 } from '../../packages/local-aws/s3/server.ts';

export interface S3Between {
  /** Of the proxy. */
  url: string;
  /** `GET bucket/key` and so on, in order, without those of the test itself. */
  requests: string[];
  /** Called before a request is passed on. Returns true when it has handled the request. */
  fault: ((request: IncomingMessage, reply: ServerResponse, name: string) => boolean) | undefined;
  /** Passes a request on, for a fault that only delays. */
  passOn(request: IncomingMessage, reply: ServerResponse): void;
  /** @param name `bucket/key` */
  put(name: string, text: string | Buffer): Promise<void>;
  bytes(name: string): Promise<Buffer | undefined>;
  text(name: string): Promise<string | undefined>;
  /** Of an existing object. */
  userMetadata(name: string): Promise<Record<string, string> | undefined>;
  /** All keys under `bucket/prefix`, as `bucket/key`. */
  names(prefix: string): Promise<string[]>;
  close(): Promise<void>;
}

export async function crcOf(bytes: Buffer): Promise<string> {
  const crc = new Crc64Nvme();
  crc.update(bytes);
  return Buffer.from(await crc.digest()).toString('base64');
}

export const denied = (request: IncomingMessage, reply: ServerResponse): true => {
  request.resume();
  reply
    .writeHead(403, { 'content-type': 'application/xml' })
    .end('<Error><Code>AccessDenied</Code><Message>no</Message></Error>');
  return true;
};

function passOn(to: string, request: IncomingMessage, reply: ServerResponse): void {
  const onward = forward(
    `${to}${request.url}`,
    { method: request.method ?? 'GET', headers: request.headers },
    (answer) => {
      reply.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(reply);
    },
  );
  onward.on('error', () => reply.destroy());
  reply.on('close', () => onward.destroy());
  request.pipe(onward);
}

const placeOf = (name: string) => ({
  Bucket: name.slice(0, name.indexOf('/')),
  Key: name.slice(name.indexOf('/') + 1),
});

export async function startS3Between(dataFolder: string, buckets: string[]): Promise<S3Between> {
  const local = await startLocalS3({ dataFolder, createBuckets: buckets });
  const client = new S3Client({
    endpoint: local.url,
    forcePathStyle: true,
    region: 'us-east-1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  });
  const proxy = createServer((request, reply) => {
    const name = decodeURIComponent(
      new URL(request.url ?? '/', 'http://between').pathname.slice(1),
    );
    s3.requests.push(`${request.method} ${name}`);
    if (!s3.fault?.(request, reply, name)) s3.passOn(request, reply);
  });
  const bytes = async (name: string): Promise<Buffer | undefined> => {
    try {
      const { Body } = await client.send(new GetObjectCommand(placeOf(name)));
      return Body && Buffer.from(await Body.transformToByteArray());
    } catch (error) {
      if (error instanceof Error && error.name === 'NoSuchKey') return undefined;
      throw error;
    }
  };
  const s3: S3Between = {
    url: '',
    requests: [],
    fault: undefined,
    passOn: (request, reply) => passOn(local.url, request, reply),
    put: async (name, text) =>
      void (await client.send(new PutObjectCommand({ ...placeOf(name), Body: text }))),
    bytes,
    text: async (name) => (await bytes(name))?.toString('utf8'),
    userMetadata: async (name) =>
      (await client.send(new HeadObjectCommand(placeOf(name)))).Metadata,
    async names(prefix) {
      const { Bucket, Key } = placeOf(prefix);
      const page = await client.send(new ListObjectsV2Command({ Bucket, Prefix: Key }));
      return (page.Contents ?? []).map((object) => `${Bucket}/${object.Key}`);
    },
    async close() {
      client.destroy();
      proxy.closeAllConnections();
      await new Promise((resolve) => void proxy.close(resolve));
      await local.close();
    },
  };
  await new Promise<void>((resolve) => void proxy.listen(0, '127.0.0.1', resolve));
  s3.url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  return s3;
}
