/**
 * Redis and MariaDB that a story kills with SIGKILL: they come back at the same url, over what they
 * had on disk.
 */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startMariadb } from '../../cli/services/mariadb.ts';
import { startRedis } from '../../cli/services/redis.ts';

export interface Restartable {
  readonly url: string;
  readonly pid: number;
  /** SIGKILL, some time away, and a start. Resolves when it serves again. */
  crash(absentMs: number): Promise<void>;
  drop(): Promise<void>;
}

interface Server {
  url: string;
  port: number;
  password: string;
  pid: number;
  ended: Promise<string>;
  stop(): Promise<void>;
}

/** With an append-only file: what it lost of the last second is what it would lose in life. */
export const restartableRedis = (): Promise<Restartable> => restartable((at) => startRedis(at));

export const restartableMariadb = (): Promise<Restartable> =>
  restartable((at) => startMariadb({ ...at, small: true }));

async function restartable(
  start: (at: { dataFolder: string; port?: number; password?: string }) => Promise<Server>,
): Promise<Restartable> {
  const folder = await mkdtemp(join(tmpdir(), 'batchwell-restartable-'));
  await chmod(folder, 0o711); // mariadbd's own user must pass through
  const dataFolder = join(folder, 'server');
  let server = await start({ dataFolder });
  const { url, port, password } = server;
  let restarting = Promise.resolve();
  const crash = async (absentMs: number): Promise<void> => {
    process.kill(server.pid, 'SIGKILL');
    await server.ended;
    await sleep(absentMs);
    server = await start({ dataFolder, port, password });
  };
  return {
    url,
    get pid() {
      return server.pid;
    },
    crash: (absentMs) => (restarting = crash(absentMs)),
    async drop() {
      await restarting.catch(() => undefined);
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
