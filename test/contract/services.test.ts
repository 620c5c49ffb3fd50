import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Redis } from 'ioredis';
import { createConnection, type RowDataPacket } from 'mysql2/promise';
import { expect, onTestFinished, test } from 'vitest';
import { mariadbOrPrivate, startMariadb } from '../../cli/services/mariadb.ts';
import {
  ServerNotReady,
  startOwnedServer,
  type ServerCommand,
} from '../../cli/services/owned-server.ts';
import { startOnPort } from '../../cli/services/ports.ts';
import { redisOrPrivate, startRedis } from '../../cli/services/redis.ts';
import { freshDatabase, freshRedis } from '../world.ts';

function lives(pid: number): boolean {
  try {
    // A zombie has ended: only its parent has not reaped it yet.
    return process.kill(pid, 0) && !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ');
  } catch {
    return false;
  }
}

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'batchwell-services-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function askRedis<T>(url: string, ask: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(url, { maxRetriesPerRequest: 1 });
  redis.on('error', () => undefined);
  return ask(redis).finally(() => redis.disconnect());
}

async function askDatabase(url: string, statement: string): Promise<RowDataPacket[]> {
  const connection = await createConnection({ uri: url, multipleStatements: true });
  const [rows] = await connection.query<RowDataPacket[]>(statement).finally(() => connection.end());
  return rows;
}

const shellServer = (script: string, settings: Partial<ServerCommand> = {}): ServerCommand => ({
  title: 'Shell',
  program: '/bin/sh',
  args: ['-c', script],
  readyLine: /^ready$/,
  readyWithinMs: 5_000,
  stopWithinMs: 5_000,
  ...settings,
});

test('a private Redis keeps every key, requires its password and leaves nothing behind', async () => {
  const redis = await startRedis();
  onTestFinished(redis.stop);
  const policy = await askRedis(redis.url, (client) => client.config('GET', 'maxmemory-policy'));
  expect(policy).toEqual(['maxmemory-policy', 'noeviction']);
  await expect(
    askRedis(`redis://127.0.0.1:${redis.port}`, (client) => client.get('a')),
  ).rejects.toThrow(/NOAUTH/);
  await redis.stop();
  expect(lives(redis.pid)).toBe(false);
  expect(existsSync(redis.dataFolder)).toBe(false);
});

test('a Redis with a data folder keeps its data over a restart, even after SIGKILL', async () => {
  const dataFolder = await temporaryFolder();
  const first = await startRedis({ dataFolder });
  onTestFinished(first.stop);
  await askRedis(first.url, async (client) => {
    await client.set('kept', 'yes');
    await client.call('WAITAOF', '1', '0', '5000').catch(() => client.bgrewriteaof()); // WAITAOF is Redis 7.2
  });
  process.kill(first.pid, 'SIGKILL');
  expect(await first.ended).toBe('SIGKILL');
  const second = await startRedis({ dataFolder });
  onTestFinished(second.stop);
  expect(await askRedis(second.url, (client) => client.get('kept'))).toBe('yes');
});

test('a MariaDB with a data folder keeps its data over a restart, however long the path is', async () => {
  const dataFolder = join(await temporaryFolder(), 'long'.repeat(30));
  const first = await startMariadb({ dataFolder, small: true });
  onTestFinished(first.stop);
  await askDatabase(first.url, 'CREATE TABLE kept (word VARCHAR(10)) SELECT _utf8mb4"ä🧬" AS word');
  await first.stop();
  expect(lives(first.pid)).toBe(false);
  const second = await startMariadb({ dataFolder, small: true });
  onTestFinished(second.stop);
  expect(
    await askDatabase(second.url, 'SELECT word, @@character_set_database AS charset FROM kept'),
  ).toEqual([{ word: 'ä🧬', charset: 'utf8mb4' }]);
});

/** A killed server resets its connections. */
const closed = (connection: Socket): Promise<void> =>
  new Promise((resolve) => {
    connection.on('error', () => undefined).once('close', () => resolve());
  });

test('servers whose parent is killed with SIGKILL end, and their folders are removed', async () => {
  const folder = await temporaryFolder();
  const services = new URL('../../cli/services/', import.meta.url);
  const program = `
    import { startRedis } from '${services.href}redis.ts';
    import { startMariadb } from '${services.href}mariadb.ts';
    const [redis, mariadb] = await Promise.all([startRedis(), startMariadb({ small: true })]);
    console.log(JSON.stringify([redis, mariadb]));`;
  const parent = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, TMPDIR: folder },
  });
  onTestFinished(() => void parent.kill('SIGKILL'));
  const [line] = (await once(createInterface(parent.stdout), 'line')) as [string];
  const servers = JSON.parse(line) as { pid: number; port: number }[];
  onTestFinished(() =>
    servers.filter(({ pid }) => lives(pid)).forEach(({ pid }) => process.kill(pid, 'SIGKILL')),
  );
  expect(servers.map(({ pid }) => lives(pid))).toEqual([true, true]);
  const connections = servers.map(({ port }) =>
    connect(port, '127.0.0.1')
      .on('error', () => undefined)
      .resume(),
  );
  await Promise.all(connections.map((connection) => once(connection, 'connect')));

  parent.kill('SIGKILL');
  await Promise.all(connections.map((connection) => closed(connection)));
  await expect.poll(() => readdir(folder), { timeout: 10_000 }).toEqual([]);
});

