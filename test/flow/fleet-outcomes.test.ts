import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { submissionPrefix, type SubmissionPlace } from '../../core/files/s3-layout.ts';
import type { Behaviour } from './containers.ts';
import type { TaskState } from './fleet-rows.ts';
import { manyTasks, newTask, startFleetWorld, type FleetWorld } from './harness.ts';

let world: FleetWorld;
beforeEach(async () => {
  world = await startFleetWorld({
    BATCHWELL_HOST_LOSS_TRIES: '2',
    BATCHWELL_MEMORY_GROWTH_TRIES: '2',
  });
  await world.startWorkers();
});
afterEach(() => world.close());

async function runOne(behaviour: Behaviour, task = newTask('one')): Promise<TaskState> {
  world.behave(() => behaviour);
  const [ended] = await world.ended(await world.accept([task]));
  if (!ended) throw new Error('The task is not in the database.');
  return ended;
}

describe('a host loss', () => {
  test('a host loss that outlasts Batch’s own retries submits the same script again', async () => {
    world.batch.faults.add({
      service: 'batch',
      operation: 'StartAttempt',
      kind: 'spot-loss',
      match: '[1]',
      times: 3,
    });
    world.behave(() => ({ durationMs: 30 }));
    const ids = await world.accept(
      manyTasks(3, (at) => newTask(`t${at}`)),
      's',
    );
    const ended = await world.ended(ids);
    expect(ended.map(({ place }) => place)).toEqual(['done', 'done', 'done']);
    expect(ended.map(({ hostLosses, attempt }) => [hostLosses, attempt])).toEqual([
      [0, 1],
      [1, 2],
      [0, 1],
    ]);
    expect(
      await world.rows('SELECT outcome FROM attempts WHERE task_id = ? ORDER BY number', [ids[1]]),
    ).toEqual([{ outcome: 'lost' }, { outcome: 'succeeded' }]);
    expect(new Set(world.effects.map(({ taskId }) => taskId)).size).toBe(world.effects.length);
    expect(
      await world.rows('SELECT COUNT(*) AS scripts FROM templates WHERE script_sha256 IS NOT NULL'),
    ).toEqual([{ scripts: 1 }]);
  });

  test('a host that is lost too many times fails the task with a sentence that says so', async () => {
    world.batch.faults.add({ service: 'batch', operation: 'StartAttempt', kind: 'spot-loss' });
    const ended = await runOne({ durationMs: 5000 });
    expect(ended).toMatchObject({
      place: 'failed',
      failureCode: 'host-lost',
      hostLosses: 2,
      attempt: 3,
    });
    expect(ended.failure).toMatch(
      /^The host was lost too many times: Host EC2 \(instance i-\w+\) terminated.*\. Use on-demand capacity\.$/,
    );
  });
});

describe('a transient error', () => {
  const message = 'Input 1 of 1 s3://data/in could not be read: SlowDown: HTTP 503';

  test('a transient error of S3 while inputs are read runs the task again, and is not a failure', async () => {
    let tries = 0;
    world.behave(() => {
      tries += 1;
      return tries === 1
        ? { error: { kind: 'input', subject: 's3://data/in', message, transient: true } }
        : {};
    });
    const ids = await world.accept([newTask('one')]);
    expect(await world.ended(ids)).toMatchObject([{ place: 'done', attempt: 2 }]);
    expect(await world.rows('SELECT outcome, reason FROM attempts ORDER BY number')).toEqual([
      { outcome: 'lost', reason: message },
      { outcome: 'succeeded', reason: null },
    ]);
  });

  test('an error of S3 that stays fails the task with what S3 said', async () => {
    const ended = await runOne({
      error: { kind: 'input', subject: 's3://data/in', message, transient: true },
    });
    expect(ended).toMatchObject({ place: 'failed', failureCode: 'input-unreadable', attempt: 4 });
    expect(ended.failure).toContain('SlowDown');
  });
});

