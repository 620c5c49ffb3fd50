import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { cancelTasks } from '../../db/cancel.ts';
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

const running = (count: number) =>
  world.until(`${count} to run`, () => world.batch.ledger.summary().running === count);
const gate = () => Promise.withResolvers<void>();

const cancel = async (ids: readonly number[]): Promise<void> => {
  const { queues } = await cancelTasks(world.database, ids, Date.now());
  await world.queues.nudge(queues.map((queue) => ({ stage: 'poll', message: { queue } })));
};

describe('cancel', () => {
  test('the cancel of all tasks of an array ends it with one call', async () => {
    world.behave(() => ({ durationMs: 60_000 }));
    await world.startWorkers();
    const ids = await world.accept(
      manyTasks(20, (at) => newTask(`t${at}`)),
      's',
    );
    await running(20);
    await cancel(ids);
    await world.until('all of it to stop', () => world.batch.ledger.summary().running === 0);
    await world.until(
      'the submission to end',
      async () =>
        (await world.rows("SELECT 1 FROM submissions WHERE state = 'ended'")).length === 1,
    );
    expect(world.asked('batch.TerminateJob')).toBe(1);
    expect(await world.rows('SELECT DISTINCT outcome FROM attempts')).toEqual([
      { outcome: 'cancelled' },
    ]);
    expect(new Set((await world.tasks(ids)).map(({ place }) => place))).toEqual(
      new Set(['cancelled']),
    );
    expect(world.effects).toEqual([]);
  });

  test('the cancel of one child leaves its siblings running', async () => {
    const { promise: go, resolve: open } = gate();
    world.behave(() => ({ until: go }));
    await world.startWorkers();
    const ids = await world.accept(
      manyTasks(3, (at) => newTask(`t${at}`)),
      's',
    );
    await running(3);
    await cancel(ids.slice(1, 2));
    await running(2);
    open();
    await world.until(
      'the submission to end',
      async () =>
        (await world.rows("SELECT 1 FROM submissions WHERE state = 'ended'")).length === 1,
    );
    expect((await world.ended(ids)).map(({ place }) => place)).toEqual([
      'done',
      'cancelled',
      'done',
    ]);
    expect(world.effects).toHaveLength(2);
  });

  test('the cancel of tasks that are packed but not submitted submits nothing', async () => {
    world.batch.faults.add({
      service: 'batch',
      operation: 'RegisterJobDefinition',
      kind: 'delay',
      delayMs: 600,
    });
    await world.startWorkers();
    const ids = await world.accept(
      manyTasks(3, (at) => newTask(`t${at}`)),
      's',
    );
    await world.until(
      'them to be packed',
      async () => (await world.rows('SELECT 1 FROM submissions')).length === 1,
    );
    await cancel(ids);
    await world.until(
      'the submission to end',
      async () =>
        (await world.rows("SELECT 1 FROM submissions WHERE state = 'ended'")).length === 1,
    );
    expect(world.asked('batch.SubmitJob')).toBe(0);
    expect(await world.rows('SELECT DISTINCT outcome FROM attempts')).toEqual([
      { outcome: 'cancelled' },
    ]);
  });

  test('the cancel of a call whose answer was lost leaves no job that has an effect', async () => {
    hideJobAndLoseAnswer(world);
    const { promise: go, resolve: open } = gate();
    world.behave(() => ({ beforeFence: go }));
    await world.startWorkers();
    const ids = await world.accept([newTask('one')]);
    await world.until('the call', () => world.asked('batch.SubmitJob') === 1);
    await cancel(ids);
    await world.until(
      'the submission to end',
      async () =>
        (await world.rows("SELECT 1 FROM submissions WHERE state = 'ended'")).length === 1,
    );
    open();
    await world.until('the late job to end', () => world.batch.ledger.summary().endsTotal === 1);
    expect(world.asked('batch.SubmitJob')).toBe(1);
    expect(world.effects).toEqual([]);
  });
});
