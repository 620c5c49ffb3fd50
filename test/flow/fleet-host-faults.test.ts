import { afterEach, beforeEach, expect, test } from 'vitest';
import type { FaultRule } from '../../packages/local-aws/faults.ts';
import { newTask, startFleetWorld, type FleetWorld } from './harness.ts';

let world: FleetWorld;
beforeEach(async () => {
  world = await startFleetWorld({
    BATCHWELL_HOST_FAULT_TRIES: '3',
    BATCHWELL_HOST_FAULT_PAUSE_MS: '10',
    BATCHWELL_HOST_LOSS_TRIES: '0',
    BATCHWELL_MEMORY_GROWTH_TRIES: '0',
    BATCHWELL_TRANSIENT_TRIES: '0',
  });
  await world.startWorkers();
});
afterEach(() => world.close());

const play = (fault: Partial<FaultRule>) =>
  world.batch.faults.add({
    service: 'batch',
    operation: 'StartAttempt',
    kind: 'host-fault',
    ...fault,
  });

const FULL =
  'CannotPullContainerError: write /var/lib/docker/tmp/GetImageBlob1: no space left on device';
const THROTTLED =
  'CannotStartContainerError: Error response from daemon: failed to initialize logging driver: failed to create Cloudwatch log stream: ThrottlingException: Rate exceeded';

test('a task whose hosts fail succeeds on a retry, spends no budget of its own, and shows the faults', async () => {
  play({ id: 'full', reason: FULL, times: 1 });
  play({ id: 'throttled', reason: THROTTLED, times: 1 });
  play({ id: 'killed', exitCode: 143, times: 1 });
  world.behave(() => ({ durationMs: 50 }));
  const ids = await world.accept([newTask('one')]);
  expect(await world.ended(ids)).toMatchObject([
    { place: 'done', attempt: 4, hostFaults: 3, hostLosses: 0, memoryGrowths: 0 },
  ]);
  const attempts = await world.rows('SELECT outcome, reason FROM attempts ORDER BY number');
  expect(attempts.map(({ outcome }) => outcome)).toEqual(['lost', 'lost', 'lost', 'succeeded']);
  expect(attempts.slice(0, 2).map(({ reason }) => reason)).toEqual([
    `A host failed to run the task: Task failed to start; ${FULL}. Batchwell retries it; nothing is wrong with the task.`,
    `A host failed to run the task: Task failed to start; ${THROTTLED}. Batchwell retries it; nothing is wrong with the task.`,
  ]);
});

test('a task whose hosts fail too many times fails with the number of faults and whom to ask', async () => {
  play({ reason: 'DockerTimeoutError: Could not transition to created; timed out' });
  const [ended] = await world.ended(await world.accept([newTask('one')]));
  expect(ended).toMatchObject({ place: 'failed', failureCode: 'host-fault', attempt: 4 });
  expect(ended?.failure).toBe(
    'Hosts failed to run the task 4 times: Task failed to start; DockerTimeoutError: Could not transition to created; timed out. Nothing is wrong with the task. Ask the operator to look at the hosts, then submit the task again.',
  );
});

test('a task that its queue did not start in time fails at once with a sentence that says so', async () => {
  play({
    statusReason:
      'Canceled by JobStateTimeLimit action due to reason: CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY',
  });
  const [ended] = await world.ended(await world.accept([newTask('one')]));
  expect(ended).toMatchObject({ place: 'failed', failureCode: 'not-started', attempt: 1 });
  expect(ended?.failure).toMatch(
    /^AWS Batch ended the job because it did not start within the time limit of its queue: .*CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY\. Submit the task again later/,
  );
});

test('a child that no listing shows is judged by itself, and not by the end of its array', async () => {
  const next = { service: 'batch', operation: 'SubmitJob', times: 1 } as const;
  world.batch.faults.add({ ...next, kind: 'visibility-lag', delayMs: 60_000 });
  play({ reason: FULL, match: '[0]', times: 1 });
  const ids = await world.accept([newTask('one'), newTask('two')], 'array');
  expect(await world.ended(ids)).toMatchObject([
    { place: 'done', attempt: 2, hostFaults: 1 },
    { place: 'done', attempt: 1 },
  ]);
});
