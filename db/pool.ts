/**
 * A pool whose waits end, and which leaves a server that is no longer the primary: mysql2's pool
 * hands out a connection again whatever its server has become.
 */
import type { PoolConnection as CoreConnection } from 'mysql2';
import { createPool, type Pool, type PoolConnection } from 'mysql2/promise';
import { within } from './bounded.ts';
import { openLease, type Lease, type LeaseHooks } from './borrowed-connection.ts';
import { requirePrimary } from './primary.ts';
import { DatabaseUnavailable, errorCode, messageOf } from './unavailable.ts';

export interface PoolOptions {
  url: string;
  connections: number;
  /** Longest time for a statement, and for a connection. Undefined: no limit. */
  statementMs?: number | undefined;
  /** Its connections take several statements at once (trips.ts). Absent: one. */
  takesMany?: boolean;
}

export interface PoolCounts {
  /** Connections that statements use now. */
  used: number;
  /** Statements that wait for a connection. */
  waitedFor: number;
  limit: number;
}

export interface BoundedPool {
  counts(): PoolCounts;
  /** A connection to a primary. @throws DatabaseUnavailable */
  lease(): Promise<Lease>;
  /** No connection that was opened before is used again. */
  retire(): void;
  /** Whoever waits for a connection is refused at once. */
  refuse(error: DatabaseUnavailable): void;
  /**
   * Statements that run now on a retired connection have `limitMs` left: their server may be gone
   * without a word.
   */
  hurry(limitMs: number): void;
  end(): Promise<void>;
}

const SESSION_SETTINGS = [
  'SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED',
  "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', SESSION time_zone = '+00:00'",
];

/** How long the end waits for the server's goodbye. */
const END_MS = 2000;
const LONGEST_CONNECT_MS = 10_000;

/** What every connection is opened with. Keep-alive keeps idle ones known to firewalls. */
export const connectionOptions = (url: string, connectMs: number) => ({
  uri: url,
  charset: 'utf8mb4',
  supportBigNumbers: true,
  enableKeepAlive: true,
  keepAliveInitialDelay: 10_000,
  connectTimeout: connectMs,
});

/** A connection of the pool. */
interface Member {
  generation: number;
  /** Rejects when its server is not a primary. */
  prepared: Promise<unknown>;
  isPrepared: boolean;
  lease: Lease | undefined;
  destroy(): void;
}

/**
 * Connections run at READ COMMITTED: packing claims rows with SKIP LOCKED, and the gap locks of
 * REPEATABLE READ would make inserts of new tasks wait for it.
 */
export function openPool(options: PoolOptions, hooks: LeaseHooks): BoundedPool {
  const { statementMs } = options;
  const pool = createPool({
    ...connectionOptions(options.url, Math.min(statementMs ?? Infinity, LONGEST_CONNECT_MS)),
    connectionLimit: options.connections,
    multipleStatements: options.takesMany === true,
    maxPreparedStatements: 200,
  });
  const members = new Map<object, Member>();
  const line = openLine(pool, { statementMs, ...hooks });
  let generation = 0;
  pool.pool.on('connection', (core) => {
    const forget = (): boolean => members.delete(core);
    members.set(core, openMember(core, generation, forget));
  });

  const leaseOf = (connection: PoolConnection, member: Member): Lease =>
    (member.lease = openLease({
      ...hooks,
      connection,
      statementMs,
      destroy: () => member.destroy(),
      giveBack() {
        member.lease = undefined;
        if (member.generation === generation) connection.release();
        else member.destroy();
      },
    }));

  return {
    counts: () => countsOf(options, members, line.length()),
    async lease() {
      for (;;) {
        const connection = await line.take();
        const member = members.get(connection.connection);
        if (member?.generation === generation) {
          if (!member.isPrepared) await requirePrepared(member, { statementMs, ...hooks });
          return leaseOf(connection, member);
        }
        if (member) member.destroy();
        else connection.destroy();
      }
    },
    retire() {
      generation += 1;
      for (const member of members.values()) if (!member.lease) member.destroy();
    },
    refuse: (error) => line.refuse(error),
    hurry(limitMs) {
      for (const member of members.values())
        if (member.generation < generation) member.lease?.hurry(limitMs);
    },
    async end() {
      await within(pool.end(), END_MS, () => new Error('late')).catch(() => undefined);
      for (const member of members.values()) {
        member.lease?.abandon();
        member.destroy();
      }
    },
  };
}

