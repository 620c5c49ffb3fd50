import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { isLong } from '../long.ts';
import {
  hideJobAndLoseAnswer,
  manyTasks,
  newTask,
  startFleetWorld,
  type FleetWorld,
} from './harness.ts';

let world: FleetWorld;
beforeEach(async () => {
  world = await startFleetWorld();
});
afterEach(() => world.close());

const places = async (ids: readonly number[]): Promise<string[]> => [
  ...new Set((await world.ended(ids)).map(({ place }) => place)),
];
/** How many times each task wrote its outputs. */
const effectsPerTask = (): number[] =>
  [...Map.groupBy(world.effects, ({ taskId }) => taskId).values()].map(({ length }) => length);

describe('SubmitJob whose answer was lost', () => {
  for (const kind of ['drop-after', 'error-after'] as const) {
    test(`a SubmitJob whose answer is lost after Batch took the job (${kind}) gives exactly one job`, async () => {
      world.batch.faults.add({ service: 'batch', operation: 'SubmitJob', kind, times: 1 });
      await world.startWorkers();
      expect(
        await places(
          await world.accept(
            manyTasks(5, (at) => newTask(`t${at}`)),
            's',
          ),
        ),
      ).toEqual(['done']);
      expect(world.asked('batch.SubmitJob')).toBe(1);
      expect(effectsPerTask()).toEqual([1, 1, 1, 1, 1]);
    });
  }

  test('a SubmitJob that never reached Batch is called again', async () => {
    const fault = world.batch.faults.add({
      service: 'batch',
      operation: 'SubmitJob',
      kind: 'drop-before',
      times: 1,
    });
    await world.startWorkers();
    expect(await places(await world.accept([newTask('one')]))).toEqual(['done']);
    expect(world.batch.faults.list().find(({ id }) => id === fault.id)?.bitten).toBe(1);
    expect(world.asked('batch.SubmitJob')).toBe(2);
    expect(effectsPerTask()).toEqual([1]);
  });

  test('a SubmitJob that exceeds its timeout is given up in time, and its late job has no effect', async () => {
    world.batch.faults.add({
      service: 'batch',
      operation: 'SubmitJob',
      kind: 'delay',
      delayMs: 1200,
      times: 1,
    });
    await world.startWorkers();
    const ids = await world.accept([newTask('one')]);
    await world.until('the doubt', () =>
      world.lines.some(
        ({ msg, outcome }) => msg === 'submit-not-accepted' && outcome === 'ambiguous',
      ),
    );
    // Still under way at the local Batch, which will take it all the same.
    expect(world.asked('batch.SubmitJob')).toBe(0);
    expect(await places(ids)).toEqual(['done']);
    await world.until('the late twin', () => world.batch.ledger.summary().endsTotal === 2);
    expect(world.asked('batch.SubmitJob')).toBe(2);
    expect(effectsPerTask()).toEqual([1]);
  });

  test('a job that listings hide for longer than the settle time has one effect: its twin is fenced', async () => {
    hideJobAndLoseAnswer(world);
    // The first job is slow to come to its fence: by then the second one owns the submission.
    const { promise: laterOwns, resolve: own } = Promise.withResolvers<void>();
    let started = 0;
    world.behave(() => {
      started += 1;
      return started <= 3 ? { beforeFence: laterOwns } : {};
    });
    await world.startWorkers();
    const ids = await world.accept(
      manyTasks(3, (at) => newTask(`t${at}`)),
      's',
    );
    expect(await places(ids)).toEqual(['done']);
    own();
    await world.until('the end of both jobs', () => world.batch.ledger.summary().running === 0);
    expect(world.asked('batch.SubmitJob')).toBe(2);
    expect(world.batch.ledger.starts()).toHaveLength(6);
    expect(world.batch.ledger.starts().filter(({ exitCode }) => exitCode === 122)).toHaveLength(3);
    expect(effectsPerTask()).toEqual([1, 1, 1]);
  });

  test('a late twin that already owns the submission is adopted', async () => {
    hideJobAndLoseAnswer(world);
    world.behave(() => ({ durationMs: 1500 }));
    await world.startWorkers();
    expect(await places(await world.accept([newTask('one')]))).toEqual(['done']);
    expect(world.asked('batch.SubmitJob')).toBe(2);
    const [submission] = await world.rows('SELECT job_id FROM submissions');
    expect(submission?.['job_id']).toBe(world.effects[0]?.jobId);
    expect(effectsPerTask()).toEqual([1]);
  });

  test('the one of two found jobs that already owns the submission goes on', async () => {
    world.batch.faults.add({
      service: 'batch',
      operation: 'SubmitJob',
      kind: 'visibility-lag',
      delayMs: 1000,
      times: 1,
    });
    world.batch.faults.add({
      service: 'batch',
      operation: 'SubmitJob',
      kind: 'drop-after',
      times: 2,
    });
    // The older job has not come to its fence when the younger owns the submission.
    const { promise: never } = Promise.withResolvers<void>();
    let started = 0;
    world.behave(() => {
      started += 1;
      return started === 1 ? { beforeFence: never } : { durationMs: 2500 };
    });
    await world.startWorkers();
    expect(await places(await world.accept([newTask('one')]))).toEqual(['done']);
    expect(world.asked('batch.SubmitJob')).toBe(2);
    expect(effectsPerTask()).toEqual([1]);
    await world.until('the end of both jobs', () => world.batch.ledger.summary().running === 0);
  });
});