test('a server whose parent is killed while it starts ends too', async () => {
  const folder = await temporaryFolder();
  const [pidFile, dataFolder] = [join(folder, 'pid'), join(folder, 'data')];
  await mkdir(dataFolder);
  const owned = new URL('../../cli/services/owned-server.ts', import.meta.url).href;
  const command = shellServer(`echo $$ >${pidFile}; exec sleep 60`, {
    temporaryFolder: dataFolder,
  });
  const program = `
    import { startOwnedServer } from '${owned}';
    void startOwnedServer({ ...${JSON.stringify(command)}, readyLine: /never/ });
    process.kill(process.pid, 'SIGKILL');`;
  const parent = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: 'ignore',
  });
  await once(parent, 'exit');
  await expect.poll(() => existsSync(dataFolder), { timeout: 10_000 }).toBe(false);
  const pid = existsSync(pidFile) ? Number(await readFile(pidFile, 'utf8')) : undefined;
  expect(pid !== undefined && lives(pid)).toBe(false);
});

test('a server that ignores SIGTERM is killed', async () => {
  const server = await startOwnedServer(
    shellServer("trap '' TERM; echo ready; while :; do sleep 0.05; done", { stopWithinMs: 50 }),
  );
  onTestFinished(server.stop);
  await server.stop();
  expect(await server.ended).toBe('SIGKILL');
});

test('a server that ends before it is ready reports why, and its folder is removed', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'batchwell-services-'));
  const start = startOwnedServer(
    shellServer('echo no room for buffers >&2; exit 3', { temporaryFolder: folder }),
  );
  await expect(start).rejects.toThrow(
    /Shell did not start: it ended with exit code 3[^]*no room for buffers/,
  );
  expect(existsSync(folder)).toBe(false);
});

test('a server that does not become ready in time is stopped', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'batchwell-services-'));
  const start = startOwnedServer(
    shellServer('exec sleep 60', { readyWithinMs: 100, temporaryFolder: folder }),
  );
  await expect(start).rejects.toThrow(/not ready within 100 ms/);
  expect(existsSync(folder)).toBe(false);
});

test('a requested port that is taken is an error, and a free port that is lost is replaced', async () => {
  const holder = createServer().listen(0, '127.0.0.1');
  await once(holder, 'listening');
  onTestFinished(() => void holder.close());
  const { port: takenPort } = holder.address() as AddressInfo;
  for (const start of [
    startRedis({ port: takenPort }),
    startMariadb({ port: takenPort, small: true }),
  ]) {
    const error = await start.catch((cause: unknown) => cause);
    expect(error).toBeInstanceOf(ServerNotReady);
    expect(error).toMatchObject({ portTaken: true });
  }
  let tries = 0;
  const startedOn = await startOnPort(undefined, async (port) => {
    tries += 1;
    if (tries === 1) await startRedis({ port: takenPort });
    return port;
  });
  expect(tries).toBe(2);
  expect(startedOn).not.toBe(takenPort);
});

test('an existing server given by URL is used and not stopped', async () => {
  const [redis, database] = await Promise.all([freshRedis(), freshDatabase()]);
  onTestFinished(redis.drop);
  onTestFinished(database.drop);
  const [used, alsoUsed] = [await redisOrPrivate(redis.url), await mariadbOrPrivate(database.url)];
  expect([used.url, alsoUsed.url]).toEqual([redis.url, database.url]);
  await Promise.all([used.stop(), alsoUsed.stop()]);
  expect(await askRedis(used.url, (client) => client.ping())).toBe('PONG');
  expect(await askDatabase(alsoUsed.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
});

test('two new worlds do not see each other’s data', async () => {
  const databases = await Promise.all([freshDatabase(), freshDatabase()]);
  const redises = await Promise.all([freshRedis(), freshRedis()]);
  onTestFinished(
    async () => void (await Promise.all([...databases, ...redises].map(({ drop }) => drop()))),
  );
  await askDatabase(databases[0].url, 'CREATE TABLE only_here (id BIGINT PRIMARY KEY)');
  await askRedis(redises[0].url, (client) => client.set('only', 'here'));
  expect(await askDatabase(databases[1].url, 'SHOW TABLES')).toEqual([]);
  expect(await askRedis(redises[1].url, (client) => client.get('only'))).toBeNull();
});
