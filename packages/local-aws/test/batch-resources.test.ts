/** Job definitions, queues, compute environments and tags. */
import {
  CreateComputeEnvironmentCommand,
  CreateJobQueueCommand,
  DeleteJobQueueCommand,
  DeregisterJobDefinitionCommand,
  DescribeComputeEnvironmentsCommand,
  DescribeJobDefinitionsCommand,
  DescribeJobQueuesCommand,
  ListSchedulingPoliciesCommand,
  ListTagsForResourceCommand,
  TagResourceCommand,
  UntagResourceCommand,
  UpdateComputeEnvironmentCommand,
  UpdateJobQueueCommand,
  type DescribeJobDefinitionsCommandInput,
} from '@aws-sdk/client-batch';
import { describe, expect, it, vi } from 'vitest';
import { createSimulatedRunner } from '../batch/runners/simulated.ts';
import { createWorld, instant, refusal } from './batch-world.ts';

vi.setConfig({ testTimeout: 30_000 });

describe('job definitions', () => {
  it('get a new revision each time, are found by name, ARN and status, and can be deregistered', async () => {
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

  it('are refused when they are too large, badly named or incomplete', async () => {
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

describe('the local Batch', () => {
  it('creates queues and environments whose maxvCpus are slots, shared by priority', async () => {
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

  it('keeps tags on every resource that has an ARN', async () => {
    const { client, submit, describe } = await createWorld({ runner: instant() });
    const { jobArn: resourceArn } = await describe(await submit({ tags: { a: '1' } }));
    await client.send(new TagResourceCommand({ resourceArn, tags: { b: '2', c: '3' } }));
    await client.send(new UntagResourceCommand({ resourceArn, tagKeys: ['a', 'c'] }));
    expect((await client.send(new ListTagsForResourceCommand({ resourceArn }))).tags).toEqual({
      b: '2',
    });
  });

  it('answers 501 to an operation that is not implemented', async () => {
    const { client } = await createWorld({ runner: instant() });
    await expect(client.send(new ListSchedulingPoliciesCommand({}))).rejects.toMatchObject(
      refusal(/ListSchedulingPolicies is not implemented/, 501, 'NotImplemented'),
    );
  });
});
