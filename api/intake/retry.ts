/** Accepts ended tasks once more, as new tasks: the end of a task is final. */
import { refuseForbidden, type Access } from '../../core/access/access.ts';
import type { RequestKey } from '../../core/access/idempotency.ts';
import { problemSentence, type Problem } from '../../core/problems.ts';
import { askAgain } from '../../core/task/parse-resources.ts';
import type { NewTask } from '../../core/task/task.ts';
import { readForRetry } from '../../db/retry.ts';
import type { TemplateCache } from '../../db/templates.ts';
import type { ApiContext } from '../context.ts';
import { failure, refusal } from '../http/errors.ts';
import { otherRequest } from '../http/idempotency.ts';
import { unknownQueues } from './check-queues.ts';
import type { AcceptedScatter } from './intake.ts';
import type { Refusal } from './submit.ts';

export interface RetriedTasks {
  templates: TemplateCache;
  access: Access;
  ids: readonly number[];
  key: RequestKey | undefined;
}

export async function retryAsScatter(
  context: ApiContext,
  { name, tags, ...retried }: RetriedTasks & { name: string; tags: Record<string, string> },
): Promise<AcceptedScatter | Refusal> {
  const tasks = await readAllowed(context, retried);
  if ('refused' in tasks) return tasks;
  const { access, key } = retried;
  const accepted = await context.intake.acceptScatter(access, { name, tags, key }, tasks);
  return accepted === 'other-request' ? { refused: otherRequest } : accepted;
}

export async function retryAlone(
  context: ApiContext,
  retried: RetriedTasks,
): Promise<{ id: string } | Refusal> {
  const tasks = await readAllowed(context, retried);
  if ('refused' in tasks) return tasks;
  const [task] = tasks;
  if (!task) return { refused: NOTHING_FAILED };
  const id = await context.intake.acceptTask(retried.access, { task, key: retried.key });
  return id === 'other-request' ? { refused: otherRequest } : { id };
}

const NOTHING_FAILED = failure(409, 'No task of it has failed, so nothing is retried.');

/** As a new request of the caller: its token and the settings may allow less than they did. */
async function readAllowed(
  context: ApiContext,
  { templates, access, ids }: RetriedTasks,
): Promise<NewTask[] | Refusal> {
  const defaults = context.taskDefaultsOf(access);
  const tasks: NewTask[] = [];
  for (const task of await readForRetry(context.database.pool, templates, ids)) {
    const problems: Problem[] = [];
    const asked = askAgain(task.spec, defaults, problems);
    const spec = { ...task.spec, resources: asked.resources };
    refuseForbidden(spec, defaults, problems);
    const [first] = problems;
    if (first)
      return {
        refused: failure(403, `This task is not allowed any more: ${problemSentence(first)}`),
      };
    const warnings = [...new Set([...(task.warnings ?? []), ...asked.warnings])];
    tasks.push({ ...task, spec, ...(warnings.length > 0 && { warnings }) });
  }
  // Those that failed may have been deleted since they were looked for.
  if (tasks.length === 0) return { refused: NOTHING_FAILED };
  const unknown = await unknownQueues(context.jobQueues, tasks);
  return unknown.length > 0 ? { refused: refusal(unknown) } : tasks;
}