describe('running out of memory', () => {
  test('a task that ran out of memory runs again with twice as much', async () => {
    world.batch.faults.add({
      service: 'batch',
      operation: 'StartAttempt',
      kind: 'out-of-memory',
      times: 1,
    });
    const asked: number[] = [];
    world.behave(({ container }) => {
      asked.push(container.memoryMiB);
      return { durationMs: 40 };
    });
    const [ended] = await world.ended(await world.accept([newTask('hungry')]));
    expect(ended).toMatchObject({ place: 'done', memoryGrowths: 1, attempt: 2 });
    expect(asked).toEqual([1024, 2048]);
  });

  test('a task that runs out of memory too many times fails with a sentence that says what to do', async () => {
    const asked: number[] = [];
    world.batch.faults.add({ service: 'batch', operation: 'StartAttempt', kind: 'out-of-memory' });
    world.behave(({ container }) => {
      asked.push(container.memoryMiB);
      return { durationMs: 5000 };
    });
    const [ended] = await world.ended(await world.accept([newTask('hungry')]));
    expect(asked).toEqual([1024, 2048, 4096]);
    expect(ended).toMatchObject({ place: 'failed', failureCode: 'out-of-memory' });
    expect(ended?.failure).toMatch(
      /^The task ran out of memory: .*OutOfMemoryError.*Request more ram_gb\.$/,
    );
  });

  test('a command that killed itself is told apart from one that ran out of memory', async () => {
    expect(await runOne({ exitCode: 137 })).toMatchObject({
      place: 'failed',
      failureCode: 'executor-failed',
      failure: "The command exited with code 137 (SIGKILL). Read the task's stdout and stderr.",
    });
  });
});

describe('an attempt’s own record', () => {
  test('an attempt’s own record counts for more than what Batch says', async () => {
    expect(
      await runOne({
        endsWith: { exitCode: 1, reason: 'DockerTimeoutError: Could not transition to stopped' },
      }),
    ).toMatchObject({ place: 'done' });
  });

  test('an image whose ENTRYPOINT runs in place of the task fails it with a sentence that names the ENTRYPOINT, and runs as root', async () => {
    const users: unknown[] = [];
    world.behave(({ container }) => {
      users.push(container.extras?.user);
      // `echo "tool 1.2" /opt/batchwell/lib/ld.so …` succeeds.
      return { noRecord: { exitCode: 0 } };
    });
    const image = 'localhost/entry-tool:1';
    const command = ['sh', '-c', 'echo hello'];
    const ids = await world.accept([newTask('20', { spec: { executors: [{ image, command }] } })]);
    const [ended] = await world.ended(ids);
    expect(ended).toMatchObject({ place: 'failed', failureCode: 'result-missing', attempt: 1 });
    expect(ended?.failure).toMatch(
      /^The container left no result record: .*exit code 0\. If the image has an ENTRYPOINT, that program ran in place of the task, because AWS Batch cannot override it: use an image without one/,
    );
    expect(users).toEqual(['0']);
  });

  test('an attempt without a record fails its task with what Batch knows', async () => {
    const ended = await runOne({ noRecord: { exitCode: 3, reason: 'A stroke of lightning' } });
    expect(ended).toMatchObject({ place: 'failed', failureCode: 'result-missing' });
    expect(ended.failure).toBe(
      'The container left no result record: Essential container in task exited; A stroke of lightning; exit code 3. If the image has an ENTRYPOINT, that program ran in place of the task, because AWS Batch cannot override it: use an image without one, or one whose ENTRYPOINT runs its arguments (exec "$@"). Else read the container\'s log in AWS Batch.',
    );
  });

  test('a record that is too long for its key is read from the object', async () => {
    const outputs = manyTasks(40, (at) => newTask(`long-${at}`)).flatMap(
      ({ spec }) => spec.outputs,
    );
    expect(await runOne({}, newTask('long', { spec: { outputs } }))).toMatchObject({
      place: 'done',
    });
  });

  test('a record without a proof changes nothing, and is reported', async () => {
    const { promise: planted, resolve: plant } = Promise.withResolvers<void>();
    world.behave(({ spec }) =>
      spec.executors[0]?.image === 'bad:1'
        ? { until: planted, noRecord: { exitCode: 0 } }
        : { until: planted },
    );
    const ids = await world.accept(
      ['bad', 'good'].map((name) =>
        newTask(name, { spec: { executors: [{ image: `${name}:1`, command: ['x'] }] } }),
      ),
    );
    await world.until('both to run', () => world.batch.ledger.summary().running === 2);
    const [row] = await world.rows(
      'SELECT installation, submissions.owner, submission_key AS submissionKey FROM submissions JOIN attempts ON attempts.submission_id = submissions.id WHERE task_id = ?',
      [ids[0]],
    );
    await world.objects.put(
      `s3://work-bucket/${submissionPrefix(row as SubmissionPlace)}results/00000.1.long`,
      '{"not":"a record"}',
    );
    plant();
    expect(await world.ended(ids)).toMatchObject([
      { place: 'failed', failureCode: 'result-missing' },
      { place: 'done' },
    ]);
    expect(world.lines.some(({ msg }) => msg === 'unproven-object')).toBe(true);
  });

  test('a record that cannot be fetched delays no other task', async () => {
    world.s3.faults.add({
      service: 's3',
      operation: 'ListObjectsV2',
      kind: 'error',
      status: 403,
      code: 'AccessDenied',
      match: 'work-bucket/',
      times: 1,
    });
    expect(
      (
        await world.ended(
          await world.accept([
            newTask('a', { spec: { executors: [{ image: 'a', command: ['x'] }] } }),
            newTask('b'),
          ]),
        )
      ).map(({ place }) => place),
    ).toEqual(['done', 'done']);
    expect(world.lines.some(({ msg }) => msg === 'submission-not-read')).toBe(true);
  });

  test('an exit code that means fenced fails the task if its own job owns the submission', async () => {
    expect(await runOne({ noRecord: { exitCode: 122 } })).toMatchObject({
      place: 'failed',
      failureCode: 'result-missing',
    });
  });
});

