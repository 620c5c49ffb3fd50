/** What AWS Batch refuses, and in which words; pages and filters; throttling, faults and lags. */
import {
  BatchClient,
  CreateComputeEnvironmentCommand,
  CreateJobQueueCommand,
  DeleteJobQueueCommand,
  DeregisterJobDefinitionCommand,
  DescribeComputeEnvironmentsCommand,
  DescribeJobDefinitionsCommand,
  DescribeJobQueuesCommand,
  DescribeJobsCommand,
  ListJobsCommand,
  ListSchedulingPoliciesCommand,
  ListTagsForResourceCommand,
  SubmitJobCommand,
  TagResourceCommand,
  UntagResourceCommand,
  UpdateComputeEnvironmentCommand,
  UpdateJobQueueCommand,
  type DescribeJobDefinitionsCommandInput,
} from '@aws-sdk/client-batch';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { BatchContext } from '../batch/context.ts';
import { createDefinitions } from '../batch/definitions.ts';
import { Engine } from '../batch/engine.ts';
import { createJobStore } from '../batch/job-store.ts';
import { createQueues } from '../batch/queues.ts';
import { createFaults } from '../faults.ts';
import { createLedger } from '../ledger.ts';
import { problemsOf } from '../batch/service-model.ts';
import { operate } from '../batch/requests.ts';
import { createSimulatedRunner } from '../batch/runners/simulated.ts';
import { AWS_THROTTLE, createThrottle } from '../batch/throttle.ts';
import { createWorld } from './batch-world.ts';

vi.setConfig({ testTimeout: 30_000 });

const instant = () => createSimulatedRunner(() => ({ durationMs: 0 }));
const never = () => createSimulatedRunner(() => ({ durationMs: 1_000_000 }));
function contextWithOneQueue(): BatchContext {
  const faults = createFaults();
  const journal = { write: () => undefined, flush: () => undefined, close: () => undefined };
  const store = createJobStore({ finishedMs: 1, finishedJobs: 1 });
  const queues = createQueues(() => undefined);
  queues.put({ name: 'batchwell', state: 'ENABLED', priority: 1, environments: [], tags: {} });
  const setting = {
    store,
    journal,
    faults,
    runner: instant(),
    ledger: createLedger(),
    logFolder: '',
    jobEnvironment: {},
    startMs: 0,
    scheduleMs: 0,
    graceMs: 0,
    nowMs: Date.now,
  };
  const engine = new Engine(setting, () => queues);
  return {
    region: 'us-east-1',
    accountId: '0',
    minTimeoutSeconds: 60,
    lag: { definitionMs: 0, listMs: 0 },
    store,
    queues,
    engine,
    journal,
    faults,
    definitions: createDefinitions(),
    nowMs: Date.now,
  };
}

const refusal = (message: string | RegExp, status = 400, name = 'ClientException') => ({
  name,
  message: typeof message === 'string' ? message : expect.stringMatching(message),
  $metadata: { httpStatusCode: status },
});

