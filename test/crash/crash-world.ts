/** The world of a crash test: the fleet without its workers, and the worker processes that the test starts. */
import { afterEach } from 'vitest';
import { startFleetWorld, type FleetWorld } from '../flow/harness.ts';
import { CRASH_SETTINGS, type WorkerProcess } from './processes.ts';
import { restartableMariadb, restartableRedis, type Restartable } from './restartable.ts';

/** Servers of the story's own, that it kills. */
export interface Killable {
  redis?: Restartable;
  database?: Restartable;
}

export interface CrashWorld {
  fleet: FleetWorld;
  killable: Killable;
  /** Those in here are killed when the test ends, however it ends. */
  workers: WorkerProcess[];
}

/** Opens a new one for each test that asks; it goes when the test ends. */
export function useCrashWorlds(): (wish?: { killsRedis?: boolean; killsDatabase?: boolean }) => Promise<CrashWorld> {
  const cleanUps: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
  });
  const own = async (start: () => Promise<Restartable>): Promise<Restartable> => {
    const server = await start();
    cleanUps.push(() => server.drop());
    return server;
  };
  return async ({ killsRedis = false, killsDatabase = false } = {}) => {
    const killable = { ...(killsRedis && { redis: await own(restartableRedis) }), ...(killsDatabase && { database: await own(restartableMariadb) }) };
    const fleet = await startFleetWorld(CRASH_SETTINGS, killable);
    cleanUps.push(() => fleet.close());
    const workers: WorkerProcess[] = [];
    cleanUps.push(async () => {
      for (const worker of workers) worker.kill();
      await Promise.all(workers.map(({ ended }) => ended));
    });
    return { fleet, killable, workers };
  };
}
