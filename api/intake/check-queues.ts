/** Job queues that tasks name are there: said at once, and not after a try to submit to them. */
import { problemAt } from '../../core/problems.ts';
import type { NewTask } from '../../core/task/task.ts';
import type { JobQueues } from '../../aws/job-queues.ts';
import type { ListedProblem } from '../http/errors.ts';

type Named = Pick<NewTask, 'spec'>;

const FIELD = 'resources.backend_parameters.';
const EXPECTED = 'the name or ARN of a job queue that AWS Batch has';

/**
 * One problem for each unknown queue, at the first task that names it. Tasks that name none have the
 * fleet's.
 * @param placeOf where a task is in its request
 */
export async function unknownQueues(
  jobQueues: Pick<JobQueues, 'unknownOf'>,
  tasks: readonly Named[],
  placeOf: (position: number) => Pick<ListedProblem, 'row' | 'line'> = () => ({}),
): Promise<ListedProblem[]> {
  const first = new Map<string, number>();
  for (const [position, { spec }] of tasks.entries()) {
    const { queue } = spec.resources;
    if (queue !== undefined && !first.has(queue)) first.set(queue, position);
  }
  if (first.size === 0) return [];
  const unknown = await jobQueues.unknownOf(new Set(first.keys()));
  return unknown.map((queue) => {
    const position = first.get(queue) ?? 0;
    const given = tasks[position]?.spec.resources.backend_parameters ?? {};
    const name = given['queue'] === undefined && given['queueArn'] ? 'queueArn' : 'queue';
    return { ...placeOf(position), ...problemAt(FIELD + name, EXPECTED, queue) };
  });
}
