import { BatchClient, DescribeJobsCommand, SubmitJobCommand } from '@aws-sdk/client-batch';
import type { NewTask } from '../../core/task/task.ts';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { jobName, type NamedSubmission } from '../../core/submission/packing.ts';
import { submissionPrefix } from '../../core/files/s3-layout.ts';
import { SECRET_VARIABLE } from '../../core/submission/proof.ts';
import { tidy } from '../../workers/upkeep/janitor.ts';
import { newTask, startFleetWorld, type FleetWorld } from './harness.ts';

/** The janitor runs all the time; in the other tests its loop is off, and they call `tidy`. */
const SETTINGS = { BATCHWELL_JANITOR_MS: '1' };

let world: FleetWorld;
let client: BatchClient;
beforeEach(async () => {
  world = await startFleetWorld();
  client = new BatchClient({
    endpoint: world.batch.url,
    region: 'us-east-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  });
});
afterEach(async () => {
  client.destroy();
  await world.close();
});

const statusOf = async (jobId: string): Promise<string | undefined> =>
  (await client.send(new DescribeJobsCommand({ jobs: [jobId] }))).jobs?.[0]?.status;

/** The submission that runs now, and one more job of its definition, under a name. */
async function submitBeside(
  name: (of: NamedSubmission) => string,
): Promise<{ jobId: string; beside: string }> {
  await world.until(
    'a running submission',
    async () => (await world.rows("SELECT id FROM submissions WHERE state = 'running'")).length > 0,
  );
  const [row] = await world.rows(
    `SELECT submission_key, secret, installation, owner, job_id, job_definitions.revision
     FROM submissions
     JOIN job_definitions ON job_definitions.id = job_definition_id WHERE state = 'running'`,
  );
  const secret = row?.['secret'] as Buffer;
  const place = {
    submissionKey: String(row?.['submission_key']),
    installation: String(row?.['installation']),
    owner: String(row?.['owner']),
  };
  const sent = await client.send(
    new SubmitJobCommand({
      jobName: name(place),
      jobQueue: 'batchwell',
      jobDefinition: String(row?.['revision']),
      containerOverrides: {
        environment: [
          {
            name: 'BATCHWELL_SUBMISSION',
            value: `s3://work-bucket/${submissionPrefix(place)}`,
          },
          { name: SECRET_VARIABLE, value: secret.toString('base64url') },
        ],
      },
    }),
  );
  return { jobId: String(row?.['job_id']), beside: sent.jobId ?? '' };
}

test('a twin that waits beside the job that is polled is ended, and the task goes on', async () => {
  const { promise: mayEnd, resolve: letEnd } = Promise.withResolvers<void>();
  world.behave(() => ({ until: mayEnd, beforeFence: mayEnd }));
  const { runtime } = await world.startWorkers({ settings: { BATCHWELL_JANITOR_MS: '0' } });
  const ids = await world.accept([newTask('one')]);
  const { jobId, beside } = await submitBeside(jobName);
  expect(
    await tidy({
      ...runtime,
      config: { ...runtime.config, janitorMs: 0 },
      nowMs: () => Date.now() + 1000,
    }),
  ).toEqual({ wanted: 1, twin: 1, unwanted: 0, orphan: 0 });
  await world.until('the end of the twin', async () => (await statusOf(beside)) === 'FAILED');
  expect(await statusOf(jobId)).not.toBe('FAILED');
  letEnd();
  expect((await world.ended(ids)).map(({ place }) => place)).toEqual(['done']);
  expect(world.effects.map((effect) => effect.jobId)).toEqual([jobId]);
});

test('a twin that owns the submission is polled from now on, and not ended', async () => {
  const { promise: mayEnd, resolve: letEnd } = Promise.withResolvers<void>();
  world.behave(({ container }) => ({
    until: mayEnd,
    ...(container.jobId === firstJob && { beforeFence: mayEnd }),
  }));
  let firstJob = '';
  world.batch.faults.add({
    service: 'batch',
    operation: 'StartAttempt',
    kind: 'slow-start',
    delayMs: 3000,
    times: 1,
  });
  const { runtime } = await world.startWorkers({ settings: { BATCHWELL_JANITOR_MS: '0' } });
  const ids = await world.accept([newTask('one')]);
  const { jobId, beside } = await submitBeside(jobName);
  firstJob = jobId;
  await world.until(
    'the twin’s fence',
    async () =>
      (await world.objects.list(`s3://work-bucket/submissions/`).next()).value?.some(
        ({ url }: { url: string }) => url.endsWith('/owner'),
      ) === true,
  );
  await tidy({
    ...runtime,
    config: { ...runtime.config, janitorMs: 0 },
    nowMs: () => Date.now() + 1000,
  });
  expect((await world.rows('SELECT job_id FROM submissions'))[0]?.['job_id']).toBe(beside);
  letEnd();
  expect((await world.ended(ids)).map(({ place }) => place)).toEqual(['done']);
  expect(world.effects.map((effect) => effect.jobId)).toEqual([beside]);
});

test('a job of this installation that no row knows is ended', async () => {
  const { promise: mayEnd, resolve: letEnd } = Promise.withResolvers<void>();
  world.behave(() => ({ until: mayEnd, beforeFence: mayEnd }));
  const { runtime } = await world.startWorkers({ settings: SETTINGS });
  const ids = await world.accept([newTask('one')]);
  const { beside } = await submitBeside(({ installation }) =>
    jobName({ installation, submissionKey: 'ff'.repeat(16) }),
  );
  await world.until('the janitor’s word', () =>
    world.lines.some(({ msg, jobId }) => msg === 'job-of-no-submission' && jobId === beside),
  );
  await world.until('the end of the job', async () => (await statusOf(beside)) === 'FAILED');
  const { beside: others } = await submitBeside(() =>
    jobName({ installation: 'f0'.repeat(8), submissionKey: 'ff'.repeat(16) }),
  );
  await tidy({ ...runtime, nowMs: () => Date.now() + 1000 });
  expect(await statusOf(others)).not.toBe('FAILED');
  expect(
    (await runtime.metrics.janitorJobs.get()).values.find(
      ({ labels }) => labels.verdict === 'orphan',
    )?.value,
  ).toBeGreaterThan(0);
  letEnd();
  await world.ended(ids);
});

test('a job whose submission ended without it is ended by the janitor', async () => {
  const { promise: never } = Promise.withResolvers<void>();
  world.behave(({ container }) => (container.jobId === beside ? { beforeFence: never } : {}));
  let beside = '';
  const { runtime } = await world.startWorkers({ settings: { BATCHWELL_JANITOR_MS: '0' } });
  const ids = await world.accept([newTask('one')]);
  ({ beside } = await submitBeside(jobName));
  await world.ended(ids);
  await world.until(
    'the end of the submission',
    async () =>
      (await world.rows("SELECT id FROM submissions WHERE state <> 'ended'")).length === 0,
  );
  expect(
    await tidy({
      ...runtime,
      config: { ...runtime.config, janitorMs: 0 },
      nowMs: () => Date.now() + 1000,
    }),
  ).toMatchObject({ unwanted: 1, twin: 0 });
  await world.until('its end', async () => (await statusOf(beside)) === 'FAILED');
});

const inQueue = (name: string, queue: string): NewTask =>
  newTask(name, {
    spec: { resources: { cpu_cores: 1, ram_gb: 1, disk_gb: 1, preemptible: false, queue } },
  });

test('a queue that does not exist is reported, and the janitor looks at all others', async () => {
  const { promise: mayEnd, resolve: letEnd } = Promise.withResolvers<void>();
  world.behave(() => ({ until: mayEnd, beforeFence: mayEnd }));
  const { runtime } = await world.startWorkers({ settings: { BATCHWELL_JANITOR_MS: '0' } });
  const nowhere = await world.accept([
    inQueue('one', 'a-no-such-queue'),
    inQueue('two', 'z-no-such-queue'),
  ]);
  expect(await world.ended(nowhere)).toMatchObject(
    ['a-no-such-queue', 'z-no-such-queue'].map((queue) => ({
      place: 'failed',
      failureCode: 'queue-unknown',
      failure: expect.stringContaining(
        `AWS Batch has no job queue ${queue}. Name another queue in backend_parameters`,
      ),
    })),
  );
  const ids = await world.accept([newTask('three')]);
  const { beside } = await submitBeside(jobName);
  expect(
    await tidy({
      ...runtime,
      config: { ...runtime.config, janitorMs: 0 },
      nowMs: () => Date.now() + 1000,
    }),
  ).toEqual({ wanted: 1, twin: 1, unwanted: 0, orphan: 0 });
  await world.until('the end of the twin', async () => (await statusOf(beside)) === 'FAILED');
  expect(world.lines.flatMap(({ msg, queue }) => (msg === 'queue-unknown' ? [queue] : []))).toEqual(
    ['a-no-such-queue', 'z-no-such-queue'],
  );
  const { values } = await runtime.metrics.janitorQueues.get();
  expect(values.map(({ labels, value }) => [labels.outcome, value])).toEqual([
    ['tidied', 1],
    ['unknown', 2],
    ['failed', 0],
  ]);
  letEnd();
  expect((await world.ended(ids)).map(({ place }) => place)).toEqual(['done']);
});
