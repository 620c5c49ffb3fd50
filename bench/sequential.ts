/**
 * One client that sends its next request when the last one is answered. Its requests are compared with what the
 * database needs for one statement and for one commit at the same moment, so that a busy machine changes both. The
 * round trips are counted on a wire of their own.
 */
import { createConnection, type Connection } from 'mysql2/promise';
import { write } from '../db/rows.ts';
import { inWorld } from './in-world.ts';
import { runLoad } from './load.ts';
import { spreadOf } from './meters.ts';
import type { BenchOptions } from './options.ts';
import type { Row, Rows } from './report.ts';
import { singleTask, TASKS_PATH } from './singles.ts';
import type { World } from './world.ts';

/** Requests of one kind in a row, before the next kind has its turn. */
const IN_A_ROW = 25;
/** At most: round trips are counted over so many requests, after as many that are not counted. */
const COUNTED = 200;

export async function sequential(options: BenchOptions): Promise<Rows> {
  const rows: Rows = {};
  for (const requests of options.tasks) {
    const {
      world: { wireMs = 0, ...world },
    } = options;
    const counted = { ...options, world: { ...world, wireMs } };
    const counts = await inWorld(counted, { workers: 0 }, (world) =>
      countTrips(world, Math.min(COUNTED, requests)),
    );
    const times = await inWorld({ ...options, world }, { workers: 0 }, (direct) =>
      compareTimes(direct, requests),
    );
    for (const kind of ['POST', 'GET MINIMAL'] as const)
      rows[kind] = { ...counts[kind], ...times[kind] };
    rows['the database'] = times['the database'] ?? {};
  }
  return rows;
}

/** Latencies of `count` requests, one after another, in ms. */
async function ask(
  { apiUrl }: World,
  count: number,
  next: (position: number) => { method: 'GET' | 'POST'; path: string; body?: string },
  onAnswer?: (body: string) => void,
): Promise<number> {
  let sent = 0;
  const { latency } = await runLoad({
    url: apiUrl,
    connections: 1,
    next: () => (sent < count ? next(sent++) : undefined),
    ...(onAnswer && { onAnswer }),
  });
  return latency.p50;
}

/** The requests of the client; tasks that it posts are those that it gets. */
function createClient(world: World, label: string) {
  const ids: string[] = [];
  let posted = 0;
  let read = 0;
  return {
    post: (count: number) =>
      ask(
        world,
        count,
        () => ({ method: 'POST', path: TASKS_PATH, body: singleTask(label, posted++) }),
        (body) => void ids.push((JSON.parse(body) as { id: string }).id),
      ),
    get: (count: number) =>
      ask(world, count, () => ({
        method: 'GET',
        path: `${TASKS_PATH}/${ids[read++ % ids.length]}?view=MINIMAL`,
      })),
  };
}

async function countTrips(world: World, requests: number): Promise<Rows> {
  const client = createClient(world, 'counted');
  await client.post(requests);
  await client.get(requests);
  return {
    POST: await tripsOf(world, requests, () => client.post(requests)),
    'GET MINIMAL': await tripsOf(world, requests, () => client.get(requests)),
  };
}

async function tripsOf(world: World, requests: number, work: () => Promise<unknown>): Promise<Row> {
  const before = await world.snapshot();
  const sent = world.wire?.commands() ?? 0;
  await work();
  const trips = (world.wire?.commands() ?? 0) - sent;
  const { servers } = await world.snapshot();
  return {
    'round trips/request': trips / requests,
    'SQL commits/request': (servers.sqlCommits - before.servers.sqlCommits) / requests,
    'Redis commands/request': (servers.redisCommands - before.servers.redisCommands) / requests,
  };
}

async function compareTimes(world: World, requests: number): Promise<Rows> {
  const connection = await createConnection(world.databaseUrl);
  try {
    const bare = await openBare(connection);
    const client = createClient(world, 'timed');
    for (const work of [bare.select, bare.insert, client.post, client.get])
      await work(Math.min(COUNTED, requests));
    const turns: Record<'select' | 'insert' | 'post' | 'get', number>[] = [];
    for (let sent = 0; sent < requests; sent += IN_A_ROW)
      turns.push({
        select: await bare.select(IN_A_ROW),
        insert: await bare.insert(IN_A_ROW),
        post: await client.post(IN_A_ROW),
        get: await client.get(IN_A_ROW),
      });
    const middle = (of: (turn: (typeof turns)[number]) => number): number =>
      spreadOf(turns.map(of)).p50;
    return {
      POST: {
        'answer p50 ms': middle(({ post }) => post),
        'of a bare INSERT and COMMIT': middle(({ post, insert }) => post / insert),
        'of a bare SELECT 1': middle(({ post, select }) => post / select),
      },
      'GET MINIMAL': {
        'answer p50 ms': middle(({ get }) => get),
        'of a bare INSERT and COMMIT': middle(({ get, insert }) => get / insert),
        'of a bare SELECT 1': middle(({ get, select }) => get / select),
      },
      'the database': {
        'SELECT 1 p50 ms': middle(({ select }) => select),
        'INSERT and COMMIT p50 ms': middle(({ insert }) => insert),
      },
    };
  } finally {
    await connection.end();
  }
}

/** The least that a read and a durable write need: one round trip each. */
async function openBare(connection: Connection) {
  await connection.query(
    'CREATE TABLE IF NOT EXISTS bench_bare (id BIGINT AUTO_INCREMENT PRIMARY KEY, body TEXT NOT NULL)',
  );
  const repeat = async (count: number, once: () => Promise<unknown>): Promise<number> => {
    const taken: number[] = [];
    for (let done = 0; done < count; done += 1) {
      const startedMs = performance.now();
      await once();
      taken.push(performance.now() - startedMs);
    }
    return spreadOf(taken).p50;
  };
  const body = singleTask('bare', 0);
  return {
    select: (count: number) => repeat(count, () => connection.query('SELECT 1')),
    insert: (count: number) =>
      repeat(count, () => write(connection, 'INSERT INTO bench_bare (body) VALUES (?)', [body])),
  };
}
