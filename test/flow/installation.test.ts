/** A fleet believes only its own: new, copied and restored databases on an old bucket. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readConfig } from '../../config.ts';
import { readInstallation } from '../../db/installation.ts';
import { createLog } from '../../telemetry/log.ts';
import { createMetrics } from '../../telemetry/metrics.ts';
import { createLeaseKeeper } from '../../workers/lease.ts';
import { restore, separate } from '../../workers/restore.ts';
import { openRuntime, type Runtime } from '../../workers/runtime.ts';
import { newTask, startFleetWorld, type FleetWorld } from './harness.ts';
import { startSecondFleet, type SecondFleet } from './second-fleet.ts';

let world: FleetWorld;
const second: SecondFleet[] = [];
beforeEach(async () => {
  world = await startFleetWorld({ BATCHWELL_LEASE_MS: '200', BATCHWELL_JANITOR_MS: '0' });
});
afterEach(async () => {
  // A fleet that lost its lease leaves its messages to the other's sweeper.
  world.sweeperMayHelp();
  for (const fleet of second.splice(0)) await fleet.close();
  await world.close();
});

async function startSecond(
  ...options: Parameters<typeof startSecondFleet> extends [FleetWorld, ...infer Rest] ? Rest : never
): Promise<SecondFleet> {
  const fleet = await startSecondFleet(world, ...options);
  second.push(fleet);
  return fleet;
}

/** For a command on the database of a second fleet. */
async function withRuntime<T>(
  fleet: SecondFleet,
  run: (runtime: Runtime) => Promise<T>,
  settings: Record<string, string> = {},
): Promise<T> {
  const runtime = await openRuntime({
    config: readConfig({ ...world.environment, ...fleet.settings, ...settings }),
    metrics: createMetrics(),
    log: createLog({ level: 'fatal', name: 'test' }),
  });
  try {
    return await run(runtime);
  } finally {
    await runtime.close();
  }
}

const restoreOn = (fleet: SecondFleet, settings: Record<string, string> = {}) =>
  withRuntime(fleet, (runtime) => restore(runtime, () => undefined), settings);

/** A fleet on a busy machine may renew its lease late, and is not silent yet. */
const PATIENT = { BATCHWELL_LEASE_MS: '1500' };

test('a new database on an old bucket runs its own tasks, and takes no result of the old one', async () => {
  await world.startWorkers();
  const [done] = await world.ended(await world.accept([newTask('first')]));
  expect(done).toMatchObject({ id: 1, place: 'done' });

  const fresh = await startSecond();
  await fresh.startWorkers();
  world.behave(({ spec }) =>
    spec.executors[0]?.command.includes('must-fail') ? { exitCode: 7 } : {},
  );
  const [failed] = await fresh.ended(await fresh.accept([newTask('must-fail')]));
  expect(failed).toMatchObject({ id: 1, place: 'failed', failureCode: 'executor-failed' });
  expect(failed?.failure).toContain('code 7');
});

test('two fleets on one bucket and one queue both run, and end none of the other’s jobs', async () => {
  const { promise: mayEnd, resolve: letEnd } = Promise.withResolvers<void>();
  world.behave(() => ({ until: mayEnd }));
  const fresh = await startSecond();
  await Promise.all([
    world.startWorkers({ settings: { BATCHWELL_JANITOR_MS: '1' } }),
    fresh.startWorkers(),
  ]);
  const [ids, others] = [await world.accept([newTask('a')]), await fresh.accept([newTask('b')])];
  await world.until('both to run', () => world.batch.ledger.summary().running === 2);
  // The janitor of the first looks at all jobs a few times.
  const looks = world.asked('batch.ListJobs');
  await world.until('the janitor', () => world.asked('batch.ListJobs') > looks + 10);
  letEnd();
  expect((await world.ended(ids)).map(({ place }) => place)).toEqual(['done']);
  expect((await fresh.ended(others)).map(({ place }) => place)).toEqual(['done']);
});

