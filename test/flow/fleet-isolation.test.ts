/** One task for which a stage throws: it fails with a sentence, and the others of its chunk do not notice. */
import { isLong } from '../long.ts';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { manyTasks, newTask, startFleetWorld, type FleetWorld } from './harness.ts';
import type { TaskState } from './fleet-rows.ts';

let world: FleetWorld;

/** Every write of this kind to the row throws, as an error of a value would. */
const refuse = (table: 'tasks' | 'attempts', when: string, state = '22001') =>
  world.database.pool.query(
    `CREATE TRIGGER refuse_${table} BEFORE UPDATE ON ${table} FOR EACH ROW
      IF ${when} THEN SIGNAL SQLSTATE '${state}' SET MESSAGE_TEXT = 'played trouble'; END IF`,
  );

describe('one bad task for each stage, in one chunk', () => {
  const MATES = 12;
  /** A structure of its own: no mate shares its template. */
  const ownTemplate = newTask('own-template', {
    spec: { executors: [{ image: 'debian:12', command: ['work', 'bad', 'by itself'] }] },
  });
  const ownShape = newTask('own-shape', {
    spec: { resources: { cpu_cores: 2, ram_gb: 1, disk_gb: 1, preemptible: false } },
  });
  const NAMES = ['broken-row', 'no-template', 'no-values', 'unwritten-end', 'no-end'] as const;
  let ended: Map<string, TaskState>;
  let mates: TaskState[];

  beforeAll(async () => {
    world = await startFleetWorld();
    const tasks = [
      ...manyTasks(MATES / 2, (at) => newTask(`mate-${at}`)),
      ...NAMES.map((name) => newTask(name)),
      ownTemplate,
      ownShape,
      ...manyTasks(MATES / 2, (at) => newTask(`late-mate-${at}`)),
    ];
    const ids = await world.accept(tasks);
    const idOf = (name: string) => ids[tasks.findIndex((task) => task.name === name)]!;
    const change = (name: string, set: string) =>
      world.rows(`UPDATE tasks SET ${set} WHERE id = ?`, [idOf(name)]);
    await change('broken-row', `slot_values = '["a'`);
    await change('no-template', 'template_id = 999999');
    await change('no-values', `slot_values = '[]'`);
    await world.rows(
      `UPDATE templates SET body = JSON_SET(body, '$.executors', 7)
        WHERE id = (SELECT template_id FROM tasks WHERE id = ?)`,
      [idOf('own-template')],
    );
    await refuse(
      'attempts',
      `NEW.task_id = ${idOf('unwritten-end')} AND NEW.outcome = 'succeeded'`,
    );
    await refuse('tasks', `NEW.id = ${idOf('no-end')} AND NEW.place = 'done'`);
    await world.startWorkers({ stages: ['cache-check', 'stage-script'] });
    await world.until('the shape of its own', async () =>
      (await world.tasks([idOf('own-shape')])).every(({ place }) => place === 'submit'),
    );
    await world.rows(
      `DELETE FROM job_definitions WHERE id = (SELECT job_definition_id FROM shapes
        WHERE shape = (SELECT shape FROM tasks WHERE id = ?))`,
      [idOf('own-shape')],
    );
    await world.startWorkers({ stages: ['submit', 'poll', 'finalize'] });
    const all = await world.ended(ids);
    ended = new Map(all.map((task, at) => [tasks[at]!.name, task]));
    mates = all.filter((_, at) => /mate/.test(tasks[at]!.name));
  }, 90_000);
  afterAll(() => world.close());

  test('every mate of the chunk is done, and its container had its effect once', () => {
    expect(mates.map(({ place }) => place)).toEqual(mates.map(() => 'done'));
    const ids = new Set(mates.map(({ id }) => id));
    const effects = world.effects.filter(({ taskId }) => ids.has(taskId));
    expect(effects).toHaveLength(MATES);
  });

  test.each([
    ['broken-row', 'cache-check', 'SyntaxError'],
    ['no-template', 'stage-script', 'template 999999'],
    ['own-template', 'stage-script', 'TypeError'],
    ['no-values', 'submit', 'has no value'],
    ['own-shape', 'submit', 'is not in the database'],
    ['unwritten-end', 'poll', 'played trouble'],
    ['no-end', 'finalize', 'played trouble'],
  ])('the task %s fails at %s with a sentence that says what was thrown', (name, stage, thrown) => {
    const bad = ended.get(name)!;
    expect(bad).toMatchObject({ place: 'failed', failureCode: 'internal' });
    expect(bad.failure).toContain(`Batchwell could not handle this task at ${stage}: `);
    expect(bad.failure).toContain(thrown);
    expect(bad.failure).toContain('This is a defect in Batchwell.');
    const told = world.lines.filter(
      ({ msg, taskIds }) => msg === 'task-isolated' && (taskIds as number[]).includes(bad.id),
    );
    expect(told).toMatchObject([{ level: 50, stage }]);
  });

  test('the array of a task that no manifest can hold is packed again without it', async () => {
    const [mate] = mates;
    expect(
      await world.rows('SELECT outcome FROM attempts WHERE task_id = ? ORDER BY number', [
        mate!.id,
      ]),
    ).toEqual([{ outcome: 'lost' }, { outcome: 'succeeded' }]);
  });
});

