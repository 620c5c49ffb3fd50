/** A story of a crash test: made from a seed, then played. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { FaultRule } from '../../packages/local-aws/faults.ts';
import { createRandom } from '../../packages/local-aws/random.ts';
import { crashPoints, type CrashPoint } from '../../workers/crash-points.ts';
import { manyTasks, newTask, type FleetWorld } from '../flow/harness.ts';
import type { CrashWorld, Killable } from './crash-world.ts';
import { expectExactlyOnce } from './invariants.ts';
import { startWorkerProcess, type WorkerProcess } from './processes.ts';

export interface Plan {
  seed: number;
  tasks: number;
  /** How many of the tasks equal another. */
  equal: number;
  workers: number;
  /** Milliseconds by which each worker's clock is wrong, one worker after the other. */
  skewsMs: number[];
  /** Milliseconds by which the clock of AWS is wrong. */
  awsSkewMs: number;
  /** How late Batch shows a job definition. */
  definitionLagMs: number;
  /** Each ends one worker; a new one takes its place. */
  kills: ({ crashPoint: CrashPoint; count: number } | { afterMs: number })[];
  batchFaults: FaultRule[];
  s3Faults: FaultRule[];
  emptyRedis: boolean;
  cutConnections: boolean;
  /** First attempts whose host is lost, some before and some after their effect. */
  spotLosses: number;
  spotLossAfterMs: number;
  /** Killed in the middle, and back after `absentMs`. */
  killRedis: boolean;
  killDatabase: boolean;
  absentMs: number;
  /** First attempts whose host fails, before or after their container starts. */
  hostFaults: FaultRule[];
}

export interface Disturbed {
  kills: number;
  bites: number;
  spotLosses: number;
  hostFaults: number;
  submitJobs: number;
  /** How many times Redis or MariaDB was killed and came back. */
  restarts: number;
}

/** One of these is in every story: each leaves a doubt about whether Batch took a job. */
const DOUBTS: FaultRule[] = [
  { service: 'batch', operation: 'SubmitJob', kind: 'drop-after', times: 1 },
  { service: 'batch', operation: 'SubmitJob', kind: 'error-after', times: 1 },
  { service: 'batch', operation: 'SubmitJob', kind: 'drop-before', times: 2 },
  { service: 'batch', operation: 'SubmitJob', kind: 'delay', delayMs: 900, times: 1 },
];
const NUISANCES: FaultRule[] = [
  { service: 'batch', operation: '*', kind: 'throttle', times: 5 },
  { service: 'batch', operation: 'DescribeJobs', kind: 'error', status: 500, times: 2 },
  { service: 'batch', operation: 'SubmitJob', kind: 'visibility-lag', delayMs: 1500, times: 1 },
];
const S3_NUISANCES: FaultRule[] = [
  { service: 's3', operation: '*', kind: 'throttle', times: 4, probability: 0.2 },
  { service: 's3', operation: '*', kind: 'drop-before', times: 3, probability: 0.1 },
  { service: 's3', operation: 'PutObject', kind: 'error-after', times: 2, probability: 0.2 },
];

const FAILED_HOST = { service: 'batch', operation: 'StartAttempt', kind: 'host-fault' } as const;
const HOST_FAULTS: FaultRule[] = [
  { ...FAILED_HOST, match: '#1 ', reason: 'CannotPullContainerError: no space left on device' },
  { ...FAILED_HOST, match: '#1 ', exitCode: 143, delayMs: 60 },
];
const MOST_WRONG_MS = 600_000;
const MOST_LAG_MS = 20_000;
const wrongBy = (upTo: (most: number) => number): number => upTo(2 * MOST_WRONG_MS) - MOST_WRONG_MS;

export function makePlan(seed: number): Plan {
  const random = createRandom(seed);
  const upTo = (most: number): number => Math.floor(random() * (most + 1));
  const pick = <T>(from: readonly T[]): T => from[upTo(from.length - 1)] as T;
  const workers = 1 + upTo(2);
  const kills = Array.from({ length: 1 + upTo(2) }, (): Plan['kills'][number] =>
    random() < 0.6 ? { crashPoint: pick(crashPoints), count: 1 } : { afterMs: 100 + upTo(1500) },
  );
  const tasks = 20 + upTo(40);
  return {
    seed,
    tasks,
    workers,
    kills,
    equal: upTo(Math.floor(tasks / 4)),
    skewsMs: Array.from({ length: workers + kills.length }, () => wrongBy(upTo)),
    awsSkewMs: wrongBy(upTo),
    definitionLagMs: random() < 0.5 ? upTo(MOST_LAG_MS) : 0,
    batchFaults: [pick(DOUBTS), ...(random() < 0.5 ? [pick(NUISANCES)] : [])],
    s3Faults: random() < 0.5 ? [pick(S3_NUISANCES)] : [],
    emptyRedis: random() < 0.4,
    cutConnections: random() < 0.4,
    spotLosses: random() < 0.5 ? 1 + upTo(5) : 0,
    spotLossAfterMs: upTo(150),
    killRedis: random() < 0.25,
    killDatabase: random() < 0.25,
    absentMs: upTo(800),
    hostFaults: random() < 0.5 ? [{ ...pick(HOST_FAULTS), times: 1 + upTo(5) }] : [],
  };
}

