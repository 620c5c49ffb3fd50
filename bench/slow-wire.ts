/**
 * A TCP proxy on loopback before the database: it counts the commands that clients send, which are the round trips,
 * and delays every direction by half of a given time, as a network between hosts does.
 */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

export interface SlowWire {
  /** The URL that leads through the proxy. */
  url: string;
  /** Commands of all clients so far. */
  commands(): number;
  /** From now on. */
  setDelay(roundTripMs: number): void;
  close(): Promise<void>;
}

const HEADER_BYTES = 4;

/**
 * Counts the packets that begin a command: MySQL numbers the packets of a command from 0. A header may be cut by
 * the end of a chunk.
 */
function createCounter(onCommand: () => void): (chunk: Buffer) => void {
  let header: number[] = [];
  let left = 0;
  return (chunk) => {
    for (let at = 0; at < chunk.length;) {
      if (left > 0) {
        const taken = Math.min(left, chunk.length - at);
        left -= taken;
        at += taken;
        continue;
      }
      header.push(chunk[at] ?? 0);
      at += 1;
      if (header.length < HEADER_BYTES) continue;
      const [low = 0, middle = 0, high = 0, sequence] = header;
      left = low + middle * 2 ** 8 + high * 2 ** 16;
      if (sequence === 0) onCommand();
      header = [];
    }
  };
}

/** Passes bytes on in their order, each chunk after the delay that holds when it comes. */
function pass(
  from: Socket,
  to: Socket,
  delayMs: () => number,
  see?: (chunk: Buffer) => void,
): void {
  from.on('data', (chunk: Buffer) => {
    see?.(chunk);
    const ms = delayMs();
    if (ms === 0) to.write(chunk);
    else setTimeout(() => to.write(chunk), ms);
  });
  from.on('close', () => to.destroy());
  from.on('error', () => to.destroy());
}

/** @param url of the database */
export async function openSlowWire(url: string, roundTripMs = 0): Promise<SlowWire> {
  const { hostname, port } = new URL(url);
  let commands = 0;
  let delayMs = roundTripMs / 2;
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (client) => {
    const upstream = connect({ host: hostname, port: Number(port), noDelay: true });
    for (const one of [client, upstream]) {
      sockets.add(one);
      one.once('close', () => sockets.delete(one));
    }
    const count = createCounter(() => (commands += 1));
    pass(client, upstream, () => delayMs, count);
    pass(upstream, client, () => delayMs);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const through = new URL(url);
  through.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url: through.href,
    commands: () => commands,
    setDelay(ms) {
      delayMs = ms / 2;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
