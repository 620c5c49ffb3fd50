/** Pairs of real servers, a primary and its replica, behind a name that fails over. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { createConnection, type Connection, type RowDataPacket } from 'mysql2/promise';
import { startMariadb } from '../cli/services/mariadb.ts';
import { startRedis } from '../cli/services/redis.ts';
import { startMovingName, type MovingName } from './moving-name.ts';

export interface ServerPair {
  name: MovingName;
  /** The URL by the name. */
  url: string;
  /** Of the present primary, and of the other one. */
  primaryPid(): number;
  /**
   * Demotes the primary and promotes the other server. The name moves after `lateMs`, as DNS does;
   * old connections stay open unless `drops`.
   */
  failOver(how?: { lateMs?: number; drops?: boolean }): Promise<void>;
  /** `primary` or `other`: where the name does not lead. */
  ports(): { primary: number; other: number };
  close(): Promise<void>;
}

interface Member {
  port: number;
  pid: number;
  promote(): Promise<void>;
  demote(to: number): Promise<void>;
  stop(): Promise<void>;
}

async function openPair(
  first: Member,
  second: Member,
  { url, prepare }: { url: string; prepare(): Promise<void> },
): Promise<ServerPair> {
  const name = await startMovingName(url);
  let [primary, other] = [first, second];
  return {
    name,
    url: name.url,
    primaryPid: () => primary.pid,
    ports: () => ({ primary: primary.port, other: other.port }),
    async failOver({ lateMs = 0, drops = false } = {}) {
      await prepare();
      const [old, next] = [primary, other];
      await next.promote();
      await old.demote(next.port);
      [primary, other] = [next, old];
      if (drops) name.drop();
      await sleep(lateMs);
      name.moveTo(next.port);
    },
    async close() {
      await name.close();
      await Promise.all([first.stop(), second.stop()]);
    },
  };
}

const PASSWORD = 'a-password-of-two-servers';

/** The second replicates the first. */
export async function startTwoRedis(): Promise<ServerPair> {
  const open = async (): Promise<Member & { url: string; redis: Redis }> => {
    const { url, port, pid, stop } = await startRedis({ password: PASSWORD });
    const redis = new Redis(url);
    await redis.config('SET', 'masterauth', PASSWORD);
    await redis.config('SET', 'repl-diskless-sync-delay', '0');
    return {
      url,
      port,
      pid,
      redis,
      promote: async () => void (await redis.replicaof('NO', 'ONE')),
      demote: async (to) => void (await redis.replicaof('127.0.0.1', to)),
      async stop() {
        redis.disconnect();
        await stop();
      },
    };
  };
  const [first, second] = [await open(), await open()];
  await second.demote(first.port);
  const members = [first, second];
  const isLinked = async (): Promise<boolean> => {
    const infos = await Promise.all(members.map(({ redis }) => redis.info('replication')));
    return infos.some((info) => /^master_link_status:up/m.test(info));
  };
  const linked = async (): Promise<void> => {
    while (!(await isLinked())) await sleep(50);
  };
  await linked();
  return openPair(first, second, { url: first.url, prepare: linked });
}

const REPLICATION = ['--log-bin=b', '--log-slave-updates', '--skip-slave-start'];

/** The second replicates the first and is read-only. The name's user may not ignore that. */
export async function startTwoMariadb(): Promise<ServerPair> {
  const open = async (id: number): Promise<Member & { sql: Connection }> => {
    const { url, port, pid, stop } = await startMariadb({
      small: true,
      moreArguments: [`--server-id=${id}`, ...REPLICATION],
    });
    const sql = await createConnection(url);
    const run = async (...statements: string[]): Promise<void> => {
      for (const statement of statements) await sql.query(statement);
    };
    await run(
      'SET SESSION sql_log_bin = 0',
      `CREATE USER 'repl'@'127.0.0.1' IDENTIFIED BY '${PASSWORD}'`,
      "GRANT REPLICATION SLAVE ON *.* TO 'repl'@'127.0.0.1'",
      `CREATE USER 'bw'@'127.0.0.1' IDENTIFIED BY '${PASSWORD}'`,
      "GRANT ALL ON batchwell.* TO 'bw'@'127.0.0.1'",
      'RESET MASTER',
    );
    return {
      port,
      pid,
      sql,
      promote: () => run('STOP SLAVE', 'RESET SLAVE ALL', 'SET GLOBAL read_only = 0'),
      demote: (to) =>
        run(
          'SET GLOBAL read_only = 1',
          `CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = ${to}, MASTER_USER = 'repl',
            MASTER_PASSWORD = '${PASSWORD}', MASTER_USE_GTID = current_pos, MASTER_CONNECT_RETRY = 1`,
          'START SLAVE',
        ),
      async stop() {
        sql.destroy();
        await stop();
      },
    };
  };
  const [first, second] = [await open(1), await open(2)];
  await second.demote(first.port);
  let [primary, replica] = [first, second];
  return openPair(first, second, {
    url: `mysql://bw:${PASSWORD}@127.0.0.1:${first.port}/batchwell`,
    /** Nothing that was committed is lost, as in Aurora: the replica has all before it is promoted. */
    async prepare() {
      await primary.sql.query('SET GLOBAL read_only = 1');
      const [[row]] = await primary.sql.query<RowDataPacket[]>(
        'SELECT @@gtid_current_pos AS position',
      );
      await replica.sql.query('SELECT MASTER_GTID_WAIT(?, 20)', [String(row?.['position'])]);
      [primary, replica] = [replica, primary];
    },
  });
}
