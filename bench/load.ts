/**
 * Cheap keep-alive HTTP clients: one socket each, which sends the next request as soon as the response
 * is complete. A fetch costs more CPU than the API needs to respond, and both share two cores.
 */
import { connect, type Socket } from 'node:net';
import { spreadOf, type Spread } from './meters.ts';

interface LoadPlan {
  /** http://host:port */
  url: string;
  connections: number;
  /** The next request. Undefined ends this connection. */
  next(): { method: 'GET' | 'POST'; path: string; body?: string } | undefined;
  /** Called with the body of each response. */
  onAnswer?: (body: string) => void;
}

export interface LoadResult {
  answers: number;
  seconds: number;
  perSecond: number;
  latency: Spread;
}

export async function runLoad(plan: LoadPlan): Promise<LoadResult> {
  const latencies: number[] = [];
  const startedMs = performance.now();
  await Promise.all(Array.from({ length: plan.connections }, () => runConnection(plan, latencies)));
  const seconds = (performance.now() - startedMs) / 1000;
  return {
    answers: latencies.length,
    seconds,
    perSecond: latencies.length / seconds,
    latency: spreadOf(latencies),
  };
}

function runConnection(plan: LoadPlan, latencies: number[]): Promise<void> {
  const { hostname, port, host } = new URL(plan.url);
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname, port: Number(port), noDelay: true });
    let seen: Buffer = Buffer.alloc(0);
    let sentMs = 0;
    const sendNext = (): void => {
      const request = plan.next();
      if (!request) {
        socket.destroy();
        resolve();
        return;
      }
      sentMs = performance.now();
      writeRequest(socket, host, request);
    };
    socket.on('connect', sendNext);
    socket.on('error', reject);
    socket.on('close', () =>
      reject(new Error(`${plan.url} closed a connection after ${latencies.length} responses.`)),
    );
    socket.on('data', (part: Buffer) => {
      seen = seen.length === 0 ? part : Buffer.concat([seen, part]);
      const answer = wholeAnswer(seen);
      if (answer === undefined) return;
      seen = Buffer.alloc(0);
      latencies.push(performance.now() - sentMs);
      if (answer.status !== 200) {
        socket.destroy();
        reject(new Error(`${plan.url} answered ${answer.status}: ${answer.body.slice(0, 300)}`));
        return;
      }
      plan.onAnswer?.(answer.body);
      sendNext();
    });
  });
}

function writeRequest(
  socket: Socket,
  host: string,
  { method, path, body = '' }: { method: string; path: string; body?: string },
): void {
  const length =
    body === ''
      ? ''
      : `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n`;
  socket.write(`${method} ${path} HTTP/1.1\r\nhost: ${host}\r\n${length}\r\n${body}`);
}

/** Responses of the API have a content-length, and a connection has one request at a time. */
function wholeAnswer(bytes: Buffer): { status: number; body: string } | undefined {
  const headEnd = bytes.indexOf('\r\n\r\n');
  if (headEnd === -1) return undefined;
  const head = bytes.toString('latin1', 0, headEnd);
  const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0);
  if (bytes.length < headEnd + 4 + length) return undefined;
  return {
    status: Number(head.slice(9, 12)),
    body: bytes.toString('utf8', headEnd + 4, headEnd + 4 + length),
  };
}
