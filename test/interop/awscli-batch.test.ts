/** The unmodified AWS CLI against the local Batch. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it, vi } from 'vitest';
import { createSimulatedRunner } from '../../packages/local-aws/batch/runners/simulated.ts';
import { createWorld } from '../../packages/local-aws/test/batch-world.ts';

// Each call is a Python program of 0.8 s, and several seconds on a busy machine.
vi.setConfig({ testTimeout: 90_000 });

const run = promisify(execFile);
// Debian's own first: a newer one from Python, earlier on PATH, is another program.
const cli = ['/usr/bin', ...(process.env['PATH'] ?? '').split(delimiter)]
  .map((folder) => join(folder, 'aws'))
  .find((path) => existsSync(path));

async function createCli() {
  const world = await createWorld({
    queues: [{ name: 'batchwell', slots: 100 }],
    runner: createSimulatedRunner(({ arrayIndex, jobName }) => ({
      durationMs: jobName === 'endless' ? 1_000_000 : 0,
      exitCode: arrayIndex === 2 ? 3 : 0,
    })),
  });
  const env = {
    PATH: process.env['PATH'],
    HOME: world.dataFolder,
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
    AWS_DEFAULT_REGION: 'us-east-1',
  };
  // Before 2.13 the CLI does not read AWS_ENDPOINT_URL_BATCH.
  const aws = async (...words: string[]): Promise<Record<string, unknown>> => {
    const { stdout } = await run(
      cli!,
      ['batch', ...words, '--endpoint-url', world.batch.url, '--output', 'json'],
      { env },
    );
    return stdout === '' ? {} : (JSON.parse(stdout) as Record<string, unknown>);
  };
  return { world, aws };
}

const container = JSON.stringify({
  image: 'busybox',
  command: ['echo', 'Ref::word'],
  resourceRequirements: [
    { type: 'VCPU', value: '1' },
    { type: 'MEMORY', value: '64' },
  ],
});

describe.skipIf(cli === undefined)(
  'the AWS CLI and the local Batch (skipped if aws is not on PATH)',
  () => {
    it('the AWS CLI registers a definition, submits an array, waits, describes and lists it', async () => {
      const { world, aws } = await createCli();
      const { jobDefinitionArn } = await aws(
        'register-job-definition',
        '--job-definition-name',
        'hello',
        '--type',
        'container',
        '--container-properties',
        container,
      );
      const { jobId } = await aws(
        'submit-job',
        '--job-name',
        'greet',
        '--job-queue',
        'batchwell',
        '--job-definition',
        String(jobDefinitionArn),
        '--array-properties',
        'size=4',
        '--parameters',
        'word=hi',
      );
      await world.ended(String(jobId));
      expect(await aws('describe-jobs', '--jobs', String(jobId))).toMatchObject({
        jobs: [
          {
            status: 'FAILED',
            arrayProperties: { size: 4, statusSummary: { SUCCEEDED: 3, FAILED: 1 } },
            container: { command: ['echo', 'hi'] },
          },
        ],
      });
      // The CLI follows nextToken by itself, over one page for each child.
      const { jobSummaryList } = await aws(
        'list-jobs',
        '--array-job-id',
        String(jobId),
        '--job-status',
        'SUCCEEDED',
        '--page-size',
        '1',
      );
      expect(jobSummaryList).toMatchObject([
        { jobId: `${jobId}:0` },
        { jobId: `${jobId}:1` },
        { jobId: `${jobId}:3` },
      ]);
      expect(
        await aws(
          'list-jobs',
          '--job-queue',
          'batchwell',
          '--filters',
          'name=JOB_NAME,values=GREET',
        ),
      ).toMatchObject({ jobSummaryList: [{ jobId }] });
    });

    it('the AWS CLI creates an environment and a queue, runs a job there and terminates it', async () => {
      const { world, aws } = await createCli();
      await aws(
        'create-compute-environment',
        '--compute-environment-name',
        'small',
        '--type',
        'MANAGED',
        '--compute-resources',
        'type=EC2,minvCpus=0,maxvCpus=2,instanceTypes=optimal,subnets=subnet-1,instanceRole=role',
      );
      await aws(
        'create-job-queue',
        '--job-queue-name',
        'mine',
        '--priority',
        '5',
        '--compute-environment-order',
        'order=1,computeEnvironment=small',
      );
      await aws(
        'register-job-definition',
        '--job-definition-name',
        'hello',
        '--type',
        'container',
        '--container-properties',
        container,
      );
      const { jobId } = await aws(
        'submit-job',
        '--job-name',
        'endless',
        '--job-queue',
        'mine',
        '--job-definition',
        'hello',
        '--timeout',
        'attemptDurationSeconds=90',
      );
      await world.until(String(jobId), ({ status }) => status === 'RUNNING');
      await aws('terminate-job', '--job-id', String(jobId), '--reason', 'by hand');
      await world.ended(String(jobId));
      expect(await aws('describe-jobs', '--jobs', String(jobId))).toMatchObject({
        jobs: [{ status: 'FAILED', statusReason: 'by hand' }],
      });
      expect(await aws('describe-job-queues', '--job-queues', 'mine')).toMatchObject({
        jobQueues: [{ priority: 5, state: 'ENABLED', status: 'VALID' }],
      });
    });

    it('the AWS CLI shows AWS’s error for a refused request', async () => {
      const { aws } = await createCli();
      await expect(
        aws('submit-job', '--job-name', 'a', '--job-queue', 'none', '--job-definition', 'none'),
      ).rejects.toMatchObject({
        stderr: expect.stringMatching(
          /An error occurred \(ClientException\) when calling the SubmitJob operation.*: JobQueue none not found\./,
        ),
      });
    });
  },
);
