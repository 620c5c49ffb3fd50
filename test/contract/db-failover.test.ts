/** What the pool does with connections that cannot be had, or cannot be used again. */
import type { RowDataPacket } from 'mysql2/promise';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import {
  inTransaction,
  openDatabase,
  type Database,
  type DatabaseOptions,
} from '../../db/client.ts';
import { isDatabaseAway, OutcomeUnknown } from '../../db/unavailable.ts';
import { startMovingName, type MovingName } from '../moving-name.ts';
import { freshDatabase } from '../world.ts';

let url: string;
beforeAll(async () => {
  ({ url } = await freshDatabase());
  const admin = openDatabase({ url, connections: 1 });
  await admin.pool.query('CREATE TABLE notes (id INT PRIMARY KEY) ENGINE=InnoDB');
  await admin.close();
});

const cleanUps: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
});

function open(options: Partial<DatabaseOptions> = {}): Database {
  const database = openDatabase({ url, connections: 2, ...options });
  cleanUps.push(() => database.close());
  return database;
}

async function openByName(options: Partial<DatabaseOptions> = {}): Promise<[Database, MovingName]> {
  const name = await startMovingName(url);
  cleanUps.push(() => name.close());
  return [open({ url: name.url, ...options }), name];
}

const failureOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

const connectionId = async ({ pool }: Database): Promise<number> => {
  const [[row]] = await pool.query<RowDataPacket[]>('SELECT CONNECTION_ID() AS id');
  return Number(row?.['id']);
};

const withUrl = (change: (changed: URL) => void): string => {
  const changed = new URL(url);
  change(changed);
  return changed.href;
};

describe('a connection that cannot be had', () => {
  test.each([
    ['a password that was changed', 'refused', () => withUrl((at) => (at.password = 'old'))],
    ['a database that is gone', 'refused', () => withUrl((at) => (at.pathname = '/gone'))],
    ['a port that nothing listens on', 'unreachable', () => withUrl((at) => (at.port = '1'))],
    [
      'a name that does not resolve',
      'unreachable',
      () => withUrl((at) => (at.hostname = 'db.invalid')),
    ],
  ])('%s counts as a database that is away', async (_, outage, wrongUrl) => {
    const changes: string[] = [];
    const database = open({
      url: wrongUrl(),
      onChange: (standing) => changes.push(standing.up ? 'up' : standing.outage),
    });
    const error = await failureOf(database.pool.query('SELECT 1'));
    expect([isDatabaseAway(error), error]).toMatchObject([true, { outage }]);
    expect(await database.look()).toMatchObject({ up: false, outage });
    expect(new Set(changes)).toEqual(new Set([outage]));
  });

  test('a password that was changed leaves the connections that are open in use', async () => {
    const admin = open();
    await admin.pool.query("CREATE USER 'rotated'@'127.0.0.1' IDENTIFIED BY 'old'");
    await admin.pool.query("GRANT ALL ON *.* TO 'rotated'@'127.0.0.1'");
    const rotatedUrl = withUrl((at) => Object.assign(at, { username: 'rotated', password: 'old' }));
    const database = open({ url: rotatedUrl, connections: 1 });
    const kept = await connectionId(database);
    expect(await database.look()).toEqual({ up: true });
    await admin.pool.query("ALTER USER 'rotated'@'127.0.0.1' IDENTIFIED BY 'new'");
    const [watches] = await admin.pool.query<RowDataPacket[]>(
      "SELECT id FROM information_schema.processlist WHERE user = 'rotated' AND id <> ?",
      [kept],
    );
    expect(watches).toHaveLength(1);
    await admin.pool.query('KILL ?', [watches[0]?.['id']]);
    expect(await database.look()).toEqual({ up: true });
    await admin.pool.query('KILL ?', [kept]);
    await failureOf(database.pool.query('SELECT 1'));
    expect(await failureOf(database.pool.query('SELECT 1'))).toMatchObject({
      outage: 'refused',
      message: expect.stringContaining('Access denied'),
    });
    expect(await database.look()).toMatchObject({ up: false, outage: 'refused' });
  });

  test('a wait for a connection ends, and the connection is not lost to the pool', async () => {
    const timeouts: string[] = [];
    const database = open({
      connections: 1,
      statementMs: 300,
      onTimeout: (what) => timeouts.push(what),
    });
    const taken = await database.lease();
    const error = await failureOf(database.pool.query('SELECT 1'));
    expect([isDatabaseAway(error), timeouts]).toEqual([true, ['connection']]);
    taken.release();
    expect(await connectionId(database)).toBeGreaterThan(0);
  });
});

describe('a connection that cannot be used again', () => {
  test('a statement that had no answer in time takes its connection out of the pool', async () => {
    const timeouts: string[] = [];
    const database = open({
      connections: 1,
      statementMs: 300,
      onTimeout: (what) => timeouts.push(what),
    });
    const before = await connectionId(database);
    const error = await failureOf(database.pool.query('SELECT SLEEP(2)'));
    expect([isDatabaseAway(error), timeouts]).toEqual([true, ['statement']]);
    expect(await connectionId(database)).not.toBe(before);
  });

  test('a transaction whose statement had no answer is not known to the next one', async () => {
    const database = open({ connections: 1, statementMs: 300 });
    const error = await failureOf(
      inTransaction(database, async (session) => {
        await session.query('INSERT INTO notes (id) VALUES (1)');
        await session.query('SELECT SLEEP(2)');
      }),
    );
    expect(error).toMatchObject({ outage: 'no-answer' });
    const [rows] = await database.pool.query<RowDataPacket[]>('SELECT id FROM notes WHERE id = 1');
    expect(rows).toEqual([]);
  });

  test('a write whose answer was lost has an unknown outcome, a read has none', async () => {
    const [database, name] = await openByName({ connections: 1, statementMs: 500 });
    await connectionId(database);
    name.loseAnswerTo(/INSERT INTO notes/);
    const error = await failureOf(database.pool.query('INSERT INTO notes (id) VALUES (2)'));
    expect(error).toBeInstanceOf(OutcomeUnknown);
    expect(isDatabaseAway(error)).toBe(true);
    const [rows] = await database.pool.query<RowDataPacket[]>('SELECT id FROM notes WHERE id = 2');
    expect(rows).toEqual([{ id: 2 }]);
    name.loseAnswerTo(/SELECT 7/);
    expect(await failureOf(database.pool.query('SELECT 7'))).not.toBeInstanceOf(OutcomeUnknown);
  });

  test('a server that vanished without a word is left for one that answers', async () => {
    const [database, name] = await openByName({ connections: 2, statementMs: 60_000 });
    await Promise.all([connectionId(database), connectionId(database)]);
    // The statement of a worker, which may take a minute, has seconds left once another server answers.
    const waiting = failureOf(database.pool.query('SELECT SLEEP(50)'));
    await expect
      .poll(async () => {
        const [rows] = await database.pool.query<RowDataPacket[]>(
          "SELECT id FROM information_schema.processlist WHERE info = 'SELECT SLEEP(50)'",
        );
        return rows.length;
      })
      .toBe(1);
    name.silence();
    expect(await waiting).toMatchObject({ outage: 'no-answer' });
    expect(await connectionId(database)).toBeGreaterThan(0);
  });

  test('a close ends although nothing answers', async () => {
    const [database, name] = await openByName({ connections: 2 });
    await connectionId(database);
    name.silence();
    const unanswered = failureOf(database.pool.query('SELECT 1'));
    await database.close();
    expect(isDatabaseAway(await unanswered)).toBe(true);
  });
});
