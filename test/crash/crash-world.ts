/** The world of a crash test: the fleet without its workers, and the worker processes that the test starts. */
import { afterEach, beforeEach } from 'vitest';
import { startFleetWorld, type FleetWorld } from '../flow/harness.ts';
import { CRASH_SETTINGS, type WorkerProcess } from './processes.ts';

export interface CrashWorld {
  readonly fleet: FleetWorld;
  /** Those in here are killed when the test ends, however it ends. */
  readonly workers: WorkerProcess[];
}

/** A new one for each test of the file that calls this. */
export function useCrashWorld(): CrashWorld {
  let fleet: FleetWorld | undefined;
  const workers: WorkerProcess[] = [];
  beforeEach(async () => {
    fleet = await startFleetWorld(CRASH_SETTINGS);
  });
  afterEach(async () => {
    const started = workers.splice(0);
    for (const worker of started) worker.kill();
    await Promise.all(started.map(({ ended }) => ended));
    await fleet?.close();
  });
  return {
    workers,
    get fleet() {
      if (!fleet) throw new Error('The world is there while a test runs.');
      return fleet;
    },
  };
}
