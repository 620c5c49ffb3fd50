/**
 * Submits tasks and scatters, from HTTP or the queue: parses them, checks them against the caller's
 * access, commits them.
 */
import { Readable } from 'node:stream';
import type { Access } from '../../core/access/access.ts';
import { keyOfName, type RequestKey } from '../../core/access/idempotency.ts';
import { parseTesTask } from '../../core/task/parse-task.ts';
import type { Problem } from '../../core/problems.ts';
import { profiles } from '../../core/profiles/profiles.ts';
import { refusal, type FailureBody } from '../http/errors.ts';
import { otherRequest } from '../http/idempotency.ts';
import { readLineScatter, readTemplateScatter, type LineScatterQuery } from './scatter-body.ts';
import { unknownQueues } from './check-queues.ts';
import type { ApiContext } from '../context.ts';
import type { AcceptedScatter } from './intake.ts';

/** Nothing was stored. */
export interface Refusal {
  refused: FailureBody & { status_code: 400 | 401 | 403 | 409 };
}

/** The sender's idempotency key, if there is one. @param asked the request, as parsed */
export type KeyReader = (asked: unknown) => RequestKey | { problems: Problem[] } | undefined;

export async function submitTask(
  { intake, jobQueues, taskDefaultsOf }: ApiContext,
  access: Access,
  body: unknown,
  readKey: KeyReader,
): Promise<{ id: string } | Refusal> {
  const read = parseTesTask(body, taskDefaultsOf(access));
  if ('problems' in read) return { refused: refusal(read.problems) };
  const problems = await unknownQueues(jobQueues, [read.task]);
  if (problems.length > 0) return { refused: refusal(problems) };
  const task = { ...read.task, warnings: read.warnings };
  const key = readKey(task);
  if (key && 'problems' in key) return { refused: refusal(key.problems) };
  const name = profiles[task.profile].requestName?.(task);
  const id = await intake.acceptTask(access, {
    task,
    key: key ?? (name === undefined ? undefined : keyOfName(name, task)),
  });
  return id === 'other-request' ? { refused: otherRequest } : { id };
}

/**
 * @param body a template and rows, or a stream of lines with one task each; `query` then has the
 * name, cache mode and tags
 */
export async function submitScatter(
  { intake, jobQueues, taskDefaultsOf }: ApiContext,
  access: Access,
  { body, query = {} }: { body: unknown; query?: LineScatterQuery },
  readKey: KeyReader,
): Promise<AcceptedScatter | Refusal> {
  const defaults = taskDefaultsOf(access);
  const read =
    body instanceof Readable
      ? await readLineScatter(body, query, defaults)
      : await readTemplateScatter(body, defaults);
  if ('problems' in read) return { refused: refusal(read.problems, read.count) };
  const problems = await unknownQueues(jobQueues, read.tasks, (row) => ({ row }));
  if (problems.length > 0) return { refused: refusal(problems) };
  const { name, tags } = read.head;
  const key = readKey({ name, tags, tasks: read.tasks });
  if (key && 'problems' in key) return { refused: refusal(key.problems) };
  const accepted = await intake.acceptScatter(access, { name, tags, key }, read.tasks);
  return accepted === 'other-request' ? { refused: otherRequest } : accepted;
}
