/**
 * A name that moves from one server to another, as the endpoint of a cluster does: new connections go
 * to the present target, old ones stay where they are.
 */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

export interface MovingName {
  /** The URL of the first target, by this name. */
  url: string;
  /** Where new connections go. */
  moveTo(port: number): void;
  /** Closes all connections. */
  drop(): void;
  /** The present connections are never answered again and never closed, as when a host vanishes. */
  silence(): void;
  /** The next request that matches is forwarded, and never answered. */
  loseAnswerTo(request: RegExp): void;
  /** Open connections by the port of their target. */
  connections(): Map<number, number>;
  close(): Promise<void>;
}

export async function startMovingName(targetUrl: string): Promise<MovingName> {
  const url = new URL(targetUrl);
  let target = Number(url.port);
  const pairs = new Map<Socket, { far: Socket; port: number }>();
  let lost: RegExp | undefined;
  const server = createServer((near) => {
    const far = connect(target, '127.0.0.1');
    pairs.set(near, { far, port: target });
    near.on('data', (data) => {
      if (lost?.test(data.toString('latin1')) !== true) return;
      lost = undefined;
      far.unpipe(near).resume();
    });
    near.pipe(far);
    far.pipe(near);
    near
      .on('error', () => undefined)
      .on('close', () => {
        pairs.delete(near);
        far.destroy();
      });
    far.on('error', () => undefined).on('close', () => near.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const drop = (): void => {
    for (const near of pairs.keys()) near.destroy();
  };
  return {
    url: url.href,
    moveTo: (port) => void (target = port),
    drop,
    silence() {
      for (const [near, { far }] of pairs) {
        near.unpipe(far);
        far.unpipe(near);
        near.pause();
        far.removeAllListeners('close').destroy();
      }
    },
    loseAnswerTo: (request) => void (lost = request),
    connections() {
      const counts = new Map<number, number>();
      for (const { port } of pairs.values()) counts.set(port, (counts.get(port) ?? 0) + 1);
      return counts;
    },
    async close() {
      drop();
      server.close();
      await once(server, 'close');
    },
  };
}
