/** The life of jobs on the local Batch, seen through the AWS SDK. Containers are simulated. */
import {
  CancelJobCommand,
  GetJobQueueSnapshotCommand,
  ListJobsCommand,
  TerminateJobCommand,
} from '@aws-sdk/client-batch';
import { describe, expect, it, vi } from 'vitest';
import type { Container } from '../batch/runner.ts';
import { createSimulatedRunner, type SimulatedRun } from '../batch/runners/simulated.ts';
import { createWorld, FOREVER_MS, SPOT_RECIPE } from './batch-world.ts';

vi.setConfig({ testTimeout: 30_000 });

const simulated = (plan: (container: Container) => SimulatedRun = () => ({ durationMs: 0 })) =>
  createSimulatedRunner(plan);

describe('a job', () => {
  it('goes from SUBMITTED to SUCCEEDED and shows its one attempt', async () => {
    const world = await createWorld({ runner: simulated() });
    const job = await world.ended(await world.submit());
    expect(job).toMatchObject({
      status: 'SUCCEEDED',
      statusReason: 'Essential container in task exited',
      container: { exitCode: 0 },
    });
    expect(job.attempts).toHaveLength(1);
    expect(job.createdAt).toBeLessThanOrEqual(job.startedAt!);
    expect(job.startedAt).toBeLessThanOrEqual(job.stoppedAt!);
  });

  it('passes through RUNNABLE, STARTING and RUNNING', async () => {
    const world = await createWorld({
      runner: simulated(() => ({ durationMs: FOREVER_MS })),
      latency: { startMs: 500, scheduleMs: 500 },
    });
    const jobId = await world.submit();
    expect((await world.describe(jobId)).status).toMatch(/^(SUBMITTED|RUNNABLE)$/);
    await world.until(jobId, ({ status }) => status === 'STARTING');
    await world.until(jobId, ({ status }) => status === 'RUNNING');
  });

  it('gets its ids, its attempt and the environment of its job role, but its own values win', async () => {
    const seen: Container[] = [];
    const world = await createWorld({
      runner: simulated((container) => (seen.push(container), { durationMs: 0 })),
      jobEnvironment: { AWS_REGION: 'us-east-1', A: 'role' },
    });
    const jobDefinition = await world.define(['echo', 'Ref::what'], {
      parameters: { what: 'nothing' },
    });
    const jobId = await world.submit({
      jobDefinition,
      parameters: { what: 'this' },
      containerOverrides: { environment: [{ name: 'A', value: 'own' }] },
    });
    await world.ended(jobId);
    expect(seen[0]?.command).toEqual(['echo', 'this']);
    expect(seen[0]?.environment).toMatchObject({
      AWS_BATCH_JOB_ID: jobId,
      AWS_BATCH_JOB_ATTEMPT: '1',
      AWS_BATCH_JQ_NAME: 'batchwell',
      AWS_REGION: 'us-east-1',
      A: 'own',
    });
    expect(seen[0]?.environment).not.toHaveProperty('AWS_BATCH_JOB_ARRAY_INDEX');
  });

  it('waits in RUNNABLE while all slots are taken, in the order of submission', async () => {
    const order: string[] = [];
    const gate = Promise.withResolvers<void>();
    const world = await createWorld({
      queues: [{ name: 'batchwell', slots: 1 }],
      runner: simulated(
        ({ jobName }) => (
          order.push(jobName),
          { durationMs: 0, ...(jobName === 'first' && { effect: () => gate.promise }) }
        ),
      ),
    });
    const first = await world.submit({ jobName: 'first' });
    await world.until(first, ({ status }) => status === 'RUNNING');
    const second = await world.submit({ jobName: 'second' });
    await world.submit({ jobName: 'third' });
    expect((await world.describe(second)).status).toBe('RUNNABLE');
    const { frontOfQueue } = await world.client.send(
      new GetJobQueueSnapshotCommand({ jobQueue: 'batchwell' }),
    );
    expect(frontOfQueue?.jobs?.[0]?.jobArn).toContain(second);
    gate.resolve();
    await world.ended(second);
    await expect.poll(() => order).toEqual(['first', 'second', 'third']);
  });

  it('can be cancelled before it starts but not once it runs', async () => {
    const world = await createWorld({
      queues: [{ name: 'batchwell', slots: 1 }],
      runner: simulated(() => ({ durationMs: FOREVER_MS })),
    });
    const running = await world.submit();
    await world.until(running, ({ status }) => status === 'RUNNING');
    const waiting = await world.submit();
    for (const jobId of [running, waiting])
      await world.client.send(new CancelJobCommand({ jobId, reason: 'not needed' }));
    expect(await world.describe(waiting)).toMatchObject({
      status: 'FAILED',
      statusReason: 'not needed',
      isCancelled: true,
    });
    expect(await world.describe(running)).toMatchObject({ status: 'RUNNING', isCancelled: false });
  });

  it('is terminated with the caller’s reason and not retried', async () => {
    const world = await createWorld({ runner: simulated(() => ({ durationMs: FOREVER_MS })) });
    const jobId = await world.submit({ retryStrategy: { attempts: 5 } });
    await world.until(jobId, ({ status }) => status === 'RUNNING');
    await world.client.send(new TerminateJobCommand({ jobId, reason: 'the user gave up' }));
    const job = await world.ended(jobId);
    expect(job).toMatchObject({
      status: 'FAILED',
      statusReason: 'the user gave up',
      isTerminated: true,
      container: { exitCode: 143 },
    });
    expect(job.attempts).toHaveLength(1);
  });

  it('is ended by its timeout and not retried', async () => {
    const world = await createWorld({ runner: simulated(() => ({ durationMs: FOREVER_MS })) });
    const job = await world.ended(
      await world.submit({
        timeout: { attemptDurationSeconds: 1 },
        retryStrategy: { attempts: 3 },
      }),
    );
    expect(job).toMatchObject({
      status: 'FAILED',
      statusReason: 'Job attempt duration exceeded timeout',
    });
    expect(job.attempts).toHaveLength(1);
  });

  it('waits for the job it depends on and fails when that job fails', async () => {
    const gate = Promise.withResolvers<void>();
    const world = await createWorld({
      runner: simulated(({ jobName }) => ({
        durationMs: 0,
        exitCode: jobName === 'bad' ? 1 : 0,
        effect: () => gate.promise,
      })),
    });
    const good = await world.submit({ jobName: 'good' });
    const bad = await world.submit({ jobName: 'bad' });
    const afterGood = await world.submit({ dependsOn: [{ jobId: good }] });
    const afterBad = await world.submit({ dependsOn: [{ jobId: bad }, { jobId: good }] });
    await world.until(afterGood, ({ status }) => status === 'PENDING');
    gate.resolve();
    expect((await world.ended(afterGood)).status).toBe('SUCCEEDED');
    expect(await world.ended(afterBad)).toMatchObject({
      status: 'FAILED',
      statusReason: 'Dependent Job failed',
    });
    expect(await world.ended(await world.submit({ dependsOn: [{ jobId: bad }] }))).toMatchObject({
      statusReason: 'Dependent Job failed',
    });
  });
});

