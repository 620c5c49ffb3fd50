/**
 * A private MariaDB (or MySQL 8): its own folder, port, socket and password, on loopback only.
 * A new folder takes about 0.9 s, a start 0.2 s. It uses 117 MB, or 56 MB with small buffers.
 */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, chown, mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { ensureProgram, findProgram, thisMachine } from './install.ts';
import { startOwnedServer, type PrivateServer } from './owned-server.ts';
import { startOnPort } from './ports.ts';
import { MARIADB_INSTALLER, MARIADB_SERVER } from './programs.ts';

const run = promisify(execFile);

export interface MariadbOptions {
  /** Kept when the server stops. Without it: a temporary folder, removed on stop. */
  dataFolder?: string;
  port?: number;
  /** Small buffers: half the memory, for tests and a few thousand tasks. */
  small?: boolean;
  /**
   * Write every commit to disk before it is acknowledged. On by default when dataFolder is given.
   */
  durable?: boolean;
  /**
   * With port and dataFolder, a killed server comes back at the same URL. Generated when absent.
   */
  password?: string;
  /** Come last, and so win: for tests of replication. */
  extraArguments?: readonly string[];
}

/**
 * Uses the server at the URL, which is never stopped, or starts a private one.
 */
export async function mariadbOrPrivate(
  url: string | undefined,
  options: MariadbOptions = {},
): Promise<Pick<PrivateServer, 'url' | 'stop'>> {
  return url ? { url, stop: async () => undefined } : startMariadb(options);
}

/**
 * Its URL is `mysql://batchwell:password@127.0.0.1:port/batchwell`; the user may create databases.
 * Rejects with MissingProgram when there is no MariaDB and none can be installed, with
 * ServerNotReady when it does not start.
 */
export async function startMariadb(options: MariadbOptions = {}): Promise<PrivateServer> {
  const program = await ensureProgram(MARIADB_SERVER);
  return startOnPort(options.port, (port) => startMariadbOn(program, port, options));
}

interface Home {
  folder: string;
  dataFolder: string;
  /** The user to run as when this process is root. */
  user: User | undefined;
  isMysql: boolean;
  temporary: boolean;
}

interface User {
  name: string;
  uid: number;
  gid: number;
}

async function prepareFolder(program: string, folder: string, temporary: boolean): Promise<Home> {
  await mkdir(folder, { recursive: true });
  // Created with 0700: the server's own user must be able to enter it.
  if (temporary) await chmod(folder, 0o711);
  const user = await serverUser(folder);
  const isMysql = !(await run(program, ['--no-defaults', '--version'])).stdout.includes('MariaDB');
  const dataFolder = join(folder, 'data');
  const home = { folder, dataFolder, user, isMysql, temporary };
  if (user !== undefined) await chown(folder, user.uid, user.gid);
  if (!existsSync(join(dataFolder, 'mysql'))) await createSystemTables(program, home);
  return home;
}

/**
 * mariadbd refuses to run as root unless told to. As root we run it as `mysql`, the user that its
 * package creates, or as root if that user does not exist or cannot reach the folder (below /root,
 * say).
 */
async function serverUser(folder: string): Promise<User | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const root = { name: 'root', uid: 0, gid: 0 };
  const ids = await Promise.all([run('id', ['-u', 'mysql']), run('id', ['-g', 'mysql'])]).catch(
    () => undefined,
  );
  if (ids === undefined) return root;
  const above: string[] = [];
  for (let at = dirname(folder); ; at = dirname(at)) {
    above.push(at);
    if (at === dirname(at)) break;
  }
  const modes = await Promise.all(above.map(async (path) => (await stat(path)).mode));
  if (!modes.every((mode) => (mode & 0o001) !== 0)) return root;
  return { name: 'mysql', uid: Number(ids[0].stdout), gid: Number(ids[1].stdout) };
}

async function createSystemTables(program: string, home: Home): Promise<void> {
  const asUser = home.user === undefined ? [] : [`--user=${home.user.name}`];
  // The server's own user may have no access to our TMPDIR.
  const options = { env: { ...process.env, TMPDIR: home.folder } };
  // A killed run can leave an incomplete folder.
  await rm(home.dataFolder, { recursive: true, force: true });
  if (home.isMysql) {
    await run(
      program,
      ['--no-defaults', '--initialize-insecure', `--datadir=${home.dataFolder}`, ...asUser],
      options,
    );
    return;
  }
  const installer = findProgram(MARIADB_INSTALLER, thisMachine());
  if (installer === undefined)
    throw new Error(
      `${program} is installed, but ${MARIADB_INSTALLER.join(' or ')} is not, ` +
        'so the system tables cannot be created. Reinstall the MariaDB server package.',
    );
  await run(
    installer,
    ['--no-defaults', `--datadir=${home.dataFolder}`, '--skip-test-db', ...asUser],
    options,
  );
}

