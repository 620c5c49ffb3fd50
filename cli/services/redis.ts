/**
 * A private Redis: its own folder, port and password, on loopback only. It is ready in about 0.05 s
 * and uses 12 MB.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { ensureProgram } from './install.ts';
import { startOwnedServer, type PrivateServer } from './owned-server.ts';
import { startOnPort } from './ports.ts';
import { REDIS_SERVER } from './programs.ts';

export interface RedisOptions {
  /** Kept when the server stops. Without it: a temporary folder, removed on stop. */
  dataFolder?: string;
  port?: number;
  /** Write an append-only file, synced every second. On by default when dataFolder is given. */
  durable?: boolean;
  /**
   * With port and dataFolder, a killed server comes back at the same URL. Generated when absent.
   */
  password?: string;
  /** More lines of its configuration, which win over the others. */
  configLines?(port: number): readonly string[];
}

/**
 * Uses the Redis at the URL, which is never stopped, or starts a private one.
 */
export async function redisOrPrivate(
  url: string | undefined,
  options: RedisOptions = {},
): Promise<Pick<PrivateServer, 'url' | 'stop'>> {
  return url ? { url, stop: async () => undefined } : startRedis(options);
}

/**
 * Its URL is `redis://:password@127.0.0.1:port`.
 * Rejects with MissingProgram when there is no Redis and none can be installed, with ServerNotReady
 * when it does not start.
 */
export async function startRedis(options: RedisOptions = {}): Promise<PrivateServer> {
  const program = await ensureProgram(REDIS_SERVER);
  return startOnPort(options.port, (port) => startRedisOn(program, port, options));
}

async function startRedisOn(
  program: string,
  port: number,
  options: RedisOptions,
): Promise<PrivateServer> {
  const temporary = options.dataFolder === undefined;
  const dataFolder =
    options.dataFolder === undefined
      ? await mkdtemp(join(tmpdir(), 'batchwell-redis-'))
      : resolve(options.dataFolder);
  await mkdir(dataFolder, { recursive: true });
  const password = options.password ?? randomBytes(18).toString('base64url');
  const configFile = join(dataFolder, 'redis.conf');
  // A file and not arguments: every user of the machine can read the arguments of a process.
  const facts = { port, dataFolder, password, durable: options.durable ?? !temporary };
  const lines = [...redisConfig(facts), ...(options.configLines?.(port) ?? [])];
  await writeFile(configFile, `${lines.join('\n')}\n`, { mode: 0o600 });
  const server = await startOwnedServer({
    title: 'Redis',
    program,
    args: [configFile],
    readyLine: /ready to accept connections/i,
    readyWithinMs: 30_000,
    stopWithinMs: 10_000,
    ...(temporary ? { temporaryFolder: dataFolder } : {}),
  });
  return { ...server, url: `redis://:${password}@127.0.0.1:${port}`, port, password, dataFolder };
}

interface RedisSetting {
  port: number;
  dataFolder: string;
  password: string;
  durable: boolean;
}

function redisConfig(facts: RedisSetting): string[] {
  return [
    'bind 127.0.0.1',
    `port ${facts.port}`,
    `requirepass ${facts.password}`,
    `dir ${JSON.stringify(facts.dataFolder)}`,
    'daemonize no',
    // BullMQ's keys must never be evicted: a full Redis must refuse writes, not delete keys.
    'maxmemory-policy noeviction',
    'save ""',
    `appendonly ${facts.durable ? 'yes' : 'no'}`,
    'appendfsync everysec',
    'databases 16',
  ];
}
