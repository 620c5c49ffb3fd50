/** What a host asks for: instance metadata (IMDSv2), the release bucket, and every other service as `{}`. */
import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { signedHeaders } from './signature.ts';

export const SECRET = 'secret/of+the=role';
export const TOKEN = 'session//token==';

const UNAME = process.arch === 'arm64' ? 'arm64' : 'x86_64';
export const ARCHIVE = `batchwell-host-${UNAME}.tar.gz`;

export interface PlayedAws {
  /** Objects of the release bucket, by key. */
  objects: Map<string, Buffer>;
  /** Answers before the objects, for faults: a status, or `hang`. */
  faults: (number | 'hang')[];
  /** Requests to S3 and to other services. */
  seen: { path: string; target?: string; body: string; signed: string[] }[];
  /** Of the instance, by path below `/latest/`. */
  metadata: Map<string, string>;
}

export const createAws = (): PlayedAws => ({
  objects: new Map(),
  faults: [],
  seen: [],
  metadata: new Map([
    ['meta-data/instance-id', 'i-1'],
    ['meta-data/iam/security-credentials/', 'HostRole'],
    ['meta-data/iam/security-credentials/HostRole', roleKeys()],
  ]),
});

function roleKeys(): string {
  const keys = { Code: 'Success', AccessKeyId: 'KEY-ID', SecretAccessKey: SECRET, Token: TOKEN };
  return JSON.stringify({ ...keys, Expiration: '2099-01-01T00:00:00Z' }, null, 2);
}

const sha256 = (content: Buffer): string => createHash('sha256').update(content).digest('hex');

/** Puts a release of one archive into the bucket. Returns its name. */
export function putRelease({ objects }: PlayedAws, archive: Buffer): string {
  const sums = Buffer.from(`${sha256(archive)}  ${ARCHIVE}\n`);
  const release = sha256(sums);
  objects.set(`releases/${release}/SHA256SUMS`, sums);
  objects.set(`releases/${release}/${ARCHIVE}`, archive);
  return release;
}

export async function answer(
  aws: PlayedAws,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const url = request.url ?? '';
  const [, metadata] = /^\/(?:latest|\d{4}-\d\d-\d\d)\/(.*)$/.exec(url) ?? [];
  if (metadata === undefined) answerService(aws, request, response, Buffer.concat(chunks));
  else answerMetadata(aws, request, response, metadata);
}

/** IMDSv2: nothing without the token. */
function answerMetadata(
  { metadata }: PlayedAws,
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
): void {
  if (path === 'api/token' && request.method === 'PUT') return void response.end('metadata-token');
  if (request.headers['x-aws-ec2-metadata-token'] !== 'metadata-token')
    return void response.writeHead(401).end();
  const found = metadata.get(path) ?? namesBelow(metadata, path);
  if (found === undefined) response.writeHead(404).end();
  else response.end(found);
}

/** With a slash at its end or without, as on EC2. */
function namesBelow(metadata: PlayedAws['metadata'], path: string): string | undefined {
  const folder = path.replace(/\/?$/, '/');
  const names = [...metadata.keys()]
    .filter((key) => key.startsWith(folder))
    .map((key) => key.slice(folder.length).replace(/\/.*/, '/'));
  return names.length === 0 ? undefined : [...new Set(names)].join('\n');
}

function answerService(
  { objects, faults, seen }: PlayedAws,
  request: IncomingMessage,
  response: ServerResponse,
  body: Buffer,
): void {
  const url = request.url ?? '';
  let signed: string[];
  try {
    signed = signedHeaders(request, body, SECRET);
  } catch (error) {
    return void response.writeHead(403).end(`<Code>${String(error)}</Code>`);
  }
  const target = request.headers['x-amz-target'];
  seen.push({ path: url, body: String(body), signed, ...(target && { target: String(target) }) });
  const fault = url === '/' ? undefined : faults.shift();
  if (fault === 'hang') return;
  const object = objects.get(url.replace(/^\/[^/]*\//, ''));
  if (fault !== undefined) response.writeHead(fault).end('<Error><Code>Played</Code></Error>');
  else if (url === '/') response.end('{}');
  else if (object === undefined)
    response.writeHead(404).end('<Error><Code>NoSuchKey</Code></Error>');
  else response.end(object);
}
