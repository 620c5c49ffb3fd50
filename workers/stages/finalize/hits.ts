/** Gives cache hits their outputs: by copy within S3, or by reference. An entry that lost its outputs is given up. */
import { inParallel } from '../../../aws/in-parallel.ts';
import { seeObjects } from '../../../aws/see-objects.ts';
import type { SeenObject } from '../../../aws/s3.ts';
import type { Config } from '../../../config.ts';
import { parseS3Url } from '../../../core/files/s3-url.ts';
import { profiles } from '../../../core/profiles/profiles.ts';
import { judgePrior, outputUrl } from '../../../core/result/outputs.ts';
import { invalidateEntry, readEntryOutputs, type CacheOutput } from '../../../db/call-cache.ts';
import type { TaskSpec } from '../../../core/task/task.ts';
import type { TaskRow } from '../../../db/tasks.ts';
import type { Runtime } from '../../runtime.ts';

export interface FinalizedTask {
  row: TaskRow;
  spec: TaskSpec;
}

/** Some clients look for outputs only at their own URLs. */
export const hitModeOf = ({ config }: Runtime, { profile }: TaskRow): Config['cacheHit'] =>
  profiles[profile].needsCopies ? 'copy' : config.cacheHit;

export interface AppliedHits {
  good: TaskRow[];
  /** Their entry is invalid now; they have to run. */
  lost: TaskRow[];
}

interface Hit extends FinalizedTask {
  entryId: number;
  outputs: CacheOutput[];
}

export async function applyHits(
  runtime: Runtime,
  tasks: readonly FinalizedTask[],
): Promise<AppliedHits> {
  if (tasks.length === 0) return { good: [], lost: [] };
  const entryIds = [...new Set(tasks.flatMap(({ row }) => row.hitEntryId ?? []))];
  const outputs = await readEntryOutputs(runtime.database, entryIds);
  const hits = tasks.map((task): Hit => ({
    ...task,
    entryId: task.row.hitEntryId ?? 0,
    outputs: outputs.get(task.row.hitEntryId ?? 0) ?? [],
  }));
  const bad = await findBadEntries(runtime, entryIds, outputs);

  const copied = await inParallel(
    hits.map(
      (hit) => async () =>
        !bad.has(hit.entryId) &&
        (hitModeOf(runtime, hit.row) !== 'copy' || (await copyOutputs(runtime, hit, bad))),
    ),
  );
  const applied: AppliedHits = { good: [], lost: [] };
  for (const [position, { row }] of hits.entries())
    (copied[position] ? applied.good : applied.lost).push(row);
  for (const [entryId, reason] of bad) {
    runtime.log.warn({ entryId, reason }, 'cache-entry-invalidated');
    runtime.metrics.cacheInvalidations.inc();
    await invalidateEntry(runtime.database, entryId, reason);
  }
  return applied;
}

/** Why entries cannot be used, by id: a prior output is gone or has changed. */
async function findBadEntries(
  runtime: Runtime,
  entryIds: readonly number[],
  outputs: Map<number, CacheOutput[]>,
): Promise<Map<number, string>> {
  const seen = await seeObjects(
    runtime.objects,
    [...outputs.values()].flat().map(({ url }) => url),
  );
  const bad = new Map<number, string>();
  const check = async (entryId: number): Promise<void> => {
    for (const output of outputs.get(entryId) ?? []) {
      const reason = await whyNotUsable(runtime, output, seen.get(output.url));
      if (reason !== undefined) return void bad.set(entryId, reason);
    }
    if (!outputs.has(entryId)) bad.set(entryId, 'It has no outputs.');
  };
  await inParallel(entryIds.map((entryId) => () => check(entryId)));
  return bad;
}

async function whyNotUsable(
  runtime: Runtime,
  output: CacheOutput,
  found: SeenObject | undefined,
): Promise<string | undefined> {
  const bucket = parseS3Url(output.url)?.bucket ?? '';
  const state = judgePrior(output, found, runtime.identities.etags.trusts(bucket));
  if (state === 'as-it-was') return undefined;
  if (state === 'gone') return `${output.url} no longer exists.`;
  const sizes = `It had ${output.sizeBytes} bytes and has ${found?.sizeBytes} now.`;
  if (state === 'changed') return `${output.url} was overwritten. ${sizes}`;
  const described = await runtime.objects.describe(output.url);
  return described?.sizeBytes === output.sizeBytes &&
    described.checksums.crc64nvme === output.crc64nvme
    ? undefined
    : `${output.url} was overwritten with other content.`;
}

/**
 * Copies every output to the new task's URLs; if that fails, the task has to run. Only an output
 * that has just gone invalidates the entry: a URL that cannot be written to is the new task's own.
 */
async function copyOutputs(
  runtime: Runtime,
  { row, entryId, spec, outputs }: Hit,
  bad: Map<number, string>,
): Promise<boolean> {
  try {
    for (const output of outputs)
      await runtime.objects.copy(output.url, outputUrl(spec, output), output.sizeBytes);
    return true;
  } catch (error) {
    const { message, cause } = error as Error;
    runtime.log.warn({ taskId: row.id, entryId, message }, 'cache-hit-not-copied');
    if ((cause as Error | undefined)?.name === 'NoSuchKey') bad.set(entryId, message);
    return false;
  }
}