test('a copy of the database stops with a sentence, and the original goes on', async () => {
  const { lost } = await world.startWorkers();
  await world.ended(await world.accept([newTask('before')]));
  const copy = await startSecond({ copyOf: world.database });
  await expect(copy.startWorkers()).rejects.toThrow(
    /Another database acts for installation .*batchwell restore --copy/s,
  );
  expect((await readInstallation(copy.database.pool)).stopReason).toMatch(/Another database/);
  await expect(copy.startWorkers()).rejects.toThrow(/Another database/);
  expect(await world.ended(await world.accept([newTask('after')]))).toMatchObject([
    { place: 'done' },
  ]);
  expect(await Promise.race([lost, Promise.resolve('goes on')])).toBe('goes on');
});

test('a restored database acts after batchwell restore, and the fleet of the old one stops', async () => {
  const running = await world.startWorkers();
  // Its queue is looked at too, although AWS Batch does not have it.
  const resources = { cpu_cores: 1, ram_gb: 1, disk_gb: 1, preemptible: false, queue: 'gone' };
  await world.ended(
    await world.accept([newTask('before'), newTask('elsewhere', { spec: { resources } })]),
  );
  const { promise: mayEnd, resolve: letEnd } = Promise.withResolvers<void>();
  world.behave(() => ({ until: mayEnd }));
  const open = await world.accept([newTask('open')]);
  await world.until('it to run', () => world.batch.ledger.summary().running === 1);
  const backup = await startSecond({ copyOf: world.database });
  const later = await world.accept([newTask('later')]);
  await world.until('both to run', () => world.batch.ledger.summary().running === 2);

  await expect(restoreOn(backup, PATIENT)).rejects.toThrow(
    /A fleet acts for installation .* right now/,
  );
  await running.close();
  await expect(backup.startWorkers()).rejects.toThrow(/restored from a backup/);
  expect(await restoreOn(backup)).toMatchObject({ epoch: 2, jobsEnded: 1 });
  letEnd();
  await backup.startWorkers();
  await backup.queues.nudge([{ stage: 'poll', message: { queue: 'batchwell' } }]);
  expect(await backup.ended(open)).toMatchObject([{ place: 'done', attempt: 1 }]);
  expect(
    (await backup.database.pool.query('SELECT id FROM tasks WHERE id IN (?)', [later]))[0],
  ).toEqual([]);
  await expect(world.startWorkers()).rejects.toThrow(/epoch 2/);
});

test('after a restore every open submission is looked up by name before SubmitJob is called', async () => {
  let crash = true;
  const dying = await world.startWorkers({
    stages: ['cache-check', 'stage-script', 'submit'],
    settings: { BATCHWELL_STALL_MS: '1000' },
    onCrashPoint(point) {
      // Trouble that concerns all tasks: it fails none, however often it is met.
      const lost = Object.assign(new Error('The worker dies here.'), { code: 'ECONNRESET' });
      if (point === 'submit.manifest-written' && crash) throw lost;
    },
  });
  const ids = await world.accept([newTask('one')]);
  await world.until(
    'the intent',
    async () =>
      (await world.rows("SELECT id FROM submissions WHERE state = 'packed'")).length === 1,
  );
  const backup = await startSecond({ copyOf: world.database });
  // After the backup, the job was submitted all the same.
  crash = false;
  await world.until('the job', () => world.asked('batch.SubmitJob') === 1);
  await dying.close();

  expect(await restoreOn(backup)).toMatchObject({ submissionsInDoubt: 1, jobsEnded: 0 });
  await backup.startWorkers();
  await backup.queues.nudge([{ stage: 'submit', message: { submissions: [1] } }]);
  expect(await backup.ended(ids)).toMatchObject([{ place: 'done', attempt: 1 }]);
  expect(world.asked('batch.SubmitJob')).toBe(1);
  expect(world.effects).toHaveLength(1);
});

test('a copy becomes an installation of its own, and touches nothing of the original', async () => {
  const { promise: mayEnd, resolve: letEnd } = Promise.withResolvers<void>();
  world.behave(({ spec }) =>
    spec.executors[0]?.command.includes('open') ? { until: mayEnd } : {},
  );
  await world.startWorkers();
  const open = await world.accept([newTask('open')]);
  await world.until('it to run', () => world.batch.ledger.summary().running === 1);
  const copy = await startSecond({ copyOf: world.database });
  const original = await readInstallation(world.database.pool);
  const { installation, tasksCancelled } = await withRuntime(copy, separate);
  expect(installation).not.toBe(original.installation);
  expect(tasksCancelled).toBe(1);
  await copy.startWorkers();
  const mine = await copy.accept([newTask('mine')]);
  expect(await copy.ended([...open, ...mine])).toMatchObject([
    { place: 'cancelled' },
    { place: 'done' },
  ]);
  expect(world.batch.ledger.summary().running).toBe(1);
  letEnd();
  expect(await world.ended(open)).toMatchObject([{ place: 'done' }]);
});