describe('a failed attempt', () => {
  it('is retried until the attempts of its strategy are used up', async () => {
    const world = await createWorld({
      runner: simulated(({ attempt }) => ({ durationMs: 0, exitCode: attempt < 3 ? 7 : 0 })),
    });
    const job = await world.ended(await world.submit({ retryStrategy: { attempts: 5 } }));
    expect(job.status).toBe('SUCCEEDED');
    expect(job.attempts?.map(({ container }) => container?.exitCode)).toEqual([7, 7, 0]);
  });

  it('is retried under AWS’s spot recipe after a lost host but not after its own error', async () => {
    const world = await createWorld({
      runner: simulated(({ attempt }) => ({
        durationMs: attempt === 1 ? FOREVER_MS : 0,
        exitCode: 3,
      })),
    });
    world.batch.faults.add({
      service: 'batch',
      operation: 'StartAttempt',
      kind: 'spot-loss',
      times: 1,
    });
    const job = await world.ended(await world.submit({ retryStrategy: SPOT_RECIPE }));
    expect(job).toMatchObject({
      status: 'FAILED',
      statusReason: 'Essential container in task exited',
    });
    expect(
      job.attempts?.map(({ statusReason, container }) => [statusReason, container?.exitCode]),
    ).toEqual([
      [expect.stringMatching(/^Host EC2 \(instance i-[0-9a-f]{17}\) terminated\.$/), undefined],
      ['Essential container in task exited', 3],
    ]);
  });

  it('is matched by exit code and by reason, ignoring case', async () => {
    const world = await createWorld({ runner: simulated(() => ({ durationMs: 0, exitCode: 42 })) });
    const attemptsWith = async (rule: {
      onExitCode?: string;
      onStatusReason?: string;
      onReason?: string;
    }) => {
      const strategy = { attempts: 2, evaluateOnExit: [{ ...rule, action: 'EXIT' as const }] };
      return (await world.ended(await world.submit({ retryStrategy: strategy }))).attempts?.length;
    };
    expect(await attemptsWith({ onExitCode: '4*' })).toBe(1);
    expect(await attemptsWith({ onExitCode: '4' })).toBe(2);
    expect(await attemptsWith({ onStatusReason: 'ESSENTIAL container*' })).toBe(1);
    expect(await attemptsWith({ onStatusReason: 'Essential*', onExitCode: '1' })).toBe(2);
    expect(await attemptsWith({ onReason: 'OutOfMemory*' })).toBe(2);
  });
});

