/** What SubmitJob refuses and with which messages, and throttling. */
import { BatchClient, SubmitJobCommand } from '@aws-sdk/client-batch';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { AWS_THROTTLE, createThrottle } from '../batch/throttle.ts';
import { createWorld, instant, refusal } from './batch-world.ts';

vi.setConfig({ testTimeout: 30_000 });

describe('SubmitJob', () => {
  it('refuses each value outside a limit with a message of its own', async () => {
    const world = await createWorld({ runner: instant(), minTimeoutSeconds: 60 });
    await world.define();
    const refused = (more: Parameters<typeof world.submit>[0]) =>
      world.submit({ jobDefinition: 'plain:1', ...more });
    const cases: [Parameters<typeof world.submit>[0], string | RegExp][] = [
      [{ arrayProperties: { size: 1 } }, /Array Job size must be at least 2 and at most 10000/],
      [{ arrayProperties: { size: 10_001 } }, /Array Job size/],
      [
        { jobName: 'no spaces' },
        'Error executing request, Exception : Job name should match valid pattern',
      ],
      [{ jobName: 'a'.repeat(129) }, /Job name should match/],
      [{ timeout: { attemptDurationSeconds: 59 } }, /at least 60 seconds/],
      [{ retryStrategy: { attempts: 11 } }, /between 1 and 10/],
      [{ retryStrategy: { attempts: 0 } }, /between 1 and 10/],
      [
        {
          retryStrategy: {
            attempts: 2,
            evaluateOnExit: Array.from({ length: 6 }, () => ({
              onReason: '*',
              action: 'EXIT' as const,
            })),
          },
        },
        /up to 5 rules/,
      ],
      [
        { retryStrategy: { attempts: 2, evaluateOnExit: [{ onReason: 'a*b', action: 'EXIT' }] } },
        /asterisk at its end/,
      ],
      [
        {
          retryStrategy: {
            attempts: 2,
            evaluateOnExit: [{ onReason: '*', action: 'MAYBE' as 'EXIT' }],
          },
        },
        /enum value set: \[RETRY, EXIT\]/i,
      ],
      [{ jobQueue: 'nowhere' }, 'JobQueue nowhere not found.'],
      [{ dependsOn: [{ jobId: 'nobody' }] }, /nobody does not exist/],
      [
        { containerOverrides: { environment: [{ name: 'A', value: 'a'.repeat(31 * 1024) }] } },
        /larger than 30720 bytes/,
      ],
    ];
    for (const [more, message] of cases)
      await expect(refused(more)).rejects.toMatchObject(refusal(message));
    await expect(refused({ jobDefinition: 'plain:2' })).rejects.toMatchObject(
      refusal(/plain:2 not found/, 404),
    );
    expect(
      await world.listAll({
        jobQueue: 'batchwell',
        filters: [{ name: 'AFTER_CREATED_AT', values: ['0'] }],
      }),
    ).toEqual([]);
  });

  it('accepts overrides over 8,192 characters and fails the job, as AWS does', async () => {
    const world = await createWorld({ runner: instant() });
    const command = Array.from({ length: 900 }, () => 'abcdefgh');
    const job = await world.ended(
      await world.submit({ containerOverrides: { command }, retryStrategy: { attempts: 3 } }),
    );
    expect(job).toMatchObject({
      status: 'FAILED',
      statusReason: 'Container Overrides length must be at most 8192',
      attempts: [],
    });
    expect(world.batch.ledger.summary().startsTotal).toBe(0);
  });

  it('is throttled with a 429 that the SDK recognizes as throttling', async () => {
    const world = await createWorld({
      runner: instant(),
      throttle: { perSecond: 2, burst: 3, operations: ['SubmitJob'] },
    });
    const jobDefinition = await world.define();
    const answers = await Promise.allSettled(
      Array.from({ length: 30 }, () => world.submit({ jobDefinition })),
    );
    const refused = answers.filter((answer) => answer.status === 'rejected');
    expect(refused.length).toBeGreaterThan(10);
    expect(refused[0]?.reason).toMatchObject(
      refusal('Too Many Requests', 429, 'TooManyRequestsException'),
    );
    expect(world.batch.ledger.summary().requests['batch.SubmitJob']?.byCode).toEqual({
      OK: 30 - refused.length,
      TooManyRequestsException: refused.length,
    });
    // The SDK's own retries succeed, because the SDK recognizes the error.
    const patient = new BatchClient({
      endpoint: world.batch.url,
      region: 'us-east-1',
      credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
      maxAttempts: 9,
    });
    onTestFinished(() => patient.destroy());
    await patient.send(
      new SubmitJobCommand({ jobName: 'patient', jobQueue: 'batchwell', jobDefinition }),
    );
  });
});

describe('AWS’s throttle', () => {
  it('admits 50 SubmitJob calls a second and never limits another operation', () => {
    const throttle = createThrottle(AWS_THROTTLE, 0);
    const admitted = (operation: string, atMs: number) =>
      Array.from({ length: 200 }, () => throttle.admit(operation, atMs)).filter(Boolean).length;
    expect([
      admitted('SubmitJob', 0),
      admitted('SubmitJob', 0),
      admitted('SubmitJob', 500),
      admitted('SubmitJob', 60_000),
    ]).toEqual([50, 0, 25, 50]);
    expect(admitted('ListJobs', 60_000)).toBe(200);
  });
});
