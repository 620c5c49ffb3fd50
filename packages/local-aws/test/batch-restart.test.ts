/** What the local Batch keeps over a restart. */
import { DescribeJobsCommand } from '@aws-sdk/client-batch';
import { describe, expect, it, vi } from 'vitest';
import { createSimulatedRunner } from '../batch/runners/simulated.ts';
import { createWorld, FOREVER_MS, instant, SPOT_RECIPE, temporaryFolder } from './batch-world.ts';

vi.setConfig({ testTimeout: 30_000 });

describe('a restart of the local Batch', () => {
  it('keeps ended jobs, loses the host of running jobs and continues waiting jobs', async () => {
    const dataFolder = await temporaryFolder();
    const slow = createSimulatedRunner(({ jobName }) => ({
      durationMs: jobName === 'quick' ? 0 : FOREVER_MS,
    }));
    const before = await createWorld({
      dataFolder,
      queues: [{ name: 'batchwell', slots: 2 }],
      runner: slow,
    });
    const ended = await before.submit({ jobName: 'quick', tags: { of: 'before' } });
    await before.ended(ended);
    const array = await before.submit({
      jobName: 'array',
      arrayProperties: { size: 3 },
      retryStrategy: SPOT_RECIPE,
    });
    await before.until(`${array}:1`, ({ status }) => status === 'RUNNING');
    const last = await before.submit({ jobName: 'last', dependsOn: [{ jobId: array }] });
    await before.batch.close();

    const after = await createWorld({
      dataFolder,
      queues: [{ name: 'batchwell', slots: 2 }],
      runner: instant(),
    });
    expect(await after.describe(ended)).toMatchObject({
      status: 'SUCCEEDED',
      tags: { of: 'before' },
    });
    expect(await after.ended(last)).toMatchObject({ status: 'SUCCEEDED' });
    const { jobs } = await after.client.send(
      new DescribeJobsCommand({ jobs: [`${array}:0`, `${array}:1`, `${array}:2`] }),
    );
    expect(jobs?.map(({ attempts }) => attempts?.length)).toEqual([2, 2, 1]);
    expect(jobs?.[0]?.attempts?.[0]?.statusReason).toMatch(/^Host EC2 \(instance i-/);
    expect(await after.define()).toBe('plain:2');
  });
});