describe('an array', () => {
  it('runs each index, shows a summary and fails as a whole when one child fails', async () => {
    const world = await createWorld({
      runner: simulated(({ arrayIndex }) => ({
        durationMs: 0,
        exitCode: arrayIndex === 1 ? 1 : 0,
      })),
    });
    const jobId = await world.submit({
      arrayProperties: { size: 3 },
      retryStrategy: { attempts: 2 },
    });
    const parent = await world.ended(jobId);
    expect(parent).toMatchObject({
      status: 'FAILED',
      statusReason: 'Array Child Job failed',
      arrayProperties: { size: 3 },
    });
    expect(parent.arrayProperties?.statusSummary).toMatchObject({
      SUCCEEDED: 2,
      FAILED: 1,
      RUNNING: 0,
    });
    expect((await world.describe(`${jobId}:1`)).attempts).toHaveLength(2);
    expect(await world.describe(`${jobId}:2`)).toMatchObject({
      status: 'SUCCEEDED',
      arrayProperties: { index: 2 },
      attempts: [{}],
    });
    const failed = await world.listAll({ arrayJobId: jobId, jobStatus: 'FAILED' });
    expect(failed).toMatchObject([
      { jobId: `${jobId}:1`, arrayProperties: { index: 1 }, container: { exitCode: 1 } },
    ]);
  });

  it('is PENDING while children run, and a child or the whole array can be terminated', async () => {
    const world = await createWorld({
      queues: [{ name: 'batchwell', slots: 2 }],
      runner: simulated(() => ({ durationMs: FOREVER_MS })),
    });
    const jobId = await world.submit({ arrayProperties: { size: 5 } });
    await world.until(`${jobId}:1`, ({ status }) => status === 'RUNNING');
    const listed = await world.listAll({ jobQueue: 'batchwell', jobStatus: 'PENDING' });
    expect(listed).toMatchObject([
      { jobId, arrayProperties: { size: 5, statusSummary: { RUNNING: 2, RUNNABLE: 3 } } },
    ]);
    await world.client.send(new TerminateJobCommand({ jobId: `${jobId}:0`, reason: 'only this' }));
    expect(await world.ended(`${jobId}:0`)).toMatchObject({ statusReason: 'only this' });
    await world.until(`${jobId}:2`, ({ status }) => status === 'RUNNING');
    await world.client.send(new TerminateJobCommand({ jobId, reason: 'all of it' }));
    expect(await world.ended(jobId)).toMatchObject({ status: 'FAILED', statusReason: 'all of it' });
    const reasons = (await world.listAll({ arrayJobId: jobId, jobStatus: 'FAILED' })).map(
      ({ statusReason }) => statusReason,
    );
    expect(reasons).toEqual(['only this', 'all of it', 'all of it', 'all of it', 'all of it']);
  });

  it('that is cancelled ends the children that wait and lets running children finish', async () => {
    const { promise: first, resolve: endFirst } = Promise.withResolvers<void>();
    const world = await createWorld({
      queues: [{ name: 'batchwell', slots: 1 }],
      runner: simulated(() => ({ durationMs: 0, effect: () => first })),
    });
    const jobId = await world.submit({ arrayProperties: { size: 3 } });
    await world.until(`${jobId}:0`, ({ status }) => status === 'RUNNING');
    await world.client.send(new CancelJobCommand({ jobId, reason: 'enough' }));
    expect((await world.describe(jobId)).status).toBe('PENDING');
    endFirst();
    expect(await world.ended(jobId)).toMatchObject({
      status: 'FAILED',
      statusReason: 'enough',
      arrayProperties: { statusSummary: { SUCCEEDED: 1, FAILED: 2 } },
    });
  });

  it('runs its children in sequence, or each after its partner, when its dependencies say so', async () => {
    const order: string[] = [];
    const world = await createWorld({
      queues: [{ name: 'batchwell', slots: 10 }],
      runner: simulated(({ jobName, arrayIndex }) => ({
        durationMs: 10 - (arrayIndex ?? 0),
        effect: async () => void order.push(`${jobName}${arrayIndex}`),
      })),
    });
    const a = await world.submit({
      jobName: 'a',
      arrayProperties: { size: 4 },
      dependsOn: [{ type: 'SEQUENTIAL' }],
    });
    const b = await world.submit({
      jobName: 'b',
      arrayProperties: { size: 4 },
      dependsOn: [{ type: 'N_TO_N', jobId: a }],
    });
    expect((await world.ended(b)).status).toBe('SUCCEEDED');
    expect(order.filter((name) => name.startsWith('a'))).toEqual(['a0', 'a1', 'a2', 'a3']);
    for (const index of [0, 1, 2, 3])
      expect(order.indexOf(`b${index}`)).toBeGreaterThan(order.indexOf(`a${index}`));
    expect(order.indexOf('b0')).toBeLessThan(order.indexOf('a3'));
  });

  it('of 10,000 runs and is listed in pages of 1,000', async () => {
    const world = await createWorld({
      queues: [{ name: 'batchwell', slots: 2000 }],
      runner: simulated(),
    });
    const jobId = await world.submit({ arrayProperties: { size: 10_000 } });
    await world.ended(jobId);
    const page = await world.client.send(
      new ListJobsCommand({ arrayJobId: jobId, jobStatus: 'SUCCEEDED' }),
    );
    expect(page.jobSummaryList).toHaveLength(1000);
    const all = await world.listAll({ arrayJobId: jobId, jobStatus: 'SUCCEEDED' });
    expect(all.map((job) => job.arrayProperties?.index)).toEqual(
      Array.from({ length: 10_000 }, (_, index) => index),
    );
    expect(world.batch.ledger.summary()).toMatchObject({
      startsTotal: 10_000,
      endsTotal: 10_000,
      running: 0,
      jobsStartedAgain: 0,
    });
  });

  it('of 10,000 sequential children fails from the first child on without nested calls', async () => {
    const world = await createWorld({ runner: simulated(() => ({ durationMs: 0, exitCode: 1 })) });
    const jobId = await world.submit({
      arrayProperties: { size: 10_000 },
      dependsOn: [{ type: 'SEQUENTIAL' }],
    });
    expect((await world.ended(jobId)).arrayProperties?.statusSummary).toMatchObject({
      FAILED: 10_000,
    });
    expect(world.batch.ledger.summary().startsTotal).toBe(1);
  });
});