describe('a task that ran', () => {
  test('a task whose command fails is failed with the exit code', async () => {
    expect(await runOne({ exitCode: 2 })).toMatchObject({
      place: 'failed',
      failureCode: 'executor-failed',
      failure: "The command exited with code 2. Read the task's stdout and stderr.",
    });
  });

  test('a task whose input could not be read fails with the input’s URL', async () => {
    const ended = await runOne({
      error: {
        kind: 'input',
        subject: 's3://data/gone',
        message: 'The input s3://data/gone could not be read: there is no such object.',
      },
    });
    expect(ended).toMatchObject({ place: 'failed', failureCode: 'input-unreadable' });
    expect(ended.failure).toBe(
      'The input s3://data/gone could not be read: there is no such object. Check that the object exists and that the job role can read it.',
    );
  });

  test('a task that left out a declared output is done with a warning, or fails if its parameter says so', async () => {
    const ended = await runOne({ missing: [0] });
    expect(ended).toMatchObject({
      place: 'done',
      warnings: '["The declared output /out was not written."]',
    });

    const strict = newTask('strict', {
      spec: {
        resources: {
          cpu_cores: 1,
          ram_gb: 1,
          disk_gb: 1,
          preemptible: false,
          backend_parameters: { missing_outputs: 'fail' },
        },
      },
    });
    expect(await runOne({ missing: [0] }, strict)).toMatchObject({
      place: 'failed',
      failureCode: 'output-missing',
      failure:
        'The command succeeded but did not write these declared outputs: /out. Check that the command writes every declared output.',
    });
  });

  test('a task that left out thousands of outputs fails with a sentence that fits in the database', async () => {
    const outputs = Array.from({ length: 2000 }, (_, at) => ({
      url: `s3://data/many/${at}`,
      path: `/a/rather/long/path/for/an/output/that/is/not/there/${at}`,
      type: 'FILE' as const,
    }));
    const strict = newTask('strict', {
      spec: {
        outputs,
        resources: {
          cpu_cores: 1,
          ram_gb: 1,
          disk_gb: 1,
          preemptible: false,
          backend_parameters: { missing_outputs: 'fail' },
        },
      },
    });
    const ended = await runOne({ missing: outputs.map((_, at) => at) }, strict);
    expect(ended).toMatchObject({ place: 'failed', failureCode: 'output-missing' });
    expect(ended.failure).toMatch(/^The command succeeded but did not write .*: \/a\/rather\/long/);
  });
});
