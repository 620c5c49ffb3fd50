/** Tasks that lose their Spot hosts go on in a job queue with On-Demand hosts. */
import {
  BatchClient,
  CreateJobQueueCommand,
  DescribeJobsCommand,
  type JobDetail,
} from '@aws-sdk/client-batch';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { NewTask } from '../../core/task/task.ts';
import { readAttempts } from '../../db/attempt-views.ts';
import { tidy } from '../../workers/upkeep/janitor.ts';
import { manyTasks, newTask, startFleetWorld, type FleetWorld } from './harness.ts';

let world: FleetWorld;
let client: BatchClient;
beforeEach(async () => {
  world = await startFleetWorld({
    BATCHWELL_SPOT_QUEUE: 'spot',
    BATCHWELL_SPOT_LOSSES: '2',
    BATCHWELL_OWNER_LIMIT: '4',
    BATCHWELL_JOB_TAGS: 'project=genomes,owner={owner}',
  });
  client = new BatchClient({
    endpoint: world.batch.url,
    region: 'us-east-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  });
  await client.send(
    new CreateJobQueueCommand({
      jobQueueName: 'spot',
      priority: 1,
      computeEnvironmentOrder: [{ order: 1, computeEnvironment: 'batchwell' }],
    }),
  );
});
afterEach(async () => {
  client.destroy();
  await world.close();
});

/** As the API places a preemptible task. */
const preemptible = (name: string): NewTask =>
  newTask(name, {
    spec: {
      resources: { cpu_cores: 1, ram_gb: 1, disk_gb: 1, preemptible: true, queue: 'spot' },
    },
  });

async function startedJobs(): Promise<JobDetail[]> {
  const ids = [...new Set(world.batch.ledger.starts().map(({ jobId }) => jobId))];
  return (await client.send(new DescribeJobsCommand({ jobs: ids }))).jobs ?? [];
}

const queueOf = ({ jobQueue = '' }: JobDetail): string => jobQueue.replace(/^.*\//, '');

test('a preemptible task that loses as many hosts as it may goes on in the On-Demand queue, and shows it', async () => {
  const { runtime } = await world.startWorkers();
  // As many as Batch itself retries in the Spot queue.
  world.batch.faults.add({
    service: 'batch',
    operation: 'StartAttempt',
    kind: 'spot-loss',
    match: '[1]',
    times: 2,
  });
  world.behave(() => ({ durationMs: 30 }));
  const ids = await world.accept(
    manyTasks(3, (at) => preemptible(`t${at}`)),
    's',
  );
  const ended = await world.ended(ids);
  expect(ended.map(({ place, hostLosses, attempt }) => [place, hostLosses, attempt])).toEqual([
    ['done', 0, 1],
    ['done', 1, 2],
    ['done', 0, 1],
  ]);

  const shown = await readAttempts(world.database.pool, [ids[1] ?? 0]);
  expect(shown.map(({ number, queue, outcome }) => [number, queue, outcome])).toEqual([
    [2, 'batchwell', 'succeeded'],
    [1, 'spot', 'lost'],
  ]);
  expect(shown[1]?.reason).toMatch(
    /^Host EC2 .*\. The task goes on in the job queue batchwell, which has On-Demand hosts\.$/,
  );
  expect(world.lines).toContainEqual(
    expect.objectContaining({
      msg: 'moved-to-on-demand',
      from: 'spot',
      to: 'batchwell',
      count: 1,
    }),
  );
  expect(
    await runtime.metrics.registry.getSingleMetricAsString('batchwell_on_demand_moves_total'),
  ).toMatch(/batchwell_on_demand_moves_total 1/);
  const jobs = await startedJobs();
  expect(jobs.map(queueOf).toSorted()).toEqual(['batchwell', 'spot', 'spot', 'spot']);
  for (const { tags } of jobs) expect(tags).toMatchObject({ project: 'genomes', owner: 'tester' });
});

test('a task that is not preemptible, and one that ran out of memory on Spot, stay where they are', async () => {
  await world.startWorkers();
  const memory = { service: 'batch', operation: 'StartAttempt', kind: 'out-of-memory' } as const;
  world.batch.faults.add({ ...memory, times: 1 });
  world.behave(() => ({ durationMs: 30 }));
  const [hungry] = await world.ended(await world.accept([preemptible('hungry')]));
  expect(hungry).toMatchObject({ place: 'done', memoryGrowths: 1 });
  world.batch.faults.add({
    service: 'batch',
    operation: 'StartAttempt',
    kind: 'spot-loss',
    times: 3,
  });
  const [steady] = await world.ended(await world.accept([newTask('steady')]));
  expect(steady).toMatchObject({ place: 'done', hostLosses: 1 });
  expect((await startedJobs()).map(queueOf).toSorted()).toEqual([
    'batchwell',
    'batchwell',
    'spot',
    'spot',
  ]);
});

test('a limit of an owner counts both queues, and the janitor looks into both', async () => {
  const { runtime } = await world.startWorkers();
  let most = 0;
  world.behave(() => {
    most = Math.max(most, world.batch.ledger.summary().running);
    return { durationMs: 20 };
  });
  const tasks = manyTasks(12, (at) => (at % 2 === 0 ? preemptible(`p${at}`) : newTask(`n${at}`)));
  const ended = await world.ended(await world.accept(tasks));
  expect(ended.filter(({ place }) => place !== 'done')).toEqual([]);
  expect(most).toBeLessThanOrEqual(4);
  const queues = new Set<string>();
  const batch: typeof runtime.batch = {
    ...runtime.batch,
    list(of, status) {
      if ('queue' in of) queues.add(of.queue);
      return runtime.batch.list(of, status);
    },
  };
  await tidy({ ...runtime, batch });
  expect([...queues].toSorted()).toEqual(['batchwell', 'spot']);
});
