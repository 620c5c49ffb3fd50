import { expect, test } from 'vitest';
import type { SeenJob } from '../../aws/batch.ts';
import { createMetrics } from '../../telemetry/metrics.ts';
import { readJobs } from '../../workers/stages/poll/read-jobs.ts';

const jobId = (at: number): string => `job-${at}`;
const seen = (id: string): SeenJob => ({ jobId: id, status: 'FAILED', createdMs: 0 });
const runningJobs = (count: number) =>
  Array.from({ length: count }, (_, at) => ({ jobId: jobId(at) }));

const queueIsGone = (): Promise<never> =>
  Promise.reject(
    Object.assign(new Error('JobQueue work not found.'), {
      name: 'ClientException',
      $metadata: { httpStatusCode: 400 },
    }),
  );
const describe = (ids: readonly string[]) => Promise.resolve(ids.map(seen));

test('Jobs of a queue that is gone, too many for one request, are described one by one.', async () => {
  const found = await readJobs(
    { batch: { list: queueIsGone, describe }, metrics: createMetrics() },
    'work',
    runningJobs(101),
  );
  expect([...found.keys()]).toEqual(runningJobs(101).map((job) => job.jobId));
});

test('Any other error of the listing is no answer.', async () => {
  const list = () => Promise.reject(new Error('The connection was reset.'));
  await expect(
    readJobs({ batch: { list, describe }, metrics: createMetrics() }, 'work', runningJobs(101)),
  ).rejects.toThrow('The connection was reset.');
});
