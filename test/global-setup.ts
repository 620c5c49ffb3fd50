/**
 * One private MariaDB for the whole run, started when the first test asks for a database, so that a run
 * of unit tests does not pay for it. Workers ask over a Unix socket, because only this process outlives
 * every test file.
 */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { ensureProgram } from '../cli/services/install.ts';
import { mariadbOrPrivate } from '../cli/services/mariadb.ts';
import { MARIADB_SERVER, REDIS_SERVER } from '../cli/services/programs.ts';

/** The JSON document that a worker reads from the socket. */
export type DatabaseAnswer = { url: string } | { error: string };

declare module 'vitest' {
  export interface ProvidedContext {
    databaseSocket: string;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  // Installing takes longer than the time limit of a test. If it fails, the tests that need the
  // program say why.
  for (const program of [REDIS_SERVER, MARIADB_SERVER])
    await ensureProgram(program).catch(() => undefined);

  const folder = await mkdtemp(join(tmpdir(), 'batchwell-test-'));
  let database: ReturnType<typeof mariadbOrPrivate> | undefined;
  const answerWithDatabase = async (): Promise<DatabaseAnswer> => {
    const { BATCHWELL_TEST_DATABASE_URL: url, BATCHWELL_TEST_MYSQLD: program } = process.env;
    database ??= mariadbOrPrivate(url, { small: true, ...(program ? { program } : {}) });
    return database.then(
      ({ url }) => ({ url }),
      (cause: Error) => ({ error: cause.message }),
    );
  };
  const server = createServer((socket) => {
    socket.on('error', () => undefined); // a worker that has ended needs no answer
    void answerWithDatabase().then((answer) => socket.end(JSON.stringify(answer)));
  });
  const databaseSocket = join(folder, 'database.sock');
  server.listen(databaseSocket);
  await once(server, 'listening');
  project.provide('databaseSocket', databaseSocket);

  return async () => {
    server.close();
    await (await database?.catch(() => undefined))?.stop();
    await rm(folder, { recursive: true, force: true });
  };
}
