/** A story of failovers: made from a seed, then played under load. */
import { setTimeout as sleep } from 'node:timers/promises';
import { createRandom } from '../../packages/local-aws/random.ts';
import { manyTasks, newTask, type FleetWorld } from '../flow/harness.ts';
import { onceThere } from '../flow/fleet-rows.ts';
import type { ServerPair } from '../two-servers.ts';
import type { CrashWorld } from './crash-world.ts';
import { expectExactlyOnce } from './invariants.ts';
import { startWorkerProcess } from './processes.ts';

interface Failover {
  of: 'redis' | 'mysql' | 'both';
  /** For how long the name still leads to the old server. */
  lateMs: number;
  /** Whether the old connections are cut, stay open, or are never answered again. */
  connections: 'cut' | 'open' | 'silent';
}

export interface FailoverPlan {
  seed: number;
  workers: number;
  waveSize: number;
  failovers: Failover[];
}

export interface FailoverOutcome {
  tasks: number;
  redis: number;
  mysql: number;
  /** From the move of the name to the end of tasks that were accepted after it. */
  slowestMs: number;
}

export interface Pairs {
  redis: ServerPair;
  mysql: ServerPair;
}

export function makeFailoverPlan(seed: number): FailoverPlan {
  const random = createRandom(seed);
  const upTo = (most: number): number => Math.floor(random() * (most + 1));
  const pick = <T>(from: readonly T[]): T => from[upTo(from.length - 1)] as T;
  return {
    seed,
    workers: 1 + upTo(1),
    waveSize: 5 + upTo(15),
    failovers: Array.from({ length: 2 + upTo(2) }, () => ({
      of: pick(['redis', 'mysql', 'both'] as const),
      lateMs: pick([0, 300, 1500, 3000]),
      connections: pick(['cut', 'open', 'silent'] as const),
    })),
  };
}

/** Tasks come in waves all the time, and each failover happens in the middle of them. */
export async function playFailovers(
  crashWorld: CrashWorld,
  pairs: Pairs,
  plan: FailoverPlan,
): Promise<FailoverOutcome> {
  const { fleet: world, workers } = crashWorld;
  world.behave(({ taskId }) => ({ durationMs: (taskId % 7) * 40 }));
  for (let started = 0; started < plan.workers; started += 1)
    workers.push(await startWorkerProcess(world));
  const ids: number[] = [];
  const done = new AbortController();
  const load = (async () => {
    for (let wave = 0; !done.signal.aborted; wave += 1) {
      ids.push(...(await acceptWave(world, `wave-${wave}`, plan.waveSize)));
      await sleep(250);
    }
  })();
  const outcome: FailoverOutcome = { tasks: 0, redis: 0, mysql: 0, slowestMs: 0 };
  for (const [at, failover] of plan.failovers.entries()) {
    await sleep(500);
    await failOver(pairs, failover);
    outcome.redis += Number(failover.of !== 'mysql');
    outcome.mysql += Number(failover.of !== 'redis');
    const movedMs = Date.now();
    const after = await acceptWave(world, `after-${at}`, 3);
    ids.push(...after);
    await world.ended(after);
    outcome.slowestMs = Math.max(outcome.slowestMs, Date.now() - movedMs);
  }
  done.abort();
  await load;
  await expectExactlyOnce(
    crashWorld,
    ids.toSorted((a, b) => a - b),
  );
  return { ...outcome, tasks: ids.length };
}

async function failOver(pairs: Pairs, { of, lateMs, connections }: Failover): Promise<void> {
  const moved = of === 'both' ? [pairs.redis, pairs.mysql] : [pairs[of]];
  await Promise.all(
    moved.map(async (pair) => {
      if (connections === 'silent') pair.name.silence();
      await pair.failOver({ lateMs, drops: connections === 'cut' });
    }),
  );
}

/** A commit without an answer may have landed, so the wave is looked for before it is sent again. */
async function acceptWave(world: FleetWorld, wave: string, size: number): Promise<number[]> {
  const tasks = manyTasks(size, (at) => newTask(`${wave}-${at}`));
  for (;;) {
    try {
      return await world.accept(tasks, wave);
    } catch {
      const rows = await onceThere(() =>
        world.rows(
          `SELECT tasks.id FROM tasks JOIN scatters ON scatters.id = tasks.scatter_id
            WHERE scatters.name = ?`,
          [wave],
        ),
      );
      if (rows.length > 0) return rows.map((row) => Number(row['id']));
    }
  }
}