const countsOf = (
  { connections: limit }: PoolOptions,
  members: ReadonlyMap<object, Member>,
  waitedFor: number,
): PoolCounts => ({
  used: [...members.values()].filter(({ lease }) => lease !== undefined).length,
  waitedFor,
  limit,
});

function openMember(core: CoreConnection, generation: number, forget: () => void): Member {
  // A failure here shows when it is used. Without a callback it would end the process.
  for (const statement of SESSION_SETTINGS) core.query(statement, () => undefined);
  // mysql2 never settles what a destroyed connection was asked.
  const { promise: destroyed, reject } = Promise.withResolvers<never>();
  const prepared = Promise.race([requirePrimary((sql) => core.promise().query(sql)), destroyed]);
  prepared.catch(() => undefined);
  core.once('end', forget);
  core.once('error', forget);
  const destroy = (): void => {
    forget();
    core.destroy();
    destroySocket(core);
    reject(new DatabaseUnavailable('unreachable', 'the connection was given up'));
  };
  return { generation, prepared, isPrepared: false, lease: undefined, destroy };
}

type Limit = LeaseHooks & Pick<PoolOptions, 'statementMs'>;

async function requirePrepared(member: Member, { statementMs, ...hooks }: Limit): Promise<void> {
  try {
    await within(member.prepared, statementMs, () => {
      hooks.onTimeout('connection');
      return new DatabaseUnavailable('no-answer', `no answer within ${statementMs} ms`);
    });
    member.isPrepared = true;
  } catch (error) {
    member.destroy();
    const unavailable = asUnavailable(error);
    if (unavailable.outage === 'read-only') hooks.onReadOnly();
    throw unavailable;
  }
}

/** Those who wait for a connection: in time, and until they are refused. */
function openLine(pool: Pool, { statementMs, onTimeout }: Limit) {
  const waiting = new Set<(error: DatabaseUnavailable) => void>();
  return {
    /** The next connection of the pool, whatever its server is. */
    async take(): Promise<PoolConnection> {
      const { promise: refused, reject } = Promise.withResolvers<never>();
      waiting.add(reject);
      const coming = pool.getConnection();
      try {
        return await within(Promise.race([coming, refused]), statementMs, () => {
          onTimeout('connection');
          return new DatabaseUnavailable('no-answer', `no connection within ${statementMs} ms`);
        });
      } catch (error) {
        coming.then(
          (late) => late.release(),
          () => undefined,
        );
        throw asUnavailable(error);
      } finally {
        waiting.delete(reject);
      }
    },
    length: () => waiting.size,
    refuse(error: DatabaseUnavailable): void {
      for (const reject of waiting) reject(error);
    },
  };
}

/** What mysql2 throws in place of a connection. */
export function asUnavailable(error: unknown): DatabaseUnavailable {
  if (error instanceof DatabaseUnavailable) return error;
  const message = messageOf(error);
  if (message === 'Pool is closed.') return new DatabaseUnavailable('closed', message, error);
  // Positive: the server's own errors. Those of the operating system are negative in Node.
  const isServers =
    typeof error === 'object' &&
    error !== null &&
    'errno' in error &&
    typeof error.errno === 'number' &&
    error.errno > 0;
  if (isServers) return new DatabaseUnavailable('refused', message, error);
  const outage = errorCode(error) === 'ETIMEDOUT' ? 'no-answer' : 'unreachable';
  return new DatabaseUnavailable(outage, message, error);
}

/** mysql2 only says goodbye, and a server that hangs would never answer. */
export function destroySocket(core: object): void {
  const { stream } = core as { stream?: { destroy?(): void } };
  stream?.destroy?.();
}