test('a fleet whose bucket is another than that of its lease stops, and does not stop the others', async () => {
  const { lost } = await world.startWorkers();
  await expect(world.startWorkers({ settings: { BATCHWELL_BUCKET: 'data' } })).rejects.toThrow(
    /BATCHWELL_BUCKET names s3:\/\/data/,
  );
  expect(await world.ended(await world.accept([newTask('goes-on')]))).toMatchObject([
    { place: 'done' },
  ]);
  expect(await Promise.race([lost, Promise.resolve('goes on')])).toBe('goes on');
});

test('a fleet whose lease cannot be written for long keeps its lease', async () => {
  const { lost } = await world.startWorkers({ settings: { BATCHWELL_LEASE_MS: '20' } });
  const refused = {
    service: 's3',
    operation: 'PutObject',
    match: 'installations/',
    kind: 'error',
    status: 403,
    code: 'AccessDenied',
  } as const;
  world.s3.faults.add({ id: 'refused', ...refused });
  const failures = (): number =>
    world.lines.filter(({ msg, stage }) => stage === 'lease' && msg === 'lease-failed').length;
  // More renewals than nonces are kept.
  await world.until('many refused renewals', () => failures() > 40);
  world.s3.faults.remove('refused');
  const { issued } = await readInstallation(world.database.pool);
  await world.until('a renewal', async () => {
    const now = await readInstallation(world.database.pool);
    return now.issued.at(-1) !== issued.at(-1);
  });
  expect(await Promise.race([lost, Promise.resolve('goes on')])).toBe('goes on');
  expect(await world.ended(await world.accept([newTask('after')]))).toMatchObject([
    { place: 'done' },
  ]);
});

test.each([
  ['that carries no proof', () => JSON.stringify({ epoch: 9, nonce: 'f'.repeat(32), holder: 'x' })],
  ['that is longer than any lease', () => 'x'.repeat(100_000)],
  ['that is an old lease, written again', (first: string) => first],
])('a lease %s is replaced, and the fleet goes on', async (_, forge) => {
  const { lost, runtime } = await world.startWorkers({ settings: { BATCHWELL_LEASE_MS: '20' } });
  const url = `s3://work-bucket/installations/${runtime.installation}`;
  const read = async (): Promise<string> => (await world.objects.get(url))?.toString() ?? '';
  const first = await read();
  const renewals = async () => (await readInstallation(world.database.pool)).renewals;
  // Only an old lease needs more renewals than are remembered.
  if (forge(first) === first)
    await world.until('many renewals', async () => (await renewals()) > 40);
  const forged = forge(first);
  await world.objects.put(url, forged);
  await world.until('the lease', async () => !['', forged].includes(await read()));
  const before = await renewals();
  await world.until('more renewals', async () => (await renewals()) > before + 3);
  expect(await Promise.race([lost, Promise.resolve('goes on')])).toBe('goes on');
});

test('a worker that cannot write the lease keeps no other from renewing it', async () => {
  const settings = { BATCHWELL_LEASE_MS: '60000' };
  await world.startWorkers({ settings });
  const { runtime } = await world.startWorkers({ settings });
  const { renewals } = await readInstallation(world.database.pool);
  await createLeaseKeeper(runtime).round({ atStart: true });
  expect((await readInstallation(world.database.pool)).renewals).toBe(renewals);
});

test('the database that holds the lease does not become a copy', async () => {
  await world.startWorkers();
  const config = readConfig(world.environment);
  const log = createLog({ level: 'fatal', name: 'test' });
  const runtime = await openRuntime({ config, metrics: createMetrics(), log });
  await expect(separate(runtime)).rejects.toThrow(/it is the original, not a copy/);
  await runtime.close();
});
