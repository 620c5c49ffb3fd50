/** The scaling signal on the standard output of workers that are processes of their own. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { isLong } from '../long.ts';
import { countTasksPerStage } from '../../db/scaling.ts';
import { createSingleHolder } from '../../queues/single-holder.ts';
import { readJobCounts, storeJobCounts } from '../../queues/job-counts.ts';
import { readEmf, type EmfMetric } from '../emf.ts';
import { manyTasks, newTask, startFleetWorld, type FleetWorld } from './harness.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const NAMESPACE = 'Lab';
const SETTINGS = {
  BATCHWELL_SCALING_SIGNAL_SECONDS: '1',
  BATCHWELL_SCALING_NAMESPACE: NAMESPACE,
  BATCHWELL_LOG_LEVEL: 'info',
};

let world: FleetWorld;
let programs: ChildProcess[];
beforeEach(async () => {
  world = await startFleetWorld(SETTINGS);
  programs = [];
});
afterEach(async () => {
  for (const program of programs) {
    if (program.exitCode === null && program.signalCode === null) {
      const ended = once(program, 'exit');
      program.kill('SIGKILL');
      await ended;
    }
  }
  await world.close();
});

interface Told {
  program: ChildProcess;
  metrics: EmfMetric[];
  /** The latest value. */
  latest(name: string): number | undefined;
}

/** Resolves once the worker runs. Every line of its standard output must be EMF. */
async function startProgram(): Promise<Told> {
  const program = spawn(process.execPath, ['cli/main.ts', 'worker'], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...world.environment },
  });
  programs.push(program);
  const metrics: EmfMetric[] = [];
  createInterface(program.stdout).on('line', (line) => metrics.push(...readEmf(line)));
  const log = createInterface(program.stderr);
  await new Promise<void>((resolve, reject) => {
    log.on('line', (line) => {
      if (line.includes('"worker-started"')) resolve();
    });
    program.once('exit', (code) => reject(new Error(`the worker ended with ${code}`)));
  });
  return {
    program,
    metrics,
    latest: (name) => metrics.findLast((metric) => metric.name === name)?.value,
  };
}

test.runIf(isLong)(
  'exactly one of two workers tells the signal, and the other one takes over when it is killed',
  async () => {
    const both = [await startProgram(), await startProgram()] as const;
    const moments = ({ metrics }: Told) => new Set(metrics.map(({ atMs }) => atMs)).size;
    await world.until('three signals', () => both.some((told) => moments(told) >= 3));
    const [speaker, silent] = moments(both[0]) > 0 ? both : both.toReversed();
    expect(moments(silent as Told)).toBe(0);
    expect(new Set((speaker as Told).metrics.map(({ namespace }) => namespace))).toEqual(
      new Set([NAMESPACE]),
    );
    (speaker as Told).program.kill('SIGKILL');
    await world.until('the other one', () => moments(silent as Told) >= 2);
  },
);

test('a worker that shuts down hands the signal over at once', async () => {
  const first = await world.startWorkers({ writeSignal: () => undefined });
  const { redis } = first.runtime.queues;
  const { redisPrefix } = first.runtime.config;
  const key = `${redisPrefix}:scaling-signal`;
  await world.until('the lease', async () => (await redis.exists(key)) === 1);
  await first.close();
  expect(await world.queues.redis.exists(key)).toBe(0);
});

test('the signal tells what waits, where tasks are, and the jobs that Batch has', async () => {
  const { promise: go, resolve: open } = Promise.withResolvers<void>();
  world.behave(() => ({ until: go }));
  const waiting = await world.accept(manyTasks(3, (at) => newTask(`first${at}`)));
  expect(await countTasksPerStage(world.database.pool)).toMatchObject({
    'cache-check': 3,
    poll: 0,
  });
  const told = await startProgram();
  const ids = await world.accept(manyTasks(30, (at) => newTask(`t${at}`)));
  await world.until('33 running jobs', () => told.latest('RunningJobs{JobQueue=batchwell}') === 33);
  expect(told.latest('RunnableJobs{JobQueue=batchwell}')).toBe(0);
  await world.until('33 tasks at poll', () => told.latest('Tasks{Place=poll}') === 33);
  expect(told.latest('Tasks{Place=submit}')).toBe(0);
  expect(told.latest('MessagesWaiting{Stage=finalize}')).toBe(0);
  open();
  await world.ended([...waiting, ...ids]);
  await world.until('an idle fleet', () => told.latest('Tasks{Place=poll}') === 0);
  await world.until('no job', () => told.latest('RunningJobs{JobQueue=batchwell}') === 0);
});

test('a fleet without the setting writes nothing to its standard output', async () => {
  const written: string[] = [];
  await world.startWorkers({
    settings: { BATCHWELL_SCALING_SIGNAL_SECONDS: '0' },
    writeSignal: (text) => void written.push(text),
  });
  const ids = await world.accept([newTask('t')]);
  await world.ended(ids);
  expect(written).toEqual([]);
  expect(await world.queues.redis.keys('*scaling*')).toEqual([]);
});

test('a lease has one holder, who keeps it by renewing it', async () => {
  const { redis } = world.queues;
  await world.until('the connection', () => redis.status === 'ready');
  const [one, other] = [
    createSingleHolder(redis, 'lease', 60_000),
    createSingleHolder(redis, 'lease', 60_000),
  ];
  expect([await one.hold(), await other.hold(), await one.hold()]).toEqual([true, false, true]);
  await other.release();
  expect(await other.hold()).toBe(false);
  await one.release();
  expect([await other.hold(), await one.hold()]).toEqual([true, false]);
});

test('counts of a queue that nothing polls any more are forgotten', async () => {
  const { redis } = world.queues;
  await storeJobCounts(redis, 'p', ['old', { runnable: 1, running: 2 }]);
  await storeJobCounts(redis, 'p', ['new', { runnable: 3, running: 4 }]);
  expect(await readJobCounts(redis, 'p', 60_000)).toEqual(
    new Map([
      ['old', { runnable: 1, running: 2 }],
      ['new', { runnable: 3, running: 4 }],
    ]),
  );
  await redis.hset('p:jobs', 'old', '1000 1 2');
  expect([...(await readJobCounts(redis, 'p', 60_000)).keys()]).toEqual(['new']);
  expect(await redis.hkeys('p:jobs')).toEqual(['new']);
});
