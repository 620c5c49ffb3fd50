/** Faults of requests and of attempts, and visibility lag. */
import { describe, expect, it, vi } from 'vitest';
import { createWorld, instant, never, refusal } from './batch-world.ts';

vi.setConfig({ testTimeout: 30_000 });

describe('faults of the local Batch', () => {
  it('leave a job when the connection drops after SubmitJob, and none when it drops before', async () => {
    const world = await createWorld({ runner: instant() });
    const jobDefinition = await world.define();
    world.batch.faults.add({
      service: 'batch',
      operation: 'SubmitJob',
      match: 'kept',
      kind: 'drop-after',
    });
    world.batch.faults.add({
      service: 'batch',
      operation: 'SubmitJob',
      match: 'lost',
      kind: 'drop-before',
    });
    world.batch.faults.add({
      service: 'batch',
      operation: 'SubmitJob',
      match: 'broken',
      kind: 'error-after',
    });
    const named = async (jobName: string) => {
      const answer = await world.submit({ jobName, jobDefinition }).then(
        () => 'accepted',
        (cause: Error) => cause.name,
      );
      const jobs = await world.listAll({
        jobQueue: 'batchwell',
        filters: [{ name: 'JOB_NAME', values: [jobName] }],
      });
      return [answer, jobs.length];
    };
    expect(await named('kept')).toEqual([expect.not.stringContaining('accepted'), 1]);
    expect(await named('lost')).toEqual([expect.not.stringContaining('accepted'), 0]);
    expect(await named('broken')).toEqual(['ServerException', 1]);
    expect(await named('plain')).toEqual(['accepted', 1]);
    expect(world.batch.ledger.summary().requests['batch.SubmitJob']?.byCode).toEqual({
      Dropped: 2,
      ServerException: 1,
      OK: 1,
    });
  });

  it('hide a new job from ListJobs and a new definition from SubmitJob for a while', async () => {
    const world = await createWorld({ runner: instant(), lag: { definitionMs: 150 } });
    const early = await world.define();
    await expect(world.submit({ jobDefinition: early })).rejects.toMatchObject(
      refusal(/not found/, 404),
    );
    await expect
      .poll(() =>
        world.submit({ jobDefinition: early, jobName: 'early' }).then(
          () => true,
          () => false,
        ),
      )
      .toBe(true);
    world.batch.faults.add({
      service: 'batch',
      operation: 'SubmitJob',
      match: 'hidden',
      kind: 'visibility-lag',
      delayMs: 150,
      times: 1,
    });
    const jobId = await world.submit({ jobDefinition: early, jobName: 'hidden' });
    const listed = () =>
      world.listAll({ jobQueue: 'batchwell', filters: [{ name: 'JOB_NAME', values: ['hidden'] }] });
    expect(await listed()).toEqual([]);
    expect((await world.describe(jobId)).jobId).toBe(jobId);
    await expect.poll(listed).toHaveLength(1);
  });

  it('end an attempt with AWS’s words for out of memory, a failed pull and a spot loss', async () => {
    const world = await createWorld({ runner: never() });
    for (const [match, kind] of [
      ['memory', 'out-of-memory'],
      ['pull', 'image-pull'],
      ['spot', 'spot-loss'],
    ] as const) {
      world.batch.faults.add({
        service: 'batch',
        operation: 'StartAttempt',
        match,
        kind,
        delayMs: 5,
      });
    }
    expect(await world.ended(await world.submit({ jobName: 'memory' }))).toMatchObject({
      statusReason: 'Essential container in task exited',
      container: {
        exitCode: 137,
        reason: 'OutOfMemoryError: Container killed due to memory usage',
      },
    });
    const pulled = await world.ended(await world.submit({ jobName: 'pull' }));
    expect(pulled).toMatchObject({
      statusReason: 'Task failed to start',
      container: { reason: expect.stringMatching(/^CannotPullContainerError/) },
    });
    expect(pulled.startedAt).toBeUndefined();
    expect((await world.ended(await world.submit({ jobName: 'spot' }))).statusReason).toMatch(
      /^Host EC2/,
    );
  });

  it('end an attempt in any words of a host, before its container starts or after', async () => {
    const world = await createWorld({ runner: never() });
    const start = { service: 'batch', operation: 'StartAttempt', kind: 'host-fault' } as const;
    world.batch.faults.add({
      ...start,
      match: 'full',
      reason: 'CannotPullContainerError: no space left on device',
    });
    world.batch.faults.add({ ...start, match: 'killed', exitCode: 143 });
    world.batch.faults.add({ ...start, match: 'ended', statusReason: 'CAPACITY:NONE - none' });
    const full = await world.ended(await world.submit({ jobName: 'full' }));
    expect(full).toMatchObject({
      status: 'FAILED',
      statusReason: 'Task failed to start',
      container: { reason: 'CannotPullContainerError: no space left on device' },
    });
    expect(full.container?.exitCode).toBeUndefined();
    expect(full.startedAt).toBeUndefined();
    expect(await world.ended(await world.submit({ jobName: 'killed' }))).toMatchObject({
      statusReason: 'Essential container in task exited',
      startedAt: expect.any(Number),
      container: { exitCode: 143 },
    });
    expect((await world.ended(await world.submit({ jobName: 'ended' }))).statusReason).toBe(
      'CAPACITY:NONE - none',
    );
  });

  it('make a running job lose its host on request', async () => {
    const world = await createWorld({ runner: never() });
    const jobId = await world.submit();
    await world.until(jobId, ({ status }) => status === 'RUNNING');
    const answer = await fetch(`${world.batch.url}/_local/spot-loss`, {
      method: 'POST',
      body: JSON.stringify({ jobId }),
    });
    expect(await answer.json()).toEqual({ lost: true });
    expect((await world.ended(jobId)).statusReason).toMatch(/^Host EC2/);
  });
});
