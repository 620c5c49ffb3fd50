/** One scatter after another, each of a new shape, from the POST to the end of the last task. */
import { inWorld } from './in-world.ts';
import { measureLimits } from './limits.ts';
import type { BenchOptions } from './options.ts';
import { requestRows, spreadRow, stageRows, usageRows, type Row, type Rows } from './report.ts';
import {
  postScatter,
  putInputs,
  readDelays,
  readTimes,
  untilEnded,
  untilSubmitted as allSubmitted,
  type ScatterPlan,
} from './scatters.ts';
import type { World } from './world.ts';

export async function scatter(options: BenchOptions): Promise<Rows> {
  const rows: Rows = {};
  for (const tasks of options.tasks) {
    await inWorld(options, options, async (world) => {
      for (let round = 1; round <= options.rounds; round += 1) {
        rows[`${tasks} wide, round ${round}`] = await runScatter(
          world,
          { label: `w${tasks}r${round}`, tasks, cache: options.cache },
          options,
        );
      }
      const last = rows[`${tasks} wide, round ${options.rounds}`];
      if (last && options.limits) Object.assign(last, await limitRow(world, tasks, last));
    });
  }
  return rows;
}

async function limitRow(world: World, tasks: number, measured: Row): Promise<Row> {
  const limits = await measureLimits(world, tasks);
  const reached = measured['accepted→submitted tasks/s'] ?? 0;
  return {
    'limit: queue chain tasks/s': limits.queueChain,
    'limit: bulk insert rows/s': limits.bulkInsert,
    'limit: guarded update rows/s': limits.guardedUpdate,
    'limit: insert + 5 moves tasks/s': limits.insertAndFiveMoves,
    'share of insert + 5 moves': reached / limits.insertAndFiveMoves,
    'share of queue chain': reached / limits.queueChain,
  };
}

/** Measures one scatter until it ends. */
export async function runScatter(
  world: World,
  plan: ScatterPlan,
  { untilSubmitted }: Pick<BenchOptions, 'untilSubmitted'> = { untilSubmitted: false },
): Promise<Row> {
  await putInputs(world, plan.like ?? plan.label, plan.like === undefined ? plan.tasks : 0);
  await world.reset();
  const before = await world.snapshot();
  const { names, postMs } = await postScatter(world, plan);
  await (untilSubmitted ? allSubmitted(world, names) : untilEnded(world, names));
  const after = await world.snapshot();
  const times = await readTimes(world, names);
  const delays = await readDelays(world, names);
  const { tasks } = plan;
  if (!untilSubmitted && times.places['done'] !== tasks)
    console.error(`Not all tasks are done: ${JSON.stringify(times)}`);
  return {
    'accepted→submitted tasks/s': (tasks / times.toSubmittedMs) * 1000,
    'accepted→submitted ms': times.toSubmittedMs,
    'accepted→done ms': times.toDoneMs,
    'POST ms': postMs.reduce((sum, one) => sum + one, 0),
    submissions: times.submissions,
    ...requestRows(await world.counts(), tasks),
    ...spreadRow('seen', delays.seen),
    ...spreadRow('ended', delays.ended),
    ...stageRows(await world.meters()),
    ...usageRows(before, after, tasks),
  };
}
