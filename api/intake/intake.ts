/**
 * Commits tasks, returns their ids and nudges the workers. This folder: how tasks enter, over HTTP
 * or from the queue.
 */
import type { Access } from '../../core/access/access.ts';
import { dueAfter } from '../../core/stall.ts';
import type { RequestKey } from '../../core/access/idempotency.ts';
import { publicId } from '../../core/ids.ts';
import type { NewTask } from '../../core/task/task.ts';
import { acceptTasks, type NewScatter, type TaskRequest } from '../../db/accept.ts';
import type { SeenTemplates } from '../../db/accept-together.ts';
import { isDatabaseAway } from '../../db/unavailable.ts';
import { taskNudges } from '../../queues/messages.ts';
import type { NudgeSender } from './nudge-sender.ts';
import { coalesceCalls } from '../coalesce-calls.ts';
import type { ApiDependencies } from '../dependencies.ts';

export interface AcceptedScatter {
  id: string;
  taskIds: string[];
  /** Rows that are equal to an earlier one. */
  equalRows: number;
}

/** The Idempotency-Key was used for a different request. */
type OtherRequest = 'other-request';

/** The owner of the tasks, and the domain of their call cache. */
type Sender = Pick<Access, 'owner' | 'cacheDomain'>;

export interface Intake {
  /** Resolves to the task's id once it is committed. Tasks of concurrent calls share a commit. */
  acceptTask(sender: Sender, request: TaskRequest): Promise<string | OtherRequest>;
  /** All tasks or none. */
  acceptScatter(
    sender: Sender,
    scatter: NewScatter & { key?: RequestKey | undefined },
    tasks: readonly NewTask[],
  ): Promise<AcceptedScatter | OtherRequest>;
}

/**
 * One commit costs about as much as 200 rows. Two at once keep the disk busy while the next group
 * collects.
 */
const GROUP = { groupsAtOnce: 2, most: 200 };

export function createIntake(
  dependencies: Pick<ApiDependencies, 'config' | 'database' | 'metrics' | 'nowMs'>,
  nudgeSender: NudgeSender,
): Intake {
  const { config, database, metrics } = dependencies;
  const seenTemplates: SeenTemplates = new Map();

  const accept = async (
    { owner, cacheDomain }: Sender,
    tasks: readonly TaskRequest[],
    scatter?: NewScatter & { key?: RequestKey | undefined },
  ) => {
    const nowMs = dependencies.nowMs();
    const accepted = await acceptTasks(
      database,
      {
        owner,
        cacheDomain,
        tasks,
        nowMs,
        dueMs: dueAfter(nowMs, config.stallMs),
        ...(scatter && { scatter }),
      },
      seenTemplates,
    );
    const fresh = accepted.tasks.flatMap((one) =>
      one !== 'other-request' && one.fresh ? [one.id] : [],
    );
    metrics.tasksAccepted.inc({ kind: scatter ? 'scatter' : 'single' }, fresh.length);
    metrics.stageEntered.inc({ stage: 'cache-check' }, fresh.length);
    nudgeSender.send(taskNudges('cache-check', fresh, config.chunkSize));
    return {
      scatter: accepted.scatter,
      ids: accepted.tasks.map((one) => (one === 'other-request' ? one : publicId('task', one))),
    };
  };

  // A group is one transaction, and belongs to one sender. When it fails nothing was stored, so
  // each call can be retried alone.
  const groups = new Map<string, (request: TaskRequest) => Promise<string>>();
  const groupOf = ({ owner, cacheDomain }: Sender) => {
    const groupKey = JSON.stringify([owner, cacheDomain]);
    const known = groups.get(groupKey);
    if (known) return known;
    const made = coalesceCalls<TaskRequest, string>(
      async (requests) => (await accept({ owner, cacheDomain }, requests)).ids,
      { ...GROUP, retryAlone: (error) => !isDatabaseAway(error) },
    );
    groups.set(groupKey, made);
    return made;
  };

  return {
    acceptTask: (sender, request) => groupOf(sender)(request),
    async acceptScatter(sender, scatter, tasks) {
      const requests = tasks.map((task) => ({ task }));
      const { scatter: made, ids } = await accept(sender, requests, scatter);
      if (made === undefined || made === 'other-request') return 'other-request';
      return { id: publicId('scatter', made), taskIds: ids, equalRows: made.equalRows };
    },
  };
}
