/**
 * The world of a crash test: the fleet without its workers, and the worker processes that the test
 * starts.
 */
import { afterEach } from 'vitest';
import { parseId } from '../../core/ids.ts';
import { insertWebhook, startReader } from '../../db/webhooks.ts';
import { startFleetWorld, type FleetWorld } from '../flow/harness.ts';
import { CRASH_SETTINGS, type WorkerProcess } from './processes.ts';
import { startReceiver, type Receiver } from '../receiver.ts';
import { restartableMariadb, restartableRedis, type Restartable } from './restartable.ts';

/** The story's own servers, which it kills. */
export interface Killable {
  redis?: Restartable;
  database?: Restartable;
}

/** Definitions are shown up to 20 s late, and a submission looks for them at growing intervals. */
const PATIENCE_MS = 100_000;

export interface CrashWorld {
  fleet: FleetWorld;
  killable: Killable;
  /** Those in here are killed when the test ends, however it ends. */
  workers: WorkerProcess[];
  /** Tasks of whose end a webhook was notified. */
  notified(): Set<number>;
}

interface WorldWish {
  killsRedis?: boolean;
  killsDatabase?: boolean;
  /** The test's own servers, which it closes. */
  servers?: Parameters<typeof startFleetWorld>[1];
}

/** Opens a new world for each test that asks; it is removed when the test ends. */
export function useCrashWorlds(): (wish?: WorldWish) => Promise<CrashWorld> {
  const cleanUps: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
  });
  const own = async (start: () => Promise<Restartable>): Promise<Restartable> => {
    const server = await start();
    cleanUps.push(() => server.drop());
    return server;
  };
  return async ({ killsRedis = false, killsDatabase = false, servers = {} } = {}) => {
    const killable = {
      ...(killsRedis && { redis: await own(restartableRedis) }),
      ...(killsDatabase && { database: await own(restartableMariadb) }),
    };
    const receiver = await startReceiver();
    cleanUps.push(async () => receiver.close());
    const fleet = await startFleetWorld(
      {
        ...CRASH_SETTINGS,
        BATCHWELL_WEBHOOK_ORIGINS: receiver.origin,
        BATCHWELL_WEBHOOK_KEY: 'k'.repeat(32),
      },
      { ...killable, ...servers, patienceMs: PATIENCE_MS },
    );
    cleanUps.push(() => fleet.close());
    // What a killed worker had in hand is re-sent.
    fleet.sweeperMayHelp();
    await startReader(fleet.database.pool);
    await insertWebhook(fleet.database.pool, {
      owner: 'tester',
      url: receiver.origin,
      wants: { events: ['tasks.ended'], tags: {} },
      salt: Buffer.alloc(16),
      createdMs: 1,
    });
    const workers: WorkerProcess[] = [];
    cleanUps.push(async () => {
      for (const worker of workers) worker.kill();
      await Promise.all(workers.map(({ ended }) => ended));
    });
    return { fleet, killable, workers, notified: () => endsIn(receiver) };
  };
}

const endsIn = ({ received }: Receiver): Set<number> =>
  new Set(
    received.flatMap(({ body }) =>
      (JSON.parse(body) as { data: { tasks: { task: string }[] } }).data.tasks.map(
        ({ task }) => parseId('task', task)?.key ?? 0,
      ),
    ),
  );
