import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { NewTask } from '../../core/task/task.ts';
import { cancelTasks } from '../../db/cancel.ts';
import { taskNudges } from '../../queues/messages.ts';
import type { Behaviour } from './containers.ts';
import { manyTasks, newTask, startFleetWorld, type FleetWorld } from './harness.ts';

let world: FleetWorld;
beforeAll(async () => {
  world = await startFleetWorld();
  await world.startWorkers();
});
afterAll(() => world.close());

/** Each test has a call, and attempts, of its own. */
let call = 0;
let started = 0;
beforeEach(() => {
  call += 1;
  started = 0;
});

/** All of them are the same call. */
const sameCall = (name: string, ramGb = 1): NewTask =>
  newTask(name, {
    cache: 'readwrite',
    spec: {
      executors: [{ image: 'debian:12', command: ['same', String(call)] }],
      resources: { cpu_cores: 1, ram_gb: ramGb, disk_gb: 1, preemptible: false },
    },
  });

/** The first attempt waits until the others wait for it, and then ends as given. */
async function leadAndFollow(
  tasks: readonly NewTask[],
  leader: Behaviour,
  follower: () => Behaviour,
): Promise<{ ids: number[]; endLeader: () => void }> {
  const { promise: ended, resolve: endLeader } = Promise.withResolvers<void>();
  world.behave(() => {
    started += 1;
    return started === 1 ? { ...leader, until: ended } : follower();
  });
  const ids = await world.accept(tasks);
  await world.until('the others to wait', async () => {
    const [row] = await world.rows(
      `SELECT COUNT(*) AS waiting FROM tasks WHERE waits_for IS NOT NULL AND place = 'cache-check'`,
    );
    return row?.['waiting'] === tasks.length - 1 && started === 1;
  });
  return { ids, endLeader };
}

/** Containers that end once as many run as are awaited: they would hang if they ran in turns. */
function together(count: number): () => Behaviour {
  const { promise: allRun, resolve: run } = Promise.withResolvers<void>();
  let running = 0;
  return () => {
    running += 1;
    if (running === count) run();
    return { until: allRun };
  };
}

test('tasks that wait for an equal one fail with it when its command fails, and say whose failure it is', async () => {
  const { ids, endLeader } = await leadAndFollow(
    manyTasks(12, (at) => sameCall(`t${at}`)),
    { exitCode: 3 },
    () => ({}),
  );
  endLeader();
  const ended = await world.ended(ids);
  expect(started).toBe(1);
  expect(ended.map(({ place }) => place)).toEqual(ended.map(() => 'failed'));
  const [leader, ...others] = ended.toSorted((a, b) => b.attempt - a.attempt);
  expect(leader).toMatchObject({ failureCode: 'executor-failed' });
  for (const { failureCode, failure } of others) {
    expect(failureCode).toBe('same-call-failed');
    expect(failure).toMatch(
      /^It is the same call as task-[0-9a-z]+-[0-9a-f]{6}, which failed: The command exited with code 3\. Read/,
    );
  }
  expect(await world.rows('SELECT * FROM cache_flights')).toEqual([]);

  // A later one is not bound by it.
  world.behave(() => ({}));
  expect(await world.ended(await world.accept([sameCall('later')]))).toMatchObject([
    { place: 'done' },
  ]);
});

test('tasks of another owner or with other resources all run at once when their leader’s command fails', async () => {
  const { ids, endLeader } = await leadAndFollow(
    [sameCall('a'), sameCall('b', 2), sameCall('c', 3), sameCall('d', 1)],
    { exitCode: 1 },
    together(3),
  );
  // All resources differ but those of the first and the last; these differ in their owner.
  await world.rows('UPDATE tasks SET owner = ? WHERE id = ?', ['bob', ids[3]]);
  endLeader();
  const ended = await world.ended(ids);
  expect(ended.map(({ place }) => place).toSorted()).toEqual(['done', 'done', 'done', 'failed']);
  expect(started).toBe(4);
});

test.each<[string, Behaviour]>([
  ['was ended by a signal', { exitCode: 139 }],
  ['could not read an input', { error: { kind: 'input', subject: 'x', message: 'No x.' } }],
  ['left no result record', { noRecord: { exitCode: 1 } }],
  ['succeeded without an entry', { missing: [0] }],
])('tasks that wait for an equal one all run at once when it %s', async (_, leader) => {
  const { ids, endLeader } = await leadAndFollow(
    manyTasks(4, (at) => sameCall(`t${at}`)),
    leader,
    together(3),
  );
  endLeader();
  const ended = await world.ended(ids);
  expect(ended.filter(({ place }) => place === 'done').length).toBeGreaterThanOrEqual(3);
  expect(started).toBe(4);
});

test('tasks that wait for an equal one run once more when it is cancelled', async () => {
  const { ids, endLeader } = await leadAndFollow(
    manyTasks(4, (at) => sameCall(`t${at}`)),
    {},
    () => ({ durationMs: 100 }),
  );
  const [flight] = await world.rows('SELECT task_id AS id FROM cache_flights');
  const { waiting } = await cancelTasks(world.database, [Number(flight?.['id'])], Date.now());
  await world.queues.nudge(taskNudges('cache-check', waiting, 100));
  const ended = await world.ended(ids);
  endLeader();
  expect(ended.map(({ place }) => place).toSorted()).toEqual(['cancelled', 'done', 'done', 'done']);
  expect(ended.filter(({ hitEntryId }) => hitEntryId !== null)).toHaveLength(2);
});
