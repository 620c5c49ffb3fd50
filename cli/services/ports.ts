/**
 * Free ports on loopback. Another process can take a free port before the server binds it, so a
 * start is retried.
 */
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { ServerNotReady } from './owned-server.ts';

const TRIES = 5;

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/**
 * Starts on the wanted port, or on a free one. A free port that another process took is replaced,
 * at most five times.
 */
export async function startOnPort<T>(
  wantedPort: number | undefined,
  start: (port: number) => Promise<T>,
): Promise<T> {
  if (wantedPort !== undefined) return start(wantedPort);
  for (let attempt = 1; ; attempt++) {
    try {
      return await start(await freePort());
    } catch (error) {
      if (!(error instanceof ServerNotReady && error.portTaken) || attempt === TRIES) throw error;
    }
  }
}
