import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { cancelTasks } from '../../db/cancel.ts';
import { readDetails } from '../../db/task-views.ts';
import { readAttempts } from '../../db/attempt-views.ts';
import type { FaultRule } from '../../packages/local-aws/faults.ts';
import { everySecond } from '../long.ts';
import { newTask, startFleetWorld, type FleetWorld } from './harness.ts';

let world: FleetWorld;
beforeEach(async () => {
  world = await startFleetWorld();
});
afterEach(() => world.close());

const USER = 'User: arn:aws:sts::111122223333:assumed-role/batchwell-worker/i-0';
const batchFault = (operation: string, change: Partial<FaultRule> = {}): FaultRule => ({
  id: 'denial',
  service: 'batch',
  operation,
  kind: 'error',
  status: 403,
  code: 'AccessDeniedException',
  message: `${USER} is not authorized to perform: batch:${operation}`,
  ...change,
});
const s3Fault = (match: string): FaultRule => ({
  id: 'denial',
  service: 's3',
  operation: 'PutObject',
  kind: 'error',
  status: 403,
  code: 'AccessDenied',
  message: 'Access Denied',
  match,
});

/** What the caller of a task is shown while it waits. */
async function shown(id: number): Promise<string> {
  const { pool } = world.database;
  const [detail] = await readDetails(pool, [id]);
  const [attempt] = await readAttempts(pool, [id]);
  return detail?.blocked ?? attempt?.waitingReason ?? '';
}

describe('a request that AWS denies', () => {
  const denials: [string, FaultRule, words: string, metric: string][] = [
    [
      'SubmitJob',
      batchFault('SubmitJob'),
      'is not authorized to perform: batch:SubmitJob',
      'SubmitJob',
    ],
    [
      'SubmitJob with expired credentials',
      batchFault('SubmitJob', { code: 'ExpiredTokenException', message: 'The token is expired' }),
      'ExpiredTokenException: The token is expired',
      'SubmitJob',
    ],
    [
      'RegisterJobDefinition',
      batchFault('RegisterJobDefinition'),
      'batch:RegisterJobDefinition',
      'RegisterJobDefinition',
    ],
    [
      'RegisterJobDefinition that may not pass the role',
      batchFault('RegisterJobDefinition', {
        status: 400,
        code: 'ClientException',
        message: `Error executing request, Exception : ${USER} is not authorized to perform: iam:PassRole on resource: arn:aws:iam::111122223333:role/tasks`,
      }),
      'iam:PassRole on resource: arn:aws:iam::111122223333:role/tasks',
      'RegisterJobDefinition',
    ],
    ['DescribeJobs', batchFault('DescribeJobs'), 'batch:DescribeJobs', 'DescribeJobs'],
    ['PutObject of a script', s3Fault('/scripts/'), 'AccessDenied: Access Denied', 'PutObject'],
    ['PutObject of a manifest', s3Fault('/manifest'), 'AccessDenied: Access Denied', 'PutObject'],
  ];
  test.each(everySecond(denials))(
    '%s makes a task wait with the reason, and it goes on when it is granted',
    async (_, fault, words, operation) => {
      const { faults } = fault.service === 's3' ? world.s3 : world.batch;
      faults.add(fault);
      const { runtime } = await world.startWorkers();
      const [id = 0] = await world.accept([newTask('one')]);
      await world.until('the reason', async () => (await shown(id)).includes(words));
      expect(await shown(id)).toMatch(/^Batchwell cannot submit or watch the task: .*tries again/);
      const counts = (await runtime.metrics.awsDenied.get()).values;
      expect(
        counts.find(
          ({ labels }) => labels.operation === operation && labels.service === fault.service,
        )?.value,
      ).toBeGreaterThan(0);
      faults.remove('denial');
      const [ended] = await world.ended([id]);
      expect(ended?.place).toBe('done');
      expect(await shown(id)).toBe('');
      expect(world.batch.ledger.starts()).toHaveLength(1);
    },
  );

  test('a lookup of a job in doubt that is denied makes its task wait, and submits it once', async () => {
    world.batch.faults.add({
      service: 'batch',
      operation: 'SubmitJob',
      kind: 'drop-after',
      times: 1,
    });
    world.batch.faults.add(batchFault('ListJobs'));
    await world.startWorkers();
    const [id = 0] = await world.accept([newTask('one')]);
    await world.until('the reason', async () => (await shown(id)).includes('batch:ListJobs'));
    world.batch.faults.remove('denial');
    expect((await world.ended([id]))[0]?.place).toBe('done');
    expect(world.asked('batch.SubmitJob')).toBe(1);
  });

  test.each(['SubmitJob', 'RegisterJobDefinition'])(
    'a task that is cancelled while %s is denied leaves no submission open',
    async (operation) => {
      world.batch.faults.add(batchFault(operation));
      await world.startWorkers();
      const ids = await world.accept([newTask('one')]);
      await world.until('the reason', async () =>
        (await shown(ids[0] ?? 0)).includes(`batch:${operation}`),
      );
      await cancelTasks(world.database, ids, Date.now());
      await world.until(
        'the end of the submission',
        async () =>
          (await world.rows("SELECT id FROM submissions WHERE state <> 'ended'")).length === 0,
      );
      expect((await world.tasks(ids)).map(({ place }) => place)).toEqual(['cancelled']);
    },
  );

  test('a queue that an operator disabled makes a task wait until it is enabled', async () => {
    world.batch.faults.add(
      batchFault('SubmitJob', {
        status: 400,
        code: 'ClientException',
        message: 'JobQueue batchwell is not ENABLED.',
      }),
    );
    await world.startWorkers();
    const [id = 0] = await world.accept([newTask('one')]);
    await world.until('the reason', async () => (await shown(id)).includes('not ENABLED'));
    expect(await world.rows('SELECT waiting_for FROM submissions WHERE waiting_ms > 0')).toEqual([
      { waiting_for: 'queue-disabled' },
    ]);
    await world.until('an event that says so', async () => {
      const told = await world.rows('SELECT id FROM task_changes WHERE tasks = ?', [`[${id}]`]);
      return told.length > 1;
    });
    world.batch.faults.remove('denial');
    expect((await world.ended([id]))[0]?.place).toBe('done');
    expect(await world.rows('SELECT waiting_for, waiting_ms FROM submissions')).toEqual([
      { waiting_for: null, waiting_ms: null },
    ]);
  });

  test.each([
    ['a submission', batchFault('SubmitJob')],
    ['a registration', batchFault('RegisterJobDefinition')],
    ['a script', s3Fault('/scripts/')],
  ])(
    '%s that is denied for longer than the limit fails its task with AWS’s words',
    async (_, fault) => {
      (fault.service === 's3' ? world.s3 : world.batch).faults.add(fault);
      await world.startWorkers({ settings: { BATCHWELL_DENIED_WAIT_MS: '500' } });
      const [ended] = await world.ended(await world.accept([newTask('one')]));
      expect(ended).toMatchObject({ place: 'failed', failureCode: 'permission-missing' });
      expect(ended?.failure).toContain(fault.message ?? '');
    },
  );
});
