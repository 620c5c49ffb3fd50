import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openBatch, type SubmitRequest } from '../../aws/batch.ts';
import { definitionContent } from '../../core/container/job-definition.ts';
import type { FaultRule } from '../../packages/local-aws/faults.ts';
import { openBatchEdge, SUBMIT_TIMEOUT_MS, type BatchEdge } from './aws-world.ts';

let edge: BatchEdge;
let request: SubmitRequest;
const definition = definitionContent(
  'debian:12',
  { cpu_cores: 1, ram_gb: 1, disk_gb: 1, preemptible: false },
  { jobRole: '', hostFolder: '/opt/batchwell', sharedFolders: [], memoryGrowths: 0 },
);

beforeEach(async () => {
  edge = await openBatchEdge();
  await edge.batch.register({ jobDefinitionName: 'batchwell-x', ...definition });
  request = {
    jobName: 'batchwell-1',
    queue: 'q',
    jobDefinition: 'batchwell-x:1',
    size: 1,
    share: '',
    priority: 0,
    environment: { BATCHWELL_SUBMISSION: 's3://b/k/' },
    tags: { 'batchwell:submission': 'k' },
  };
});
afterEach(() => edge.close());

const fault = (rule: Partial<FaultRule> & Pick<FaultRule, 'kind'>) =>
  edge.local.faults.add({ service: 'batch', operation: 'SubmitJob', ...rule });
const found = async (): Promise<number> =>
  (await edge.batch.findByName('q', request.jobName)).length;