describe('SubmitJob that Batch refuses', () => {
  test('a SubmitJob that Batch refuses fails its tasks with Batch’s words', async () => {
    await world.startWorkers();
    const [first, second] = await world.ended(
      await world.accept(
        manyTasks(2, (at) =>
          newTask(`t${at}`, {
            spec: {
              resources: {
                cpu_cores: 1,
                ram_gb: 1,
                disk_gb: 1,
                preemptible: false,
                queue: 'no-such-queue',
              },
            },
          }),
        ),
        's',
      ),
    );
    expect([first?.place, second?.place, first?.failureCode]).toEqual([
      'failed',
      'failed',
      'queue-unknown',
    ]);
    expect(first?.failure).toBe(
      'AWS Batch has no job queue no-such-queue. Name another queue in backend_parameters (queue or queueArn), then submit the task again.',
    );
    expect(await world.rows('SELECT DISTINCT outcome FROM attempts')).toEqual([
      { outcome: 'failed' },
    ]);
    expect(await world.rows('SELECT DISTINCT state FROM submissions')).toEqual([
      { state: 'ended' },
    ]);
  });

  // An ambiguous answer is looked for until a late job must have shown up.
  test.runIf(isLong)(
    'a queue that is gone when an ambiguous SubmitJob is looked for fails its tasks, and loses none',
    async () => {
      const gone = {
        kind: 'error',
        status: 400,
        code: 'ClientException',
        message: 'JobQueue work-queue does not exist.',
      } as const;
      world.batch.faults.add({
        service: 'batch',
        operation: 'SubmitJob',
        kind: 'drop-before',
        times: 1,
      });
      world.batch.faults.add({ service: 'batch', operation: 'SubmitJob', ...gone });
      world.batch.faults.add({ service: 'batch', operation: 'ListJobs', ...gone });
      await world.startWorkers();
      expect(await world.ended(await world.accept([newTask('one'), newTask('two')]))).toMatchObject(
        Array.from({ length: 2 }, () => ({
          place: 'failed',
          failureCode: 'misconfigured',
          failure: expect.stringContaining('AWS Batch has no job queue'),
        })),
      );
      expect(world.asked('batch.ListJobs')).toBeGreaterThan(0);
    },
  );

  test('a SubmitJob that is throttled is tried again', async () => {
    world.batch.faults.add({
      service: 'batch',
      operation: 'SubmitJob',
      kind: 'throttle',
      times: 1,
    });
    await world.startWorkers();
    expect(await places(await world.accept([newTask('one')]))).toEqual(['done']);
    expect(world.asked('batch.SubmitJob')).toBe(2);
  });
});

describe('a job definition', () => {
  test.runIf(isLong)(
    'a job definition that two workers need at the same moment is registered once',
    async () => {
      world.batch.faults.add({
        service: 'batch',
        operation: 'RegisterJobDefinition',
        kind: 'delay',
        delayMs: 100,
      });
      await Promise.all([world.startWorkers(), world.startWorkers()]);
      // Packed one by one, so that many submissions need the definition.
      const one = await Promise.all(
        Array.from({ length: 6 }, (_, at) =>
          world.accept([
            newTask(`t${at}`, {
              spec: {
                resources: {
                  cpu_cores: 1,
                  ram_gb: 1,
                  disk_gb: 1,
                  preemptible: false,
                  queue: at % 2 === 0 ? 'batchwell' : 'other',
                },
              },
            }),
          ]),
        ),
      );
      await world.ended(one.flat());
      expect(world.asked('batch.RegisterJobDefinition')).toBe(1);
    },
  );

  test('a job definition that Batch refuses fails its tasks with Batch’s words', async () => {
    world.batch.faults.add({
      service: 'batch',
      operation: 'RegisterJobDefinition',
      kind: 'error',
      status: 400,
      code: 'ClientException',
      message: 'Invalid jobRoleArn',
    });
    await world.startWorkers();
    const [ended] = await world.ended(await world.accept([newTask('one')]));
    expect(ended).toMatchObject({ place: 'failed', failureCode: 'batch-refused' });
    expect(ended?.failure).toContain('ClientException: Invalid jobRoleArn');
  });

  test('a job definition whose registration fails for a moment is registered soon after', async () => {
    world.batch.faults.add({
      service: 'batch',
      operation: 'RegisterJobDefinition',
      kind: 'error',
      status: 500,
      times: 5,
    });
    await world.startWorkers();
    expect(await places(await world.accept([newTask('one')]))).toEqual(['done']);
  });
});
