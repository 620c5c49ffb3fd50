/** Between the fleet and the local AWS: passes requests on, and writes down who asked for what. */
import { once } from 'node:events';
import { createServer, request as send, type IncomingMessage, type Server } from 'node:http';
import { operationOf, targetOf } from '../../packages/local-aws/s3/route.ts';
import { iamRequests, type Asked, type IamRequest } from './iam-requests.ts';

export interface Noted extends IamRequest {
  /** The access key, which is the name of the role. */
  role: string;
}

export interface Recorder {
  url: string;
  close(): Promise<void>;
}

const OPERATIONS = Object.keys(iamRequests);

function askedOf(service: 's3' | 'batch', request: IncomingMessage, body: Buffer): Asked {
  const nothing = { bucket: '', key: '', query: new URLSearchParams(), headers: request.headers };
  if (service === 'batch') {
    const path = request.url?.replace('/v1/', '') ?? '';
    const operation = OPERATIONS.find((name) => name.toLowerCase() === `batch.${path}`);
    return {
      ...nothing,
      operation: operation ?? `batch.${path}`,
      body: JSON.parse(body.toString() || '{}') as Asked['body'],
    };
  }
  const target = targetOf(request);
  if (!('key' in target)) return { ...nothing, operation: `s3 ${request.url}`, body: {} };
  const { bucketName: bucket, key, query } = target;
  const operation = `s3.${operationOf(request, target) ?? `${request.method} ${request.url}`}`;
  return { ...nothing, operation, bucket, key, query, body: {} };
}

/** @param unknown gets operations that have no row in the table */
export async function startRecorder(
  service: 's3' | 'batch',
  to: string,
  noted: Noted[],
  unknown: Set<string>,
): Promise<Recorder> {
  const server: Server = createServer((request, response) => {
    void pass(request).catch(() => response.destroy());
    async function pass(incoming: IncomingMessage): Promise<void> {
      const chunks: Buffer[] = [];
      for await (const chunk of incoming) chunks.push(chunk as Buffer);
      const body = Buffer.concat(chunks);
      note(askedOf(service, incoming, body), incoming);
      const { method, headers, url = '/' } = incoming;
      const onward = send(new URL(to), { path: url, method, headers });
      onward.end(body);
      const [answer] = (await once(onward, 'response')) as [IncomingMessage];
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(response);
    }
  });
  const note = (asked: Asked, { headers }: IncomingMessage): void => {
    const role = /Credential=([^/]+)\//.exec(String(headers.authorization))?.[1] ?? 'nobody';
    const row = iamRequests[asked.operation];
    if (row === undefined) unknown.add(asked.operation);
    else noted.push(...row(asked).map((request) => ({ role, ...request })));
  };
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return {
    url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
