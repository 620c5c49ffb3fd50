/**
 * Runs a message of a stage. One task for which the stage throws never stops the others of its message: the message is
 * split until that task is alone, and it fails after a number of tries. An error that concerns all tasks is thrown, and
 * the queue tries the message again (docs/adr/0023-one-bad-task.md).
 */
import { append } from '../../core/append.ts';
import type { Stage } from '../../core/places.ts';
import { MOST_IN_A_ROW } from '../../core/isolation/health.ts';
import { concernsAll, describeError } from '../../core/isolation/whose-fault.ts';
import { readReadyIds } from '../../db/packing.ts';
import { readIdsAt } from '../../db/tasks.ts';
import type { Messages, Nudge } from '../../queues/messages.ts';
import { pipeline } from '../pipeline.ts';
import type { Runtime, StageOutcome } from '../runtime.ts';
import { failStuck } from '../stages/submit/fail-stuck.ts';
import { failTasksAt } from './fail-tasks.ts';
import { inHalves } from './in-halves.ts';
import { isTaskAtFault, noteHandled } from './may-fail.ts';

export interface Delivery {
  /** How many times the message was tried, with this time. */
  tries: number;
  /** The queue tries it no more than that. */
  mostTries: number;
}

/** Until a task that was found alone is tried again. */
const ALONE_AGAIN_MS = 500;

export async function runMessage<S extends Stage>(
  runtime: Runtime,
  stage: S,
  message: Messages[S],
  delivery: Delivery,
): Promise<StageOutcome> {
  try {
    return await runAndNote(runtime, stage, message);
  } catch (error) {
    if (concernsAll(error)) throw error;
    if (isOfTasks(stage) && 'tasks' in message && message.tasks.length > 1)
      return splitTasks(runtime, stage, message.tasks, error);
    if (delivery.tries < delivery.mostTries) throw error;
    const next = await failAlone(runtime, stage, message, error);
    if (next === undefined) throw error;
    return { do: 'done', next };
  }
}

async function runAndNote<S extends Stage>(
  runtime: Runtime,
  stage: S,
  message: Messages[S],
): Promise<StageOutcome> {
  const outcome = await pipeline[stage].run(runtime, message);
  if ((outcome.handled ?? 0) > 0) noteHandled(runtime, stage);
  return outcome;
}

type StageOfTasks = 'cache-check' | 'stage-script' | 'finalize';

const isOfTasks = (stage: Stage): stage is StageOfTasks =>
  stage === 'cache-check' || stage === 'stage-script' || stage === 'finalize';

/** The bad tasks get a message each, in which they are tried again and then fail. */
async function splitTasks(
  runtime: Runtime,
  stage: StageOfTasks,
  ids: readonly number[],
  error: unknown,
): Promise<StageOutcome> {
  const standing = await readIdsAt(runtime.database.pool, stage, ids);
  const next: Nudge[] = [];
  const { bad } = await inHalves([...standing], async (tasks) => {
    const outcome = await runAndNote(runtime, stage, { tasks: [...tasks] });
    if (outcome.next) append(next, outcome.next);
    if (outcome.do === 'wait')
      await runtime.queues.nudge([{ stage, message: { tasks: [...tasks] } }], outcome.waitMs);
  });
  runtime.metrics.chunksSplit.inc({ stage });
  runtime.log.warn(
    { stage, tasks: standing.size, bad: bad.length, error: describeError(error) },
    'chunk-split',
  );
  // Where none of them works, more is wrong than single tasks: a few tell which.
  const alone = bad.length === standing.size ? bad.slice(0, MOST_IN_A_ROW) : bad;
  await runtime.queues.nudge(
    alone.map(({ item }): Nudge => ({ stage, message: { tasks: [item] } })),
    ALONE_AGAIN_MS,
  );
  return { do: 'done', next };
}

/** What comes next; undefined when nothing was failed. */
async function failAlone<S extends Stage>(
  runtime: Runtime,
  stage: S,
  message: Messages[S],
  error: unknown,
): Promise<Nudge[] | undefined> {
  // A queue is no task: poll finds the bad ones of a look by itself.
  if ('queue' in message || !(await isTaskAtFault(runtime, stage))) return undefined;
  if ('tasks' in message) return failTasksAt(runtime, stage, { taskIds: message.tasks, error });
  if ('submissions' in message) return failStuck(runtime, message.submissions, error);
  const taskIds = await readReadyIds(runtime.database.pool, message.shape, {
    limit: runtime.config.chunkSize,
    nowMs: runtime.nowMs(),
  });
  return failTasksAt(runtime, 'submit', { taskIds, error });
}
