/** The call cache for other programs: every entry in full, and differences in the form of Cromwell. */
import { Type } from 'typebox';
import { hashDifferential } from '../../core/cache/cromwell-diff.ts';
import { publicId } from '../../core/ids.ts';
import { isEnd, type Place } from '../../core/places.ts';
import { problemAt } from '../../core/problems.ts';
import { readEntryOutputs, type CacheOutput } from '../../db/call-cache.ts';
import { readFingerprints } from '../../db/cache-fingerprints.ts';
import { readCheckedTasks, readEntriesOf, type CheckedTask } from '../../db/cache-explain.ts';
import { listEntries, type EntryView } from '../../db/cache-entries.ts';
import { readTaskIds } from '../../db/task-views.ts';
import { allowedUrls, compareCalls } from '../cache/compared-calls.ts';
import type { ApiContext } from '../context.ts';
import type { Api } from '../dependencies.ts';
import { notFound, refusal } from '../http/errors.ts';
import { cutPage, PAGE_TOKEN_EXPECTED, readPageToken } from '../http/pages.ts';
import { rfc3339 } from '../http/rfc3339.ts';
import { CacheDiffQuery, CacheExport, CromwellDiff } from '../schemas/cache.ts';
import { failures, PageQuery } from '../schemas/replies.ts';

export function cacheTransferRoutes(api: Api, context: ApiContext): void {
  diffRoute(api, context);
  exportRoute(api, context);
}

function diffRoute(api: Api, context: ApiContext): void {
  const schema = {
    tags: ['Call cache'],
    summary: 'Compare two tasks in the form of Cromwell’s callcaching diff',
    querystring: CacheDiffQuery,
    response: { 200: CromwellDiff, ...failures },
  };
  api.get('/cache/diff', { schema }, async (request, reply) => {
    const { access } = request.caller;
    const { a, b } = request.query;
    const [one, other] = [
      await context.reader.find(access.owner, a),
      await context.reader.find(access.owner, b),
    ];
    if (!one || !other) return reply.code(404).send(notFound('task', one ? b : a));
    const { pool } = context.database;
    const tasks = await readCheckedTasks(pool, [one.id, other.id]);
    const calls = await compareCalls(context, access, tasks);
    const entries = await readEntriesOf(pool, [one.id, other.id]);
    const [callA, callB] = [one, other].map(({ id }) => {
      const task = tasks.find((found) => found.id === id);
      return task && cromwellCall(task, entries.get(id)?.usable === true);
    });
    const [here, there] = [calls.get(one.id), calls.get(other.id)];
    if (!callA || !callB || !here || !there)
      return reply.code(404).send(notFound('task', callA ? b : a));
    return { callA, callB, hashDifferential: hashDifferential(here, there) };
  });
}

function cromwellStatus(place: Place): string {
  if (!isEnd(place)) return 'Running';
  return { done: 'Done', failed: 'Failed', cancelled: 'Aborted' }[place];
}

const cromwellCall = (task: CheckedTask, allowResultReuse: boolean) => ({
  executionStatus: cromwellStatus(task.place),
  allowResultReuse,
  callFqn: task.name,
  jobIndex: task.scatterRow ?? -1,
  workflowId: publicId('task', task),
});

const PAGE_SIZE = 256;

function exportRoute(api: Api, context: ApiContext): void {
  const schema = {
    tags: ['Call cache'],
    summary: 'Read your entries with all that is known of them, newest first',
    querystring: Type.Object(PageQuery),
    response: { 200: CacheExport, ...failures },
  };
  api.get('/cache/export', { schema }, async (request, reply) => {
    const { page_size: size = PAGE_SIZE, page_token: token } = request.query;
    const beforeId = readPageToken(token);
    if (beforeId === 'malformed')
      return reply.code(400).send(refusal([problemAt('page_token', PAGE_TOKEN_EXPECTED, token)]));
    const { access } = request.caller;
    const filter = { owner: access.owner, beforeId, limit: size + 1 };
    const { items, next } = cutPage(await listEntries(context.database.pool, filter), size);
    return {
      entries: await exportEntries(context, items, allowedUrls(context, access)),
      ...(next !== undefined && { next_page_token: next }),
    };
  });
}

async function exportEntries(
  { database }: ApiContext,
  entries: readonly EntryView[],
  allowed: (url: string) => boolean,
) {
  const [outputs, made, ids] = await Promise.all([
    readEntryOutputs(
      database,
      entries.map(({ id }) => id),
    ),
    readFingerprints(
      database.pool,
      entries.map(({ fingerprint }) => fingerprint),
    ),
    readTaskIds(
      database.pool,
      entries.map(({ taskId }) => taskId),
    ),
  ]);
  return entries.map((entry) =>
    exported(entry, {
      task: ids.get(entry.taskId) ?? `row ${entry.taskId}`,
      inputs: made.get(entry.fingerprint.toString('hex'))?.inputs ?? [],
      files: (outputs.get(entry.id) ?? []).filter(({ url }) => allowed(url)),
    }),
  );
}

interface EntryParts {
  task: string;
  inputs: readonly (readonly [part: string, holds: string, sizeBytes: number, ...unknown[]])[];
  files: readonly CacheOutput[];
}

const exported = (entry: EntryView, { task, inputs, files }: EntryParts) => ({
  task,
  name: entry.name,
  created: rfc3339(entry.createdMs),
  fingerprint: entry.fingerprint.toString('hex'),
  usable: entry.usable,
  run_seconds: entry.runMs / 1000,
  hits: entry.hits,
  warnings: entry.warnings,
  inputs: inputs.map(([part, holds, sizeBytes]) => ({ part, holds, size_bytes: sizeBytes })),
  outputs: files.map(({ url, path, sizeBytes, crc64nvme, etag, versionId }) => ({
    url,
    path,
    size_bytes: sizeBytes,
    crc64nvme,
    etag,
    ...(versionId !== null && { version_id: versionId }),
  })),
});
