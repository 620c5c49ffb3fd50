/** The least of S3 that the stager speaks, in memory: for its tests only, with a place to put faults in. */
import { Crc64Nvme } from '@aws-sdk/checksums/crc';
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

interface Stored {
  bytes: Buffer;
  etag: string;
  crc64nvme: string;
}

export interface TinyS3 {
  url: string;
  /** By `bucket/key`. */
  objects: Map<string, Stored>;
  /** `GET bucket/key` and so on, in order. */
  requests: string[];
  /** Multipart uploads neither completed nor aborted. */
  openUploads: Map<string, Map<number, Buffer>>;
  put(name: string, text: string | Buffer): Promise<void>;
  text(name: string): string | undefined;
  /** Called before a request is served; true when it has been dealt with. */
  fault: ((request: IncomingMessage, reply: ServerResponse, name: string) => boolean) | undefined;
  close(): Promise<void>;
}

export async function crcOf(bytes: Buffer): Promise<string> {
  const crc = new Crc64Nvme();
  crc.update(bytes);
  return Buffer.from(await crc.digest()).toString('base64');
}

const store = async (bytes: Buffer): Promise<Stored> => ({ bytes, etag: `"${createHash('md5').update(bytes).digest('hex')}"`, crc64nvme: await crcOf(bytes) });

async function readAll(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

const refuse = (reply: ServerResponse, status: number, code: string): void => {
  reply.writeHead(status, { 'content-type': 'application/xml' }).end(`<Error><Code>${code}</Code><Message>${code} of the tiny S3</Message></Error>`);
};

const escapeXml = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

function serveGet(request: IncomingMessage, reply: ServerResponse, found: Stored | undefined): void {
  if (!found) return refuse(reply, 404, 'NoSuchKey');
  const wanted = request.headers['if-match'];
  if (wanted !== undefined && wanted !== found.etag) return refuse(reply, 412, 'PreconditionFailed');
  const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
  if (range) return servePart(reply, found, Number(range[1]), Math.min(found.bytes.length, Number(range[2]) + 1));
  const sums = request.headers['x-amz-checksum-mode'] === 'ENABLED' ? { 'x-amz-checksum-crc64nvme': found.crc64nvme, 'x-amz-checksum-type': 'FULL_OBJECT' } : {};
  reply.writeHead(200, { etag: found.etag, 'content-length': found.bytes.length, ...sums });
  reply.end(request.method === 'HEAD' ? undefined : found.bytes);
}

function servePart(reply: ServerResponse, { bytes, etag }: Stored, start: number, end: number): void {
  if (start >= bytes.length) return refuse(reply, 416, 'InvalidRange');
  reply.writeHead(206, { etag, 'content-length': end - start, 'content-range': `bytes ${start}-${end - 1}/${bytes.length}` });
  reply.end(bytes.subarray(start, end));
}

function list(s3: TinyS3, reply: ServerResponse, bucket: string, query: URLSearchParams): void {
  const prefix = `${bucket}/${query.get('prefix') ?? ''}`;
  const keys = [...s3.objects.keys()].filter((name) => name.startsWith(prefix)).toSorted();
  const contents = keys.map((name) => `<Contents><Key>${escapeXml(name.slice(bucket.length + 1))}</Key><Size>${s3.objects.get(name)?.bytes.length ?? 0}</Size></Contents>`);
  reply.writeHead(200, { 'content-type': 'application/xml' }).end(`<ListBucketResult><IsTruncated>false</IsTruncated>${contents.join('')}</ListBucketResult>`);
}

async function serveUpload(s3: TinyS3, request: IncomingMessage, reply: ServerResponse, name: string, query: URLSearchParams): Promise<void> {
  const id = query.get('uploadId') ?? '';
  const body = await readAll(request);
  if (query.has('uploads')) {
    const fresh = String(s3.requests.length);
    s3.openUploads.set(fresh, new Map());
    reply.writeHead(200).end(`<InitiateMultipartUploadResult><UploadId>${fresh}</UploadId></InitiateMultipartUploadResult>`);
  } else if (request.method === 'DELETE') {
    s3.openUploads.delete(id);
    reply.writeHead(204).end();
  } else if (request.method === 'PUT') {
    if ((await crcOf(body)) !== request.headers['x-amz-checksum-crc64nvme']) return refuse(reply, 400, 'BadDigest');
    s3.openUploads.get(id)?.set(Number(query.get('partNumber')), body);
    reply.writeHead(200, { etag: '"part"' }).end();
  } else {
    const parts = s3.openUploads.get(id);
    if (!parts) return refuse(reply, 404, 'NoSuchUpload');
    const whole = await store(Buffer.concat([...parts].toSorted(([a], [b]) => a - b).map(([, bytes]) => bytes)));
    if (whole.crc64nvme !== request.headers['x-amz-checksum-crc64nvme']) return refuse(reply, 400, 'BadDigest');
    s3.objects.set(name, { ...whole, etag: `"00000000000000000000000000000000-${parts.size}"` });
    s3.openUploads.delete(id);
    reply.writeHead(200).end('<CompleteMultipartUploadResult></CompleteMultipartUploadResult>');
  }
}

async function serve(s3: TinyS3, request: IncomingMessage, reply: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://tiny');
  const name = decodeURIComponent(url.pathname.slice(1));
  s3.requests.push(`${request.method} ${name}`);
  if (s3.fault?.(request, reply, name)) return;
  if (url.searchParams.has('uploads') || url.searchParams.has('uploadId')) return serveUpload(s3, request, reply, name, url.searchParams);
  if (request.method === 'GET' && url.searchParams.has('list-type')) return list(s3, reply, name.replace(/\/$/, ''), url.searchParams);
  if (request.method === 'GET' || request.method === 'HEAD') return serveGet(request, reply, s3.objects.get(name));
  return servePut(s3, request, reply, name);
}

async function servePut(s3: TinyS3, request: IncomingMessage, reply: ServerResponse, name: string): Promise<void> {
  const object = await store(await readAll(request));
  const claimed = request.headers['x-amz-checksum-crc64nvme'];
  if (claimed !== undefined && claimed !== object.crc64nvme) return refuse(reply, 400, 'BadDigest');
  if (request.headers['if-none-match'] === '*' && s3.objects.has(name)) return refuse(reply, 412, 'PreconditionFailed');
  s3.objects.set(name, object);
  reply.writeHead(200, { etag: object.etag }).end();
}

export async function startTinyS3(): Promise<TinyS3> {
  const server = createServer((request, reply) => {
    serve(s3, request, reply).catch(() => request.destroy());
  });
  const s3: TinyS3 = {
    url: '',
    objects: new Map(),
    requests: [],
    openUploads: new Map(),
    put: async (name, text) => void s3.objects.set(name, await store(Buffer.from(text))),
    text: (name) => s3.objects.get(name)?.bytes.toString('utf8'),
    fault: undefined,
    close: () => new Promise((resolve) => {
      server.closeAllConnections();
      server.close(() => resolve());
    }),
  };
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  s3.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return s3;
}