describe('SubmitJob', () => {
  it('refuses what is outside the limits, each in its own words', async () => {
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

  it('is throttled by a 429 that the SDK knows as throttling', async () => {
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
    // The SDK's own retries see it through, which they would not for an error that they do not
    // know.
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
  it('lets 50 SubmitJob a second through and never holds up another operation', () => {
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

describe('job definitions', () => {
  it('get a new revision each time, are found by name, ARN and status, and are gone when deregistered', async () => {
    const world = await createWorld({ runner: instant() });
    for (const revision of [1, 2, 3]) expect(await world.define()).toBe(`plain:${revision}`);
    await world.client.send(new DeregisterJobDefinitionCommand({ jobDefinition: 'plain:2' }));
    const find = async (input: DescribeJobDefinitionsCommandInput) =>
      (await world.client.send(new DescribeJobDefinitionsCommand(input))).jobDefinitions?.map(
        ({ revision, status }) => `${revision} ${status}`,
      );
    expect(await find({ jobDefinitionName: 'plain' })).toEqual([
      '3 ACTIVE',
      '2 INACTIVE',
      '1 ACTIVE',
    ]);
    expect(await find({ jobDefinitionName: 'plain', status: 'ACTIVE' })).toEqual([
      '3 ACTIVE',
      '1 ACTIVE',
    ]);
    expect(
      await find({
        jobDefinitions: [
          'plain:1',
          'arn:aws:batch:us-east-1:000000000000:job-definition/plain:3',
          'none:1',
        ],
      }),
    ).toEqual(['1 ACTIVE', '3 ACTIVE']);
    const first = await world.client.send(new DescribeJobDefinitionsCommand({ maxResults: 2 }));
    expect(first.jobDefinitions).toHaveLength(2);
    expect(await find({ maxResults: 2, nextToken: first.nextToken })).toEqual(['1 ACTIVE']);
    await expect(world.submit({ jobDefinition: 'plain:2' })).rejects.toMatchObject(
      refusal(/not ACTIVE/),
    );
    const { jobDefinition } = await world.describe(await world.submit({ jobDefinition: 'plain' }));
    expect(jobDefinition).toMatch(/plain:3$/);
  });

  it('are refused when too large, ill named, or without what a container needs', async () => {
    const world = await createWorld({ runner: instant() });
    await expect(world.define(['a'.repeat(25 * 1024)])).rejects.toMatchObject(
      refusal(/at most 24576 bytes/),
    );
    await expect(world.define([], { jobDefinitionName: 'a b' })).rejects.toMatchObject(
      refusal(/Job Definition name should match valid pattern/),
    );
    await expect(world.define([], { containerProperties: { image: '' } })).rejects.toMatchObject(
      refusal(/image should not be null or empty/),
    );
    await expect(
      world.define([], {
        containerProperties: { resourceRequirements: [{ type: 'VCPU', value: '1' }] },
      }),
    ).rejects.toMatchObject(refusal(/type MEMORY/));
  });
});

describe('DescribeJobs', () => {
  it('takes 100 ids, leaves out those it does not know, and refuses 101 in AWS’s words', async () => {
    const world = await createWorld({ runner: instant() });
    const jobId = await world.submit();
    const ask = (count: number) =>
      world.client.send(
        new DescribeJobsCommand({
          jobs: [jobId, ...Array.from({ length: count - 1 }, (_, index) => `unknown-${index}`)],
        }),
      );
    expect((await ask(100)).jobs?.map((job) => job.jobId)).toEqual([jobId]);
    await expect(ask(101)).rejects.toMatchObject(
      refusal('Maximum number of jobs supported is  100'),
    );
  });
});

describe('ListJobs', () => {
  it('wants exactly one of queue, array and multi-node job', async () => {
    const { client } = await createWorld({ runner: instant() });
    for (const input of [{}, { jobQueue: 'batchwell', arrayJobId: 'a' }]) {
      await expect(client.send(new ListJobsCommand(input))).rejects.toMatchObject(
        refusal(/Exactly one of/),
      );
    }
    await expect(
      client.send(new ListJobsCommand({ jobQueue: 'batchwell', nextToken: 'nonsense' })),
    ).rejects.toMatchObject(refusal('Invalid nextToken'));
  });

  it('shows RUNNING jobs by default, and those of a status a page at a time', async () => {
    const world = await createWorld({ runner: never(), queues: [{ name: 'batchwell', slots: 2 }] });
    const ids: string[] = [];
    for (let count = 0; count < 5; count += 1) ids.push(await world.submit());
    await world.until(ids[1]!, ({ status }) => status === 'RUNNING');
    expect((await world.listAll({ jobQueue: 'batchwell' })).map(({ jobId }) => jobId)).toEqual([
      ids[1],
      ids[0],
    ]);
    const page = await world.client.send(
      new ListJobsCommand({ jobQueue: 'batchwell', jobStatus: 'RUNNABLE', maxResults: 2 }),
    );
    expect(page.jobSummaryList?.map(({ jobId }) => jobId)).toEqual([ids[4], ids[3]]);
    expect(
      await world.listAll({ jobQueue: 'batchwell', jobStatus: 'RUNNABLE', maxResults: 2 }),
    ).toHaveLength(3);
  });

  it('filters over all statuses, newest first, at most 100 a page and without children', async () => {
    const world = await createWorld({
      runner: instant(),
      queues: [{ name: 'batchwell', slots: 50 }],
    });
    const ids: string[] = [];
    for (let count = 0; count < 120; count += 1)
      ids.push(
        await world.submit({
          jobName: count % 2 === 0 ? 'Even' : `odd-${count}`,
          shareIdentifier: count < 3 ? 'few' : 'many',
        }),
      );
    const array = await world.submit({ jobName: 'array', arrayProperties: { size: 2 } });
    const names = async (name: string, value: string) =>
      (await world.listAll({ jobQueue: 'batchwell', filters: [{ name, values: [value] }] })).map(
        ({ jobId }) => jobId,
      );
    expect(await names('JOB_NAME', 'even')).toEqual(
      ids.filter((_, index) => index % 2 === 0).toReversed(),
    );
    expect(await names('JOB_NAME', 'ODD-11*')).toEqual([
      ids[119],
      ids[117],
      ids[115],
      ids[113],
      ids[111],
      ids[11],
    ]);
    expect(await names('JOB_NAME', 'nothing')).toEqual([]);
    expect(await names('JOB_DEFINITION', 'plain')).toEqual([array, ...ids.toReversed()]);
    expect(
      await names('JOB_DEFINITION', 'arn:aws:batch:us-east-1:000000000000:job-definition/plain:2'),
    ).toEqual([]);
    expect(await names('SHARE_IDENTIFIER', 'few')).toEqual([ids[2], ids[1], ids[0]]);
    const { createdAt } = await world.describe(ids[60]!);
    const before = await names('BEFORE_CREATED_AT', String(createdAt));
    const after = await names('AFTER_CREATED_AT', String(createdAt! - 1));
    expect(before.length + after.length).toBe(121);
    const page = await world.client.send(
      new ListJobsCommand({
        jobQueue: 'batchwell',
        maxResults: 1000,
        filters: [{ name: 'JOB_NAME', values: ['*'] }],
      }),
    );
    expect(page.jobSummaryList).toHaveLength(100);
    await expect(names('COLOUR', 'red')).rejects.toMatchObject(refusal(/COLOUR is not supported/));
  });
});

describe('queues, environments and tags', () => {
  it('are made over the wire: an environment’s maxvCpus are its slots, shared by priority', async () => {
    const order: string[] = [];
    const runner = createSimulatedRunner(({ jobName }) => ({
      durationMs: 0,
      effect: async () => void order.push(jobName),
    }));
    const { client, submit, ended, until } = await createWorld({ runner });
    await client.send(
      new CreateComputeEnvironmentCommand({
        computeEnvironmentName: 'one',
        type: 'MANAGED',
        state: 'DISABLED',
        computeResources: { type: 'EC2', maxvCpus: 1, subnets: ['s'] },
      }),
    );
    const computeEnvironmentOrder = [{ order: 1, computeEnvironment: 'one' }];
    for (const [jobQueueName, priority] of [
      ['low', 1],
      ['high', 9],
    ] as const) {
      await client.send(
        new CreateJobQueueCommand({ jobQueueName, priority, computeEnvironmentOrder }),
      );
    }
    await expect(
      client.send(
        new CreateJobQueueCommand({ jobQueueName: 'low', priority: 1, computeEnvironmentOrder }),
      ),
    ).rejects.toMatchObject(refusal('Object already exists', 409));
    const ids = [
      await submit({ jobName: 'a', jobQueue: 'low' }),
      await submit({ jobName: 'b', jobQueue: 'low' }),
      await submit({ jobName: 'c', jobQueue: 'high' }),
    ];
    await until(ids[2]!, ({ status }) => status === 'RUNNABLE');
    await client.send(
      new UpdateComputeEnvironmentCommand({ computeEnvironment: 'one', state: 'ENABLED' }),
    );
    await ended(ids[1]!);
    expect(order).toEqual(['c', 'a', 'b']);
    const { computeEnvironments } = await client.send(
      new DescribeComputeEnvironmentsCommand({ computeEnvironments: ['one'] }),
    );
    expect(computeEnvironments).toMatchObject([
      { computeEnvironmentName: 'one', state: 'ENABLED', computeResources: { maxvCpus: 1 } },
    ]);
    await client.send(new UpdateJobQueueCommand({ jobQueue: 'low', state: 'DISABLED' }));
    await expect(submit({ jobQueue: 'low' })).rejects.toMatchObject(refusal(/not ENABLED/));
    await expect(
      client.send(new DeleteJobQueueCommand({ jobQueue: 'high' })),
    ).rejects.toMatchObject(refusal(/not DISABLED/));
    await client.send(new DeleteJobQueueCommand({ jobQueue: 'low' }));
    const { jobQueues } = await client.send(new DescribeJobQueuesCommand({}));
    expect(jobQueues?.map(({ jobQueueName }) => jobQueueName)).toEqual(['batchwell', 'high']);
  });

  it('keeps tags on whatever has an ARN', async () => {
    const { client, submit, describe } = await createWorld({ runner: instant() });
    const { jobArn: resourceArn } = await describe(await submit({ tags: { a: '1' } }));
    await client.send(new TagResourceCommand({ resourceArn, tags: { b: '2', c: '3' } }));
    await client.send(new UntagResourceCommand({ resourceArn, tagKeys: ['a', 'c'] }));
    expect((await client.send(new ListTagsForResourceCommand({ resourceArn }))).tags).toEqual({
      b: '2',
    });
  });

  it('says so where an operation is not served here', async () => {
    const { client } = await createWorld({ runner: instant() });
    await expect(client.send(new ListSchedulingPoliciesCommand({}))).rejects.toMatchObject(
      refusal(/ListSchedulingPolicies is not served/, 501, 'NotImplemented'),
    );
  });
});

describe('faults', () => {
  it('accepted-then-dropped leaves a job, dropped-before leaves none', async () => {
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

  it('visibility lag hides a new job from ListJobs and a new definition from SubmitJob, for a while', async () => {
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

  it('out of memory, image pull and spot loss end an attempt in AWS’s words', async () => {
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

  it('lets a running job lose its host on demand', async () => {
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

describe('the service model', () => {
  it('is what every request and reply is held to', async () => {
    expect(
      problemsOf('SubmitJobRequest', {
        jobName: 'a',
        jobQueue: 1,
        arrayProperties: { size: 'x', sise: 2 },
      }),
    ).toEqual([
      'SubmitJobRequest.jobDefinition: is required',
      'SubmitJobRequest.jobQueue: expected string',
      'SubmitJobRequest.arrayProperties.size: expected integer',
      'SubmitJobRequest.arrayProperties.sise: no such member',
    ]);
    expect(
      problemsOf('ListJobsResponse', {
        jobSummaryList: [{ jobId: 'a', jobName: 'b', status: 'DONE' }],
      }),
    ).toEqual([expect.stringContaining('enum value set')]);
    const operation = {
      name: 'ListJobs',
      method: 'POST',
      requestUri: '/v1/listjobs',
      input: 'ListJobsRequest',
      output: 'CancelJobRequest',
    };
    // With another operation's output in its place the reply no longer fits, and that is loud.
    const warnings: string[] = [];
    const hear = (warning: Error) => void warnings.push(warning.message);
    process.on('warning', hear);
    onTestFinished(() => void process.off('warning', hear));
    expect(operate(contextWithOneQueue(), operation, { jobQueue: 'batchwell' })).toMatchObject({
      status: 500,
      message: expect.stringContaining("breaks AWS's service model"),
    });
    await expect.poll(() => warnings).toEqual([expect.stringContaining('broke AWS')]);
  });
});
