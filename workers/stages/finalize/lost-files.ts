/** Names what attempts that were lost may have left in the folders of outputs. */
import { joinUrl } from '../../../core/files/s3-url.ts';
import { openOutputs, sayStrangers, strangersIn } from '../../../core/result/lost-files.ts';
import { readRetried } from '../../../db/attempts.ts';
import type { Runtime } from '../../runtime.ts';
import type { FinishedRun } from './write-cache.ts';

/** A folder with more objects is looked at in part, and the warning says so. */
const MOST_LISTED = 10_000;

/** The same runs, with a warning for each folder of a task that was retried. */
export async function nameLostFiles(
  runtime: Runtime,
  finished: readonly FinishedRun[],
): Promise<FinishedRun[]> {
  const open = finished.filter(({ spec }) => openOutputs(spec).length > 0);
  const retried = await readRetried(
    runtime.database.pool,
    open.map(({ row }) => ({ taskId: row.id, number: row.attempt })),
  );
  if (retried.size === 0) return [...finished];
  return Promise.all(
    finished.map(async (run) =>
      retried.has(run.row.id)
        ? { ...run, warnings: [...run.warnings, ...(await warningsOf(runtime, run))] }
        : run,
    ),
  );
}

async function warningsOf(runtime: Runtime, run: FinishedRun): Promise<string[]> {
  const folders = new Set(openOutputs(run.spec).map(({ url }) => joinUrl(url, '/')));
  const warnings: string[] = [];
  for (const folder of folders) {
    const warning = await warningOf(runtime, run, folder);
    if (warning !== undefined) warnings.push(warning);
  }
  return warnings;
}

async function warningOf(
  { objects, log }: Runtime,
  { row, spec, result }: FinishedRun,
  folder: string,
): Promise<string | undefined> {
  const found: string[] = [];
  let seen = 0;
  try {
    for await (const page of objects.list(folder)) {
      const strangers = strangersIn(page, { spec, result, createdMs: row.createdMs });
      for (const { url } of strangers) found.push(url);
      seen += page.length;
      if (seen >= MOST_LISTED) break;
    }
  } catch (error) {
    // The outcome does not depend on it: the task ends as it would without the look.
    log.warn({ err: error, task: row.id, folder }, 'lost-files-not-listed');
    return `${folder} could not be listed, so files that a lost attempt may have left there are not named.`;
  }
  return found.length === 0 ? undefined : sayStrangers(folder, found, found.length);
}
