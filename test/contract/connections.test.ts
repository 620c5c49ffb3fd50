/**
 * Connections to real servers that require TLS and a password of every kind of characters, from a
 * process of their own, as the API and the workers are.
 */
import { spawn } from 'node:child_process';
import { chmod, cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { createConnection } from 'mysql2/promise';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { startMariadb } from '../../cli/services/mariadb.ts';
import type { PrivateServer } from '../../cli/services/owned-server.ts';
import { startRedis } from '../../cli/services/redis.ts';
import { startRedisCluster } from '../redis-cluster.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const PASSWORD = 'p@ss:w/o#r%d%41?&=+\'é"漢`';

let folder: string;
let mariadb: PrivateServer;
let redis: PrivateServer;
/** A certificate for 127.0.0.1 that is its own CA. */
const certificate = () => join(folder, 'cert.pem');
const tlsLines = (port: number) => [
  'port 0',
  `tls-port ${port}`,
  `tls-cert-file ${certificate()}`,
  `tls-key-file ${join(folder, 'key.pem')}`,
  `tls-ca-cert-file ${certificate()}`,
  'tls-auth-clients no',
];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'batchwell-tls-'));
  await chmod(folder, 0o755);
  for (const name of ['cert.pem', 'key.pem']) {
    await cp(join(root, 'test/fixtures/tls', name), join(folder, name));
    await chmod(join(folder, name), 0o644); // for the server's own user
  }
  const [cert, key] = [certificate(), join(folder, 'key.pem')];
  const { BATCHWELL_TEST_MYSQLD: program } = process.env;
  [mariadb, redis] = await Promise.all([
    startMariadb({
      small: true,
      moreArguments: [`--ssl-cert=${cert}`, `--ssl-key=${key}`, '--require-secure-transport=ON'],
      ...(program ? { program } : {}),
    }),
    startRedis({
      configLines: (port) => [
        ...tlsLines(port),
        `user fleet on ~* &* +@all ${JSON.stringify(`>${PASSWORD}`)}`,
      ],
    }),
  ]);
  const connection = await createConnection({
    uri: mariadb.url,
    ssl: { rejectUnauthorized: false },
  });
  await connection.query("CREATE USER 'fleet@lab'@'127.0.0.1' IDENTIFIED BY ?", [PASSWORD]);
  await connection.query("GRANT ALL ON batchwell.* TO 'fleet@lab'@'127.0.0.1'");
  await connection.end();
});
afterAll(async () => {
  await Promise.all([mariadb.stop(), redis.stop()]);
  await rm(folder, { recursive: true, force: true });
});

interface Said {
  code: number;
  out: string;
  all: string;
}

/** Runs a program that has `config`, and logs what goes wrong as the fleet does. */
async function run(body: string, environment: Record<string, string>): Promise<Said> {
  const program = `
    import { readConfig } from '${root}config.ts';
    import { openDatabase, migrateDatabase } from '${root}db/client.ts';
    import { connectImpatientRedis } from '${root}queues/connect.ts';
    import { openQueues } from '${root}queues/queues.ts';
    import { createLog } from '${root}telemetry/log.ts';
    const log = createLog({ level: 'trace', name: 'test' });
    const config = readConfig();
    try { ${body} } catch (error) { log.error({ err: error }, 'trouble'); process.exitCode = 1; }`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], ...environment },
  });
  const [out, errors, code] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise<number>((resolve) => child.once('close', (exit) => resolve(exit ?? -1))),
  ]);
  return { code, out, all: out + errors };
}

const ASK_MYSQL = `
  await migrateDatabase(config.databaseUrl);
  const database = openDatabase({ url: config.databaseUrl, connections: 1 });
  const [[row]] = await database.pool.query("SHOW SESSION STATUS LIKE 'Ssl_version'");
  console.log(row.Value);
  await database.close();`;

const ASK_REDIS = `
  const { redisUrl, redisPrefix: prefix } = config;
  const trouble = (error) => { log.error({ err: error }, 'trouble'); process.exit(1); };
  const queues = openQueues({ redisUrl, prefix, keepFinishedMs: 1000 });
  queues.redis.on('error', trouble);
  await queues.nudge([{ stage: 'finalize', message: { tasks: [1] } }]);
  console.log((await queues.depth('finalize')).waiting);
  await queues.close();`;

describe('a database that requires TLS', () => {
  const at = (query: string) => `mysql://127.0.0.1:${mariadb.port}/batchwell?ssl=${query}`;
  const credentials = { DATABASE_USER: 'fleet@lab', DATABASE_PASSWORD: PASSWORD };

  test('the CA in NODE_EXTRA_CA_CERTS is trusted, and the password may have any characters', async () => {
    const said = await run(ASK_MYSQL, {
      DATABASE_URL: at('{"verifyIdentity":true}'),
      ...credentials,
      NODE_EXTRA_CA_CERTS: certificate(),
    });
    expect(said).toMatchObject({ code: 0, out: expect.stringMatching(/^TLSv1\.[23]\n$/) });
  });

  test.each([
    ['the CAs of Amazon RDS', 'Amazon%20RDS'],
    ['the CAs of Node', '{}'],
  ])('%s do not vouch for it, so no password is sent', async (_, query) => {
    const said = await run(ASK_MYSQL, { DATABASE_URL: at(query), ...credentials });
    expect(said.code).toBe(1);
    expect(said.all).toMatch(/self-signed certificate/);
  });

  test('a wrong password is not in the log', async () => {
    const said = await run(ASK_MYSQL, {
      DATABASE_URL: at('{}'),
      DATABASE_USER: 'fleet@lab',
      DATABASE_PASSWORD: 'hunter2',
      NODE_EXTRA_CA_CERTS: certificate(),
    });
    expect(said.code).toBe(1);
    expect(said.all).toContain('ER_ACCESS_DENIED_ERROR');
    expect(said.all).not.toContain('hunter2');
  });
});

describe('a Redis that requires TLS', () => {
  const environment = () => ({
    REDIS_URL: `rediss://127.0.0.1:${redis.port}`,
    REDIS_USER: 'fleet',
    REDIS_PASSWORD: PASSWORD,
    NODE_EXTRA_CA_CERTS: certificate(),
  });

  test('messages go through it, and the password may have any characters', async () => {
    expect(await run(ASK_REDIS, environment())).toMatchObject({ code: 0, out: '1\n' });
  });

  test('messages go through a cluster that requires it, by the URL of the wrong shard', async () => {
    const lines = (port: number) => [...tlsLines(port), 'tls-cluster yes'];
    const cluster = await startRedisCluster(3, 0, lines);
    onTestFinished(() => cluster.drop());
    const { port, password } = await cluster.otherThan('{batchwell}');
    const said = await run(ASK_REDIS, {
      REDIS_URL: `rediss://localhost:${port}`,
      REDIS_PASSWORD: password,
      NODE_EXTRA_CA_CERTS: certificate(),
    });
    expect(said).toMatchObject({ code: 0, out: '1\n' });
  });

  test('a CA that is not trusted ends the attempt before the password is sent', async () => {
    const said = await run(ASK_REDIS, { ...environment(), NODE_EXTRA_CA_CERTS: '' });
    expect(said.code).toBe(1);
    expect(said.all).toContain('self-signed certificate');
  });

  test('a wrong password is not in the log', async () => {
    const said = await run(ASK_REDIS, { ...environment(), REDIS_PASSWORD: 'hunter2' });
    expect(said.code).toBe(1);
    expect(said.all).toContain('WRONGPASS');
    expect(said.all).not.toContain('hunter2');
  });
});
