/** AWS as a machine in QEMU reaches it: addresses on the loopback device of a network namespace of our own. */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import {
  createServer,
  request as forward,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { join } from 'node:path';
import { answer, createAws, SECRET, type PlayedAws } from '../played-aws.ts';
import { signedHeaders } from '../signature.ts';

const METADATA = '169.254.169.254';
/** That of S3, CloudWatch Logs, EC2 and ECS in the machine's /etc/hosts. */
const SERVICES = '192.0.2.1';

export interface PlayedServers {
  aws: PlayedAws;
  /** What agents said as they joined, their ECS_ settings. */
  joined: Record<string, string>[];
  /** Where the played EC2 listens, if one does. */
  ec2Url: string | undefined;
  close(): Promise<void>;
}

/** @throws Error outside of a network namespace of our own */
export function addAddresses(): void {
  const run = (...args: string[]): void => {
    const { status, stderr } = spawnSync('ip', args, { encoding: 'utf8' });
    if (status !== 0) throw new Error(`ip ${args.join(' ')}: ${stderr}`);
  };
  const { stdout } = spawnSync('ip', ['-br', 'link'], { encoding: 'utf8' });
  if (stdout.trim().split('\n').length !== 1)
    throw new Error('This is not a network namespace of our own. Use `npm run test:host`.');
  run('link', 'set', 'lo', 'up');
  for (const address of [METADATA, SERVICES])
    run('address', 'replace', `${address}/32`, 'dev', 'lo');
}

/** @param folder has `played.crt` and `played.key` */
export async function startServers(folder: string): Promise<PlayedServers> {
  const aws = createAws();
  const joined: PlayedServers['joined'] = [];
  const played: Pick<PlayedServers, 'ec2Url'> = { ec2Url: undefined };
  const read = (name: string): Buffer => readFileSync(join(folder, name));
  const joinCluster = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks = (await request.toArray()) as Buffer[];
    joined.push(JSON.parse(Buffer.concat(chunks).toString()) as Record<string, string>);
    response.end('{}');
  };
  const services = createSecureServer(
    // The cheapest cipher for a processor without AES.
    { cert: read('played.crt'), key: read('played.key'), ciphers: 'TLS_CHACHA20_POLY1305_SHA256' },
    (request, response) => {
      const { host = '' } = request.headers;
      if (host.startsWith('ecs.')) void joinCluster(request, response);
      else if (host.startsWith('ec2.')) void askEc2(played.ec2Url, request, response);
      else void answer(aws, request, response);
    },
  ).listen(443, SERVICES);
  const metadata = createServer((request, response) => {
    void answer(aws, request, response);
  }).listen(80, METADATA);
  const servers: Server[] = [services, metadata];
  await Promise.all(servers.map((server) => once(server, 'listening')));
  return Object.assign(played, {
    aws,
    joined,
    async close() {
      for (const server of servers) server.closeAllConnections();
      await Promise.all(servers.map((server) => once(server.close(), 'close')));
    },
  });
}

/** To the played EC2, which does not look at signatures. */
async function askEc2(
  url: string | undefined,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const body = Buffer.concat((await request.toArray()) as Buffer[]);
  if (url === undefined) return void request.socket.destroy();
  try {
    signedHeaders(request, body, SECRET);
  } catch (error) {
    return void response.writeHead(403).end(String(error));
  }
  const { headers, method } = request;
  forward(url, { method, headers, agent: false }, (answered) => {
    response.writeHead(answered.statusCode ?? 500, answered.headers);
    answered.pipe(response);
  })
    .on('error', () => response.destroy())
    .end(body);
}
