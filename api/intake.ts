/** Takes tasks in: commits them, gives their ids, and tells the workers. */
import { dueAfter } from '../core/due.ts';
import type { NewTask } from '../core/task.ts';
import { publicId } from '../core/ids.ts';
import { acceptTasks, type NewScatter } from '../db/accept.ts';
import { isDatabaseAway } from '../db/unavailable.ts';
import { taskNudges } from '../queues/messages.ts';
import type { Announcer } from './announce.ts';
import { groupCalls } from './group-calls.ts';
import type { ApiParts } from './parts.ts';

export interface AcceptedScatter {
  id: string;
  taskIds: string[];
}

export interface Intake {
  /** The task's id, once it is committed. Tasks of concurrent calls share a commit. */
  acceptTask(owner: string, task: NewTask): Promise<string>;
  /** All of them or none. */
  acceptScatter(owner: string, scatter: NewScatter, tasks: readonly NewTask[]): Promise<AcceptedScatter>;
}

/** One commit costs about as much as 200 rows, and two at once keep the disk busy while the next gather. */
const GROUP = { groupsAtOnce: 2, most: 200 };

export function createIntake(parts: Pick<ApiParts, 'config' | 'database' | 'metrics' | 'nowMs'>, announcer: Announcer): Intake {
  const { config, database, metrics } = parts;

  const accept = async (owner: string, tasks: readonly NewTask[], scatter?: NewScatter) => {
    const nowMs = parts.nowMs();
    const accepted = await acceptTasks(database, { owner, tasks, nowMs, dueMs: dueAfter(nowMs, config.stallMs), ...(scatter && { scatter }) });
    metrics.tasksAccepted.inc({ kind: scatter ? 'scatter' : 'single' }, accepted.taskIds.length);
    metrics.stageEntered.inc({ stage: 'cache-check' }, accepted.taskIds.length);
    announcer.announce(taskNudges('cache-check', accepted.taskIds, config.chunkSize));
    const taskIds = accepted.taskIds.map((id) => publicId('task', { id, createdMs: nowMs }));
    return { taskIds, scatterId: accepted.scatterId === undefined ? '' : publicId('scatter', { id: accepted.scatterId, createdMs: nowMs }) };
  };

  // A group is one transaction, hence one owner's: when it fails, nothing of it was stored and each can be tried alone.
  const groups = new Map<string, (task: NewTask) => Promise<string>>();
  const groupOf = (owner: string) => {
    const known = groups.get(owner);
    if (known) return known;
    const made = groupCalls<NewTask, string>(async (tasks) => (await accept(owner, tasks)).taskIds, { ...GROUP, tryAlone: (error) => !isDatabaseAway(error) });
    groups.set(owner, made);
    return made;
  };

  return {
    acceptTask: (owner, task) => groupOf(owner)(task),
    async acceptScatter(owner, scatter, tasks) {
      const { taskIds, scatterId } = await accept(owner, tasks, scatter);
      return { id: scatterId, taskIds };
    },
  };
}