/** Plays the plan and checks what must hold. */
export async function playPlan(crashWorld: CrashWorld, plan: Plan): Promise<Disturbed> {
  const { fleet: world, killable, workers } = crashWorld;
  for (const rule of plan.batchFaults) world.batch.faults.add({ ...rule });
  for (const rule of plan.s3Faults) world.s3.faults.add({ ...rule });
  world.skewAws(plan.awsSkewMs);
  if (plan.definitionLagMs > 0)
    world.batch.faults.add({
      service: 'batch',
      operation: 'RegisterJobDefinition',
      kind: 'visibility-lag',
      delayMs: plan.definitionLagMs,
    });
  if (plan.spotLosses > 0)
    world.batch.faults.add({
      service: 'batch',
      operation: 'StartAttempt',
      kind: 'spot-loss',
      match: '#1 ',
      delayMs: plan.spotLossAfterMs,
      times: plan.spotLosses,
    });
  for (const rule of plan.hostFaults) world.batch.faults.add({ ...rule });
  world.behave(({ taskId }) => ({ durationMs: (taskId % 7) * 40 }));
  const ids = await world.accept(
    manyTasks(plan.tasks, (at) =>
      newTask(`task-${at}`, {
        cache: 'readwrite',
        spec: {
          executors: [
            {
              image: 'debian:12',
              command: ['work', String(at < plan.equal * 2 ? Math.floor(at / 2) : at)],
            },
          ],
        },
      }),
    ),
  );
  const restarts = disturbServices(world, plan, killable);
  const meanwhile = [
    restarts.then(() => null),
    ...plan.kills
      .slice(0, plan.workers)
      .map((kill, at) => lineOfWorkers(world, workers, { plan, kill, at })),
  ];
  const killed =
    (await Promise.all(meanwhile)).filter((signal) => signal === 'SIGKILL').length +
    (await killTheRest(world, workers, plan));
  await expectExactlyOnce(crashWorld, ids);
  const bites = [...world.batch.faults.list(), ...world.s3.faults.list()].reduce(
    (sum, { bitten }) => sum + bitten,
    0,
  );
  const bittenOf = (which: FaultRule['kind']): number =>
    world.batch.faults
      .list()
      .reduce((sum, { kind, bitten }) => sum + (kind === which ? bitten : 0), 0);
  return {
    kills: killed,
    bites,
    spotLosses: bittenOf('spot-loss'),
    hostFaults: bittenOf('host-fault'),
    submitJobs: world.asked('batch.SubmitJob'),
    restarts: await restarts,
  };
}

interface Line {
  plan: Plan;
  kill: Plan['kills'][number];
  at: number;
}

/**
 * A worker that is killed as planned, then one that goes on in its place. Where the crash point is
 * not passed, the worker is killed from outside.
 */
async function lineOfWorkers(
  world: FleetWorld,
  workers: WorkerProcess[],
  { plan, kill, at }: Line,
): Promise<NodeJS.Signals | null> {
  const clockSkewMs = plan.skewsMs[at] ?? 0;
  const worker = await startWorkerProcess(world, {
    clockSkewMs,
    ...('crashPoint' in kill ? kill : {}),
  });
  workers.push(worker);
  const timer = setTimeout(
    () => worker.kill(),
    'crashPoint' in kill ? LATEST_KILL_MS : kill.afterMs,
  );
  const signal = await worker.ended;
  clearTimeout(timer);
  workers.push(
    await startWorkerProcess(world, { clockSkewMs: plan.skewsMs[plan.workers + at] ?? 0 }),
  );
  return signal;
}

/** Another worker may pass the crash point first and leave this one nothing to die of. */
const LATEST_KILL_MS = 3000;

/**
 * Kills beyond the number of workers come one after the other, each on a worker that was put in a
 * dead one's place.
 */
async function killTheRest(
  world: FleetWorld,
  workers: WorkerProcess[],
  plan: Plan,
): Promise<number> {
  let killed = 0;
  for (const kill of plan.kills.slice(plan.workers)) {
    if ((await lineOfWorkers(world, workers, { plan, kill, at: 0 })) === 'SIGKILL') killed += 1;
  }
  return killed;
}

/** Returns how many servers were killed and came back. */
async function disturbServices(
  world: FleetWorld,
  plan: Plan,
  { redis, database }: Killable,
): Promise<number> {
  await sleep(700 + (plan.seed % 5) * 150);
  if (plan.emptyRedis) await world.queues.redis.flushall();
  const killed = [
    ...(plan.killRedis && redis ? [redis] : []),
    ...(plan.killDatabase && database ? [database] : []),
  ];
  await Promise.all(killed.map((server) => server.crash(plan.absentMs)));
  if (plan.cutConnections) await cutConnections(world);
  return killed.length;
}

async function cutConnections(world: FleetWorld): Promise<void> {
  for (const { id } of await world.rows(
    `SELECT id FROM information_schema.processlist
     WHERE id <> CONNECTION_ID() AND db = DATABASE() AND command <> 'Daemon'`,
  )) {
    await world.rows('KILL ?', [id]).catch(() => undefined);
  }
}
