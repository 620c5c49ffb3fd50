/**
 * Redis in cluster mode. BullMQ's scripts and our own need their keys on one shard, so the prefix
 * has a hash tag, and every connection goes to the shard that holds it. So an ordinary connection
 * is enough: it asks any node where that shard is, and asks again when it is told that the shard
 * has moved (MOVED) or cannot be reached. See docs/adr/0024-one-shard.md.
 */
import { createConnection, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { AbstractConnector, Redis, type RedisOptions } from 'ioredis';
import { isNotPrimary, noteRole } from './primary.ts';

/** This Redis cannot be used with these settings. The message says what to change. */
class UnusableRedis extends Error {
  override readonly name = 'UnusableRedis';
}

interface Address {
  host: string;
  port: number;
}

const ASK_TIMEOUT_MS = 2000;
const FIRST_ATTEMPT_MS = 5000;

/** Redis hashes what is between the first `{` and the next `}`, if there is anything. */
const hasHashTag = (prefix: string): boolean => /^[^{]*\{[^}]+\}/.test(prefix);

/** Options of a connection to the shard of all keys that begin with the prefix. */
export function followShard(prefix: string): Pick<RedisOptions, 'Connector' | 'reconnectOnError'> {
  const shard: Shard = { prefix, known: [], movedTo: undefined, isCluster: undefined };
  return {
    Connector: class extends ShardConnector {
      constructor(options: unknown) {
        super(options as RedisOptions, shard);
      }
    },
    reconnectOnError(error) {
      if (isNotPrimary(error)) return RECONNECT_AND_RESEND;
      if (!error.message.startsWith('MOVED ')) return false;
      shard.isCluster = true;
      shard.movedTo = readAddress(error.message.split(' ')[2] ?? '');
      return RECONNECT_AND_RESEND;
    },
  };
}

/** ioredis's 2: the command was not executed, and is sent again on the next connection. */
const RECONNECT_AND_RESEND = 2;

/**
 * Rejects with UnusableRedis. Resolves after the first attempt to connect, successful or not, and
 * after 5 s when Redis hangs. Call it when the connection is new.
 */
export const requireUsableRedis = (redis: Redis): Promise<void> =>
  new Promise((resolve, reject) => {
    const settle = (error?: Error): void => {
      clearTimeout(timer);
      redis.off('ready', settle).off('error', settle);
      if (error instanceof UnusableRedis) reject(error);
      else resolve();
    };
    const timer = setTimeout(settle, FIRST_ATTEMPT_MS);
    redis.on('ready', settle).on('error', settle);
    if (redis.status === 'ready') settle();
  });

/** What the connections of one client know. */
interface Shard {
  prefix: string;
  /** Nodes to ask when the one in the URL does not answer. */
  known: readonly Address[];
  movedTo: Address | undefined;
  /** Undefined until a server has answered. */
  isCluster: boolean | undefined;
}

class ShardConnector extends AbstractConnector {
  readonly #options: RedisOptions;
  readonly #shard: Shard;

  constructor(options: RedisOptions, shard: Shard) {
    super(options.disconnectTimeout ?? ASK_TIMEOUT_MS);
    this.#options = options;
    this.#shard = shard;
  }

  /**
   * A connection to a replica is never ready: it is closed, and the next attempt asks the name
   * again. Until then commands wait, or fail at once on an impatient connection.
   */
  override check(info: { role?: string } | undefined): boolean {
    return noteRole(this.#options, info);
  }

  /** A rejection ends the client for good, so only UnusableRedis and a wanted end reject. */
  override async connect(): Promise<Socket> {
    this.connecting = true;
    const address = await this.#find();
    if (!this.connecting) throw new Error('Connection is closed.');
    this.stream = this.#dial(address);
    this.stream.once('error', (error) => {
      this.firstError = error;
    });
    return this.stream;
  }

  async #find(): Promise<Address> {
    const shard = this.#shard;
    const { host = '127.0.0.1', port = 6379, path } = this.#options;
    const configured = { host, port };
    if (shard.isCluster === false || path !== undefined) return configured;
    if (shard.movedTo !== undefined) {
      const { movedTo } = shard;
      shard.movedTo = undefined;
      return movedTo;
    }
    for (const node of [configured, ...shard.known]) {
      const found = await findOwner(this.#options, node, shard.prefix);
      if (found === undefined) continue;
      shard.isCluster = found !== 'no cluster';
      if (found === 'no cluster') return configured;
      this.#refuseUnusable();
      shard.known = found.nodes;
      return found.owner ?? configured;
    }
    return configured;
  }

  #refuseUnusable(): void {
    const { prefix } = this.#shard;
    if (!hasHashTag(prefix))
      throw new UnusableRedis(
        `Redis is in cluster mode, and BATCHWELL_REDIS_PREFIX=${prefix} has no hash tag, which ` +
          'keeps all keys on one shard. Put a part of it in braces, for example {batchwell}.',
      );
    if (this.#options.db)
      throw new UnusableRedis(
        `Redis is in cluster mode, which has only database 0, and REDIS_URL names database ` +
          `${this.#options.db}. Remove it, and give each fleet a BATCHWELL_REDIS_PREFIX of its own.`,
      );
  }

  #dial(address: Address): Socket {
    const { tls, family, path } = this.#options;
    const place = path === undefined ? { ...address, ...(family && { family }) } : { path };
    return tls ? connectTls({ ...place, ...tls }) : createConnection(place);
  }
}

type Found = { owner: Address | undefined; nodes: readonly Address[] } | 'no cluster';

/** Asks a node where the keys of the prefix are. Undefined when it does not answer. */
async function findOwner(
  options: RedisOptions,
  node: Address,
  prefix: string,
): Promise<Found | undefined> {
  const { username, password, tls, family } = options;
  const client = new Redis({
    ...node,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(tls === undefined ? {} : { tls }),
    ...(family === undefined ? {} : { family }),
    lazyConnect: true,
    enableReadyCheck: false,
    enableOfflineQueue: true,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  });
  client.on('error', () => undefined);
  // The timeouts of the client do not cover its handshake.
  const timer = setTimeout(() => client.disconnect(), ASK_TIMEOUT_MS);
  try {
    await client.connect();
    return readSlots(await askForSlots(client, prefix), node);
  } catch {
    return undefined;
  } finally {
    clearTimeout(timer);
    client.disconnect();
  }
}

type Slots = { slot: number; ranges: unknown } | 'no cluster';

/** A user who may not ask, and a proxy that knows no CLUSTER, are like a Redis without a cluster. */
async function askForSlots(client: Redis, prefix: string): Promise<Slots> {
  try {
    const slot = Number(await client.call('CLUSTER', 'KEYSLOT', prefix));
    return { slot, ranges: await client.call('CLUSTER', 'SLOTS') };
  } catch (error) {
    if (error instanceof Error && error.name === 'ReplyError') return 'no cluster';
    throw error;
  }
}

/** Each range is [first slot, last slot, [host, port, id, …] of the primary, then its replicas]. */
function readSlots(answer: Slots, asked: Address): Found {
  if (answer === 'no cluster') return answer;
  const ranges = Array.isArray(answer.ranges) ? (answer.ranges as unknown[][]) : [];
  // A node that does not know its own name gives none.
  const addressOf = (node: unknown): Address => {
    const [host, port] = Array.isArray(node) ? (node as unknown[]) : [];
    return { host: String(host || asked.host), port: Number(port) };
  };
  const range = ranges.find(
    ([from, to]) => answer.slot >= Number(from) && answer.slot <= Number(to),
  );
  return {
    owner: range && addressOf(range[2]),
    nodes: ranges.flatMap(([, , ...nodes]) => nodes.map(addressOf)),
  };
}

/** Of `host:port`, in which an IPv6 address is without brackets; undefined if there is no host. */
function readAddress(text: string): Address | undefined {
  const colon = text.lastIndexOf(':');
  const [host, port] = [text.slice(0, colon), Number(text.slice(colon + 1))];
  return colon > 0 && port > 0 ? { host, port } : undefined;
}
