/** Writes the manifest of a submission to S3. */
import { renderValues } from '../../../core/container/script.ts';
import { inSubmission, submissionPrefix } from '../../../core/files/s3-layout.ts';
import { encodeManifest, type ManifestPart } from '../../../core/submission/manifest.ts';
import { attemptKey, readAttemptTasks, type AttemptTask } from '../../../db/attempts.ts';
import { fromJson } from '../../../db/rows.ts';
import type { SubmissionRow } from '../../../db/submissions.ts';
import type { TemplateRow } from '../../../db/templates.ts';
import { inHalves } from '../../isolation/in-halves.ts';
import type { Runtime } from '../../runtime.ts';

/**
 * One wide manifest at a time: of 10,000 tasks it takes a worker some 20 MB, and submit works on
 * 16 messages at once.
 */
const lastManifest = new WeakMap<Runtime, Promise<void>>();
const WIDE = 1000;

export function writeManifest(runtime: Runtime, submission: SubmissionRow): Promise<void> {
  if (submission.size < WIDE) return putManifest(runtime, submission);
  const turn = (lastManifest.get(runtime) ?? Promise.resolve()).then(() =>
    putManifest(runtime, submission),
  );
  lastManifest.set(
    runtime,
    turn.catch(() => undefined),
  );
  return turn;
}

/** The same attempts give the same bytes, so a second write after a crash changes nothing. */
async function putManifest(runtime: Runtime, submission: SubmissionRow): Promise<void> {
  const attempts = await readAttemptTasks(runtime.database.pool, submission.id);
  const templates = await runtime.templates.read(
    runtime.database.pool,
    attempts.map(({ templateId }) => templateId),
  );
  await runtime.objects.put(
    runtime.workUrl(submissionPrefix(submission) + inSubmission.manifest),
    encodeManifest(
      submission.secret,
      attempts.map((attempt) => partOf(attempt, templates.get(attempt.templateId))),
    ),
  );
}

function partOf(
  { templateId, slotValues, ...attempt }: AttemptTask,
  row: TemplateRow | undefined,
): ManifestPart {
  if (!row || row.scriptSha256 === null)
    throw new Error(
      `Task ${attempt.taskId} is packed, but the script of template ${templateId} is not staged.`,
    );
  return {
    scriptSha256: row.scriptSha256,
    values: renderValues(row.template, fromJson<string[]>(slotValues)),
    attempt: attemptKey(attempt),
  };
}

/** The tasks of which the manifest cannot be written, with what each throws. */
export async function findUnwritable(
  runtime: Runtime,
  submission: SubmissionRow,
): Promise<Map<number, unknown>> {
  const { pool } = runtime.database;
  const attempts = await readAttemptTasks(pool, submission.id);
  const bad = new Map<number, unknown>();
  for (const [templateId, alike] of Map.groupBy(attempts, (one) => one.templateId)) {
    const { bad: found } = await inHalves(alike, async (some) => {
      const templates = await runtime.templates.read(pool, [templateId]);
      encodeManifest(
        submission.secret,
        some.map((attempt) => partOf(attempt, templates.get(templateId))),
      );
    });
    for (const { item, error } of found) bad.set(item.taskId, error);
  }
  return bad;
}
