/**
 * Free ports on loopback. A free port may be taken by another process before we bind it: so start,
 * and try again.
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
 * Starts on the wanted port, or on a free one; a free port that was snatched away is replaced, five
 * times at most.
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
