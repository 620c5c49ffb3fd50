/** Tasks taken into a test's database, as the API does it. */
import type { NewTask } from '../core/task.ts';
import { acceptTasks, type NewScatter } from '../db/accept.ts';
import type { Database } from '../db/client.ts';

interface Accepting {
  owner: string;
  /** The owner, when absent. */
  cacheDomain?: string;
  scatter?: NewScatter;
  tasks: readonly NewTask[];
  nowMs: number;
  dueMs: number;
}

export async function acceptAll(database: Database, { tasks, ...request }: Accepting): Promise<{ taskIds: number[]; scatterId?: number }> {
  const accepted = await acceptTasks(database, { cacheDomain: request.owner, ...request, tasks: tasks.map((task) => ({ task })) });
  const taskIds = accepted.tasks.map((one) => (one === 'other-request' ? 0 : one.id));
  return { taskIds, ...(typeof accepted.scatter === 'object' && { scatterId: accepted.scatter.id }) };
}
