/** Tells those who follow a task that it waits for something else than before. */
import { forgetOldest } from '../../core/forget-oldest.ts';
import type { AwsWait } from '../../core/waiting/aws-waits.ts';
import { logChange } from '../../db/changes.ts';
import { inTransaction } from '../../db/client.ts';
import { logSubmission } from '../../db/starts.ts';
import type { SubmissionRow } from '../../db/submissions.ts';
import type { Runtime } from '../runtime.ts';

/** What this process told of each: reasons come and go, and each is told once. */
const told = new WeakMap<Runtime, Map<string, Set<AwsWait>>>();
const MOST_KNOWN = 10_000;

function isNews(runtime: Runtime, what: string, kind: AwsWait): boolean {
  const known = told.get(runtime) ?? new Map<string, Set<AwsWait>>();
  told.set(runtime, known);
  const kinds = known.get(what) ?? new Set();
  if (kinds.has(kind)) return false;
  known.set(what, kinds.add(kind));
  forgetOldest(known, MOST_KNOWN);
  return true;
}

export async function tellWaiting(
  runtime: Runtime,
  { id }: Pick<SubmissionRow, 'id'>,
  kind: AwsWait,
): Promise<void> {
  if (isNews(runtime, `submission ${id}`, kind)) await logSubmission(runtime.database, id);
}

/** Tasks whose script cannot be written. */
export async function tellBlockedTemplate(
  runtime: Runtime,
  templateId: number,
  tasks: readonly number[],
): Promise<void> {
  if (isNews(runtime, `template ${templateId}`, 'permission'))
    await inTransaction(runtime.database, (session) => logChange(session, tasks, { ended: false }));
}
