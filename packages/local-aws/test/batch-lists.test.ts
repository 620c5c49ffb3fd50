/** DescribeJobs and ListJobs: limits, pages and filters. */
import { DescribeJobsCommand, ListJobsCommand } from '@aws-sdk/client-batch';
import { describe, expect, it, vi } from 'vitest';
import { createWorld, instant, never, refusal } from './batch-world.ts';

vi.setConfig({ testTimeout: 30_000 });

describe('DescribeJobs', () => {
  it('takes 100 ids, omits unknown ones and refuses 101 with AWS’s message', async () => {
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
  it('requires exactly one of queue, array and multi-node job', async () => {
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

  it('lists RUNNING jobs by default, and the jobs of any status in pages', async () => {
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

  it('filters across all statuses, newest first, 100 to a page, without array children', async () => {
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
