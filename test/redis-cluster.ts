/** A Redis in cluster mode: private servers on loopback that share the 16,384 slots. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { startOnPort } from '../cli/services/ports.ts';
import { startRedis } from '../cli/services/redis.ts';
import type { PrivateServer } from '../cli/services/owned-server.ts';

const SLOTS = 16_384;
const PASSWORD = 'cluster-secret';

export interface RedisCluster {
  /** The primaries in the order of their slots, then the replicas. */
  nodes: readonly PrivateServer[];
  /** The primary that holds the key. */
  ownerOf(key: string): Promise<PrivateServer>;
  /** A primary that does not. */
  otherThan(key: string): Promise<PrivateServer>;
  /** Moves the slot of the key, with its keys, as a rebalanced cluster does. */
  moveSlot(key: string, to: PrivateServer): Promise<void>;
  drop(): Promise<void>;
}

/** More lines of each node's configuration, such as those of TLS. */
type ConfigLines = (port: number) => readonly string[];

/** The default bus port is 10,000 above the port, which can be too high. Another process can take either. */
const startNode = (more: ConfigLines): Promise<PrivateServer & { busPort: number }> =>
  startOnPort(undefined, async (busPort) => {
    const server = await startRedis({
      password: PASSWORD,
      configLines: (port) => [
        'cluster-enabled yes',
        `cluster-port ${busPort}`,
        'cluster-node-timeout 1000',
        'cluster-config-file nodes.conf',
        'cluster-require-full-coverage no',
        'cluster-allow-replica-migration no',
        `masterauth ${PASSWORD}`,
        ...more(port),
      ],
    });
    return { ...server, busPort };
  });

/** @param replicas how many primaries have one, from the first on */
export async function startRedisCluster(
  primaries: number,
  replicas = 0,
  more?: ConfigLines,
): Promise<RedisCluster> {
  const nodes = await Promise.all(
    Array.from({ length: primaries + replicas }, () => startNode(more ?? (() => []))),
  );
  const tls = more === undefined ? {} : { tls: { rejectUnauthorized: false } };
  const connect = (url: string): Redis => new Redis(url, { maxRetriesPerRequest: 1, ...tls });
  const clients = nodes.map(({ url }) => connect(url));
  for (const client of clients) client.on('error', () => undefined);
  const first = clients[0] as Redis;
  try {
    const share = Math.ceil(SLOTS / primaries);
    for (let at = 0; at < primaries; at += 1)
      await clients[at]?.call(
        'CLUSTER',
        'ADDSLOTSRANGE',
        String(at * share),
        String(Math.min(SLOTS, (at + 1) * share) - 1),
      );
    for (const { port, busPort } of nodes.slice(1))
      await first.call('CLUSTER', 'MEET', '127.0.0.1', String(port), String(busPort));
    await allKnow(clients, nodes.length, primaries);
    for (let at = 0; at < replicas; at += 1)
      await clients[primaries + at]?.call(
        'CLUSTER',
        'REPLICATE',
        String(await clients[at]?.call('CLUSTER', 'MYID')),
      );
    for (const replica of clients.slice(primaries)) await until(replica, /master_link_status:up/);
  } finally {
    for (const client of clients) client.disconnect();
  }
  const primaryOf = async (key: string): Promise<number> => {
    const client = connect(nodes[0]?.url ?? '');
    const slot = Number(await client.call('CLUSTER', 'KEYSLOT', key));
    client.disconnect();
    return Math.floor(slot / Math.ceil(SLOTS / primaries));
  };
  return {
    nodes,
    ownerOf: async (key) => nodes[await primaryOf(key)] as PrivateServer,
    otherThan: async (key) => nodes[((await primaryOf(key)) + 1) % primaries] as PrivateServer,
    moveSlot: async (key, to) => moveSlot(key, nodes[await primaryOf(key)] as PrivateServer, to),
    drop: async () => void (await Promise.all(nodes.map((node) => node.stop()))),
  };
}

/** Every node knows all nodes and who holds which slots. */
async function allKnow(clients: readonly Redis[], nodes: number, primaries: number): Promise<void> {
  const known = new RegExp(`cluster_known_nodes:${nodes}\\b`);
  for (const client of clients)
    await until(client, known, new RegExp(`cluster_size:${primaries}\\b`), /cluster_state:ok/);
}

async function until(client: Redis, ...wanted: readonly RegExp[]): Promise<void> {
  for (let tried = 0; tried < 1000; tried += 1) {
    const info = `${await client.call('CLUSTER', 'INFO')}${await client.info()}`;
    if (wanted.every((line) => line.test(info))) return;
    await sleep(20);
  }
  throw new Error(`The cluster never said ${wanted.join(' and ')}.`);
}

async function moveSlot(key: string, from: PrivateServer, to: PrivateServer): Promise<void> {
  const [source, target] = [new Redis(from.url), new Redis(to.url)];
  const cluster = async (client: Redis, ...words: readonly string[]): Promise<unknown> =>
    client.call('CLUSTER', ...words);
  const slot = String(await cluster(source, 'KEYSLOT', key));
  const [sourceId, targetId] = [
    String(await cluster(source, 'MYID')),
    String(await cluster(target, 'MYID')),
  ];
  await cluster(target, 'SETSLOT', slot, 'IMPORTING', sourceId);
  await cluster(source, 'SETSLOT', slot, 'MIGRATING', targetId);
  const place = ['127.0.0.1', String(to.port), '', '0', '5000', 'AUTH', PASSWORD];
  for (;;) {
    const keys = (await cluster(source, 'GETKEYSINSLOT', slot, '100')) as string[];
    if (keys.length === 0) break;
    await source.call('MIGRATE', ...place, 'KEYS', ...keys);
  }
  await cluster(target, 'SETSLOT', slot, 'NODE', targetId);
  await cluster(source, 'SETSLOT', slot, 'NODE', targetId);
  source.disconnect();
  target.disconnect();
}
