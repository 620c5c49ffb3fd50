/** A database and a Redis of a test's own. */
import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { createConnection } from 'mysql2/promise';
import { inject } from 'vitest';
import { startRedis, type RedisOptions } from '../cli/services/redis.ts';
import type { DatabaseAnswer } from './global-setup.ts';

export interface FreshDatabase {
  /** `mysql://user:password@127.0.0.1:port/name`, utf8mb4, empty. */
  url: string;
  /** Optional: the whole server is deleted when the run ends. */
  drop(): Promise<void>;
}

/**
 * A new, empty database on the MariaDB of the run. The first call starts that server (about 1 s),
 * the others take 0.01 s.
 */
export async function freshDatabase(): Promise<FreshDatabase> {
  const serverUrl = await databaseServerUrl();
  const name = `test_${randomBytes(6).toString('hex')}`;
  await execute(serverUrl, `CREATE DATABASE ${name} CHARACTER SET utf8mb4`);
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return { url: url.href, drop: () => execute(serverUrl, `DROP DATABASE IF EXISTS ${name}`) };
}

export interface FreshRedis {
  /** `redis://:password@127.0.0.1:port` */
  url: string;
  /** For tests that kill it. */
  pid: number;
  /** Stops the server. Otherwise, it stops with the process of its test file. */
  drop(): Promise<void>;
}

/**
 * A private redis-server (0.05 s), so that FLUSHALL, memory use and a killed server affect no other
 * test.
 */
export async function freshRedis(options: RedisOptions = {}): Promise<FreshRedis> {
  const { url, pid, stop } = await startRedis(options);
  return { url, pid, drop: stop };
}

async function databaseServerUrl(): Promise<string> {
  const answer = JSON.parse(await text(connect(inject('databaseSocket')))) as DatabaseAnswer;
  if ('error' in answer) throw new Error(answer.error);
  return answer.url;
}

async function execute(url: string, statement: string): Promise<void> {
  const connection = await createConnection(url);
  try {
    await connection.query(statement);
  } finally {
    await connection.end();
  }
}