describe('SubmitJob', () => {
  test('an accepted SubmitJob gives the id of the job', async () => {
    const outcome = await edge.batch.submit(request);
    expect(outcome).toEqual({
      is: 'accepted',
      jobId: expect.stringMatching(/^[0-9a-f-]{36}$/) as string,
    });
    expect(await edge.batch.findByName('q', request.jobName)).toMatchObject([
      { jobId: outcome.is === 'accepted' ? outcome.jobId : '' },
    ]);
  });

  test.each<[string, Partial<FaultRule> & Pick<FaultRule, 'kind'>, object, number]>([
    [
      'a throttled SubmitJob was not accepted',
      { kind: 'throttle' },
      {
        is: 'try-later',
        because: 'throttled',
        message: expect.stringContaining('TooManyRequestsException') as string,
      },
      0,
    ],
    [
      'a name that Batch does not know yet is tried later',
      {
        kind: 'error',
        status: 404,
        code: 'ClientException',
        message: 'JobDefinition x not found.',
      },
      {
        is: 'try-later',
        because: 'definition-unknown',
        message: 'ClientException: JobDefinition x not found.',
      },
      0,
    ],
    [
      'a refused SubmitJob is final and has the error of Batch',
      { kind: 'error', status: 400, code: 'ClientException', message: 'Bad job.' },
      { is: 'refused', message: 'ClientException: Bad job.' },
      0,
    ],
    [
      'a SubmitJob without permission is tried later',
      { kind: 'error', status: 403, code: 'AccessDeniedException', message: 'No.' },
      { is: 'try-later', because: 'denied', message: 'AccessDeniedException: No.' },
      0,
    ],
    [
      'a 500 before the job was accepted is ambiguous',
      { kind: 'error', status: 500 },
      { is: 'ambiguous' },
      0,
    ],
    [
      'a 500 after the job was accepted is ambiguous',
      { kind: 'error-after' },
      { is: 'ambiguous' },
      1,
    ],
    [
      'a connection reset before the job was accepted is ambiguous',
      { kind: 'drop-before' },
      { is: 'ambiguous' },
      0,
    ],
    [
      'a connection reset after the job was accepted is ambiguous',
      { kind: 'drop-after' },
      { is: 'ambiguous' },
      1,
    ],
  ])('%s', async (_, rule, outcome, jobs) => {
    fault({ ...rule, times: 1 });
    expect(await edge.batch.submit(request)).toMatchObject(outcome);
    expect(edge.asked('SubmitJob')).toBe(1); // the SDK never tries again by itself
    expect(await found()).toBe(jobs);
    expect(edge.budget.slowed).toBe(rule.kind === 'throttle' ? 1 : 0);
  });

  test('a SubmitJob that takes too long is ambiguous after its timeout', async () => {
    fault({ kind: 'delay', delayMs: 3000 });
    const startMs = performance.now();
    expect(await edge.batch.submit(request)).toMatchObject({ is: 'ambiguous' });
    expect(performance.now() - startMs).toBeLessThan(SUBMIT_TIMEOUT_MS + 700);
  });

  test('a SubmitJob to an endpoint where no server listens was not sent', async () => {
    const { url } = edge.local;
    await edge.local.close();
    process.env['AWS_ENDPOINT_URL_BATCH'] = url;
    expect(await edge.batch.submit(request)).toMatchObject({
      is: 'try-later',
      because: 'not-sent',
      message: expect.stringContaining('ECONNREFUSED') as string,
    });
  });

  test('SubmitJob does not wait for the budget itself, so that the wait does not count against its timeout', async () => {
    const { turns } = edge.budget;
    await edge.batch.submit(request);
    expect(edge.budget.turns).toBe(turns);
    await edge.batch.takeTurn();
    expect(edge.budget.turns).toBe(turns + 1);
  });

  test('the children of an array job can be listed, counted and terminated', async () => {
    await edge.close();
    edge = await openBatchEdge(() => ({ durationMs: 60_000 }));
    await edge.batch.register({ jobDefinitionName: 'batchwell-x', ...definition });
    const outcome = await edge.batch.submit({ ...request, size: 5 });
    const jobId = outcome.is === 'accepted' ? outcome.jobId : '';
    const until = async (status: 'RUNNING' | 'FAILED', count: number) => {
      for (;;) {
        const [job] = await edge.batch.describe([jobId, 'unknown']);
        if (job?.counts?.[status] === count) return job;
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    };
    await until('RUNNING', 5);
    expect(
      (await edge.batch.list({ arrayJobId: jobId }, 'RUNNING'))
        .map(({ index }) => index)
        .toSorted(),
    ).toEqual([0, 1, 2, 3, 4]);
    await edge.batch.terminate(`${jobId}:3`, 'one of them');
    await until('FAILED', 1);
    expect(await edge.batch.list({ arrayJobId: jobId }, 'FAILED')).toMatchObject([
      { index: 3, statusReason: 'one of them' },
    ]);
    await edge.batch.terminate(jobId, 'all of them');
    expect((await until('FAILED', 5)).status).toBe('FAILED');
    await edge.batch.terminate(jobId, 'ended already');
  });
});

describe('RegisterJobDefinition', () => {
  test('a refused RegisterJobDefinition gives the reason, and the SDK retries one that failed once', async () => {
    fault({
      operation: 'RegisterJobDefinition',
      kind: 'error',
      status: 400,
      code: 'ClientException',
      message: 'Bad role.',
      times: 1,
    });
    expect(await edge.batch.register({ jobDefinitionName: 'batchwell-y', ...definition })).toEqual({
      is: 'refused',
      message: 'ClientException: Bad role.',
    });
    fault({ operation: 'RegisterJobDefinition', kind: 'error', status: 500, times: 1 });
    expect(await edge.batch.register({ jobDefinitionName: 'batchwell-y', ...definition })).toEqual({
      is: 'registered',
      revision: 'batchwell-y:1',
    });
  });
});

test('250 jobs are described in three requests, and every request is counted by operation and code', async () => {
  for (let at = 0; at < 3; at += 1) await edge.batch.submit({ ...request, jobName: `j${at}` });
  const jobIds = (
    await Promise.all(['j0', 'j1', 'j2'].map((name) => edge.batch.findByName('q', name)))
  )
    .flat()
    .map(({ jobId }) => jobId);
  const before = edge.asked('DescribeJobs');
  const seen = await edge.batch.describe([
    ...jobIds,
    ...Array.from(
      { length: 247 },
      (_, at) => `00000000-0000-4000-8000-${String(at).padStart(12, '0')}`,
    ),
  ]);
  expect(seen.map(({ jobId }) => jobId).toSorted()).toEqual(jobIds.toSorted());
  expect(edge.asked('DescribeJobs') - before).toBe(3);
  fault({ kind: 'throttle', times: 1 });
  await edge.batch.submit(request);
  const counted = (await edge.metrics.awsRequests.get()).values
    .filter(({ labels, value }) => labels['operation'] === 'SubmitJob' && value > 0)
    .map(({ labels, value }) => [labels['code'], value]);
  expect(Object.fromEntries(counted)).toEqual({ 200: 3, 429: 1 });
});

test('a closed client leaves no socket that would keep a process alive', async () => {
  const own = openBatch({
    budget: { take: async () => undefined, slowDown: async () => undefined },
    metrics: edge.metrics,
    submitTimeoutMs: 1000,
  });
  await own.describe(['x']);
  own.close();
  await expect(edge.local.close()).resolves.toBeUndefined(); // waits for every connection of its clients
});