/**
 * Each try gets a new temporary folder: a server that does not start removes its own.
 */
async function startMariadbOn(
  program: string,
  port: number,
  options: MariadbOptions,
): Promise<PrivateServer> {
  const temporary = options.dataFolder === undefined;
  const folder =
    options.dataFolder === undefined
      ? await mkdtemp(join(tmpdir(), 'batchwell-mariadb-'))
      : resolve(options.dataFolder);
  try {
    return await serveFrom(await prepareFolder(program, folder, temporary), program, port, options);
  } catch (error) {
    if (temporary) await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

async function serveFrom(
  home: Home,
  program: string,
  port: number,
  options: MariadbOptions,
): Promise<PrivateServer> {
  const password = options.password ?? randomBytes(18).toString('base64url');
  const initFile = join(home.folder, 'init.sql');
  await writeFile(initFile, initialSql(password, home.isMysql), { mode: 0o600 });
  if (home.user !== undefined) await chown(initFile, home.user.uid, home.user.gid);
  const server = await startOwnedServer({
    title: home.isMysql ? 'MySQL' : 'MariaDB',
    program,
    args: serverArguments(home, port, initFile, options),
    // Not MySQL's `X Plugin ready for connections`, which comes earlier.
    readyLine: /d: ready for connections/,
    readyWithinMs: 60_000,
    stopWithinMs: 20_000,
    ...(home.temporary ? { temporaryFolder: home.folder } : {}),
  });
  return {
    ...server,
    url: `mysql://batchwell:${password}@127.0.0.1:${port}/batchwell`,
    port,
    password,
    dataFolder: home.folder,
  };
}

/**
 * The server runs this before it accepts connections, so no client is needed. The password can be
 * new at each start.
 */
function initialSql(password: string, isMysql: boolean): string {
  const lines = ['CREATE DATABASE IF NOT EXISTS batchwell CHARACTER SET utf8mb4;'];
  for (const host of ['127.0.0.1', 'localhost']) {
    lines.push(
      `CREATE USER IF NOT EXISTS 'batchwell'@'${host}';`,
      `ALTER USER 'batchwell'@'${host}' IDENTIFIED BY '${password}';`,
      `GRANT ALL PRIVILEGES ON *.* TO 'batchwell'@'${host}' WITH GRANT OPTION;`,
    );
  }
  // MariaDB's root is by socket only; MySQL's has an empty password after --initialize-insecure.
  if (isMysql) lines.push(`ALTER USER 'root'@'localhost' IDENTIFIED BY '${password}';`);
  return `${lines.join('\n')}\n`;
}

function serverArguments(
  home: Home,
  port: number,
  initFile: string,
  options: MariadbOptions,
): string[] {
  const durable = options.durable ?? !home.temporary;
  return [
    '--no-defaults',
    ...(home.user === undefined ? [] : [`--user=${home.user.name}`]),
    `--datadir=${home.dataFolder}`,
    // Relative to the data folder, the server's working folder: the kernel limits a socket's path
    // to 107 characters.
    '--socket=mysqld.sock',
    `--tmpdir=${home.folder}`,
    `--pid-file=${join(home.folder, 'mysqld.pid')}`,
    `--init-file=${initFile}`,
    '--bind-address=127.0.0.1',
    `--port=${port}`,
    '--skip-name-resolve',
    '--skip-log-bin',
    '--character-set-server=utf8mb4',
    '--default-time-zone=+00:00',
    '--max-connections=300',
    '--max-allowed-packet=64M',
    '--performance-schema=OFF',
    '--loose-mysqlx=OFF',
    `--innodb-flush-log-at-trx-commit=${durable ? 1 : 2}`,
    // A temporary folder is never recovered: no doublewrite, and no flush at the stop.
    ...(durable ? [] : ['--innodb-doublewrite=0', '--innodb-fast-shutdown=2']),
    `--innodb-buffer-pool-size=${options.small === true ? '32M' : '256M'}`,
    `--innodb-log-file-size=${options.small === true ? '16M' : '128M'}`,
    ...(options.small === true
      ? [
          '--key-buffer-size=1M',
          '--loose-aria-pagecache-buffer-size=1M',
          '--innodb-log-buffer-size=4M',
        ]
      : []),
    ...(options.extraArguments ?? []),
  ];
}