describe('alone or all together', () => {
  beforeEach(async () => {
    world = await startFleetWorld();
  });
  afterEach(() => world.close());

  test('a task that came alone fails as well, after some tries', async () => {
    const [id] = await world.accept([newTask('alone')]);
    await world.rows(`UPDATE tasks SET slot_values = 'x' WHERE id = ?`, [id]);
    await world.startWorkers();
    expect(await world.ended([id!])).toMatchObject([{ place: 'failed', failureCode: 'internal' }]);
    const tries = world.lines.filter(({ msg }) => msg === 'message-failed');
    expect(tries.length).toBe(4);
  });

  test.runIf(isLong)(
    'a statement that no server of this version takes fails no task, however often',
    async () => {
      world.sweeperMayHelp();
      const tasks = manyTasks(6, (at) => newTask(`t${at}`));
      const ids = await world.accept(tasks);
      await refuse('tasks', `NEW.id = ${ids[2]} AND NEW.place = 'stage-script'`, '42S22');
      await world.startWorkers({ settings: { BATCHWELL_STALL_MS: '500' } });
      await world.until(
        'more tries than a message has',
        () => world.lines.filter(({ msg }) => msg === 'message-failed').length > 6,
      );
      expect((await world.tasks(ids)).map(({ place }) => place)).not.toContain('failed');
      expect(world.lines.some(({ msg }) => msg === 'chunk-split')).toBe(false);
      await world.rows('DROP TRIGGER refuse_tasks');
      expect((await world.ended(ids)).map(({ place }) => place)).toEqual(ids.map(() => 'done'));
    },
  );

  test('an S3 that denies every request fails no task', async () => {
    const ids = await world.accept(manyTasks(6, (at) => newTask(`t${at}`)));
    for (const operation of ['PutObject', 'HeadObject', 'ListObjectsV2'])
      world.s3.faults.add({
        service: 's3',
        operation,
        kind: 'error',
        status: 403,
        code: 'AccessDenied',
        times: 3,
      });
    await world.startWorkers();
    expect((await world.ended(ids)).map(({ place }) => place)).toEqual(ids.map(() => 'done'));
    expect(world.lines.some(({ msg }) => msg === 'task-isolated')).toBe(false);
  });

  test.runIf(isLong)(
    'a stage that throws for every task fails 20 of them and holds the rest',
    async () => {
      world.sweeperMayHelp();
      const ids = await world.accept(manyTasks(30, (at) => newTask(`t${at}`)));
      await refuse('tasks', `NEW.place = 'stage-script'`);
      await world.startWorkers({ settings: { BATCHWELL_STALL_MS: '1000' } });
      await world.until('a task that is held', () =>
        world.lines.some(({ msg }) => msg === 'task-held'),
      );
      const places = (await world.tasks(ids)).map(({ place }) => place);
      expect(places.filter((place) => place === 'failed').length).toBe(20);
      await world.rows('DROP TRIGGER refuse_tasks');
      const ended = (await world.ended(ids)).map(({ place }) => place);
      expect(ended.filter((place) => place === 'done').length).toBe(10);
    },
  );
});
