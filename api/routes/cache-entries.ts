/**
 * The entries of the call cache: listed, shown, counted, invalidated, and deleted. All of them are
 * the caller's own.
 */
import type { Static } from 'typebox';
import { problemAt, type Problem } from '../../core/problems.ts';
import { readEntryOutputs } from '../../db/call-cache.ts';
import {
  countEntries,
  listEntries,
  readEntryOfTask,
  type EntryChoice,
  type EntryView,
} from '../../db/cache-entries.ts';
import { readSavings, sumSavings, type SavedSum } from '../../db/cache-savings.ts';
import { readTaskIds } from '../../db/task-views.ts';
import { changeEntries } from '../cache/change-entries.ts';
import { allowedUrls } from '../cache/compared-calls.ts';
import type { ApiContext } from '../context.ts';
import type { Api } from '../dependencies.ts';
import { notFound, refusal } from '../http/errors.ts';
import { cutPage, PAGE_TOKEN_EXPECTED, readPageToken } from '../http/pages.ts';
import { rfc3339 } from '../http/rfc3339.ts';
import {
  CacheChanged,
  CacheEntryDetail,
  CacheEntryList,
  CacheEntryQuery,
  CacheInvalidateRequest,
  CachePruneRequest,
  CacheStats,
} from '../schemas/cache.ts';
import { failures, TextId } from '../schemas/replies.ts';

const PAGE_SIZE = 256;
const NAMES_SHOWN = 100;
const DAY_MS = 24 * 3_600_000;
const tags = ['Call cache'];

export function cacheEntryRoutes(api: Api, context: ApiContext): void {
  listRoute(api, context);
  showRoute(api, context);
  statsRoute(api, context);
  invalidateRoute(api, context);
  pruneRoute(api, context);
}

function listRoute(api: Api, context: ApiContext): void {
  const schema = {
    tags,
    summary: 'List your entries of the call cache, newest first',
    querystring: CacheEntryQuery,
    response: { 200: CacheEntryList, ...failures },
  };
  api.get('/cache/entries', { schema }, async (request, reply) => {
    const { name, usable, page_size: size = PAGE_SIZE, page_token: token } = request.query;
    const beforeId = readPageToken(token);
    if (beforeId === 'malformed')
      return reply
        .code(400)
        .send(refusal([problemAt('page_token', PAGE_TOKEN_EXPECTED, request.query.page_token)]));
    const { owner } = request.caller.access;
    const filter = { owner, name, usable, beforeId, limit: size + 1 };
    const { items, next } = cutPage(await listEntries(context.database.pool, filter), size);
    return {
      entries: await showEntries(context, items),
      ...(next !== undefined && { next_page_token: next }),
    };
  });
}

/** The tasks of a hit's entry can be gone before the entry. */
async function showEntries({ database }: ApiContext, entries: readonly EntryView[]) {
  const ids = await readTaskIds(
    database.pool,
    entries.map(({ taskId }) => taskId),
  );
  return entries.map((entry) => ({
    task: ids.get(entry.taskId) ?? `row ${entry.taskId}`,
    name: entry.name,
    created: rfc3339(entry.createdMs),
    usable: entry.usable,
    ...(entry.invalidReason !== null && { invalid_reason: entry.invalidReason }),
    run_seconds: entry.runMs / 1000,
    hits: entry.hits,
    ...(entry.lastHitMs !== null && { last_hit: rfc3339(entry.lastHitMs) }),
  }));
}

function showRoute(api: Api, context: ApiContext): void {
  const schema = {
    tags,
    summary: 'Show the entry that a task wrote, with its outputs',
    params: TextId,
    response: { 200: CacheEntryDetail, ...failures },
  };
  api.get('/cache/entries/:id', { schema }, async (request, reply) => {
    const { access } = request.caller;
    const task = await context.reader.find(access.owner, request.params.id);
    const entry = task && (await readEntryOfTask(context.database.pool, access.owner, task.id));
    const [shown] = entry ? await showEntries(context, [entry]) : [];
    if (!entry || !shown)
      return reply.code(404).send(notFound('cache entry of task', request.params.id));
    const outputs = (await readEntryOutputs(context.database, [entry.id])).get(entry.id) ?? [];
    const allowed = allowedUrls(context, access);
    const told = outputs.filter(({ url }) => allowed(url));
    return {
      ...shown,
      warnings: entry.warnings,
      outputs: told.map(({ url, path, sizeBytes }) => ({ url, path, size_bytes: sizeBytes })),
      hidden_outputs: outputs.length - told.length,
    };
  });
}

const HOUR_MS = 3_600_000;

const showSaving = ({ hits, vcpuMs, gibMs, copiedBytes }: SavedSum) => ({
  hits,
  vcpu_hours: vcpuMs / HOUR_MS,
  gib_hours: gibMs / HOUR_MS,
  copied_bytes: copiedBytes,
});

function statsRoute(api: Api, context: ApiContext): void {
  const schema = {
    tags,
    summary: 'Count your entries, and what their hits saved by task name',
    response: { 200: CacheStats, ...failures },
  };
  api.get('/cache/stats', { schema }, async (request, _reply) => {
    const { owner } = request.caller.access;
    const { pool } = context.database;
    const { entries, unusable } = await countEntries(pool, owner);
    const byName = await readSavings(pool, owner, NAMES_SHOWN);
    return {
      entries,
      unusable_entries: unusable,
      saved: showSaving(await sumSavings(pool, owner)),
      by_name: byName.map((one) => ({
        name: one.name,
        ...showSaving(one),
        last_hit: rfc3339(one.lastHitMs),
      })),
    };
  });
}

function invalidateRoute(api: Api, context: ApiContext): void {
  const schema = {
    tags,
    summary: 'Invalidate entries by task, task name, or output URL: they give no hits any more',
    body: CacheInvalidateRequest,
    response: { 200: CacheChanged, ...failures },
  };
  api.post(
    '/cache::invalidate',
    { config: { scope: 'cancel' }, schema },
    async (request, reply) => {
      const read = await readInvalidation(context, request.caller.access.owner, request.body);
      if ('problems' in read) return reply.code(400).send(refusal(read.problems));
      return changeEntries(context, {
        owner: request.caller.access.owner,
        choices: [read.choice],
        change: { do: 'invalidate', reason: read.reason },
        isDryRun: read.isDryRun,
      });
    },
  );
}

const MOST_TASKS = 1000;
const LONGEST_REASON = 500;

interface Invalidation {
  choice: EntryChoice;
  reason: string;
  isDryRun: boolean;
}

async function readInvalidation(
  { reader }: ApiContext,
  owner: string,
  given: unknown,
): Promise<Invalidation | { problems: Problem[] }> {
  const body = (typeof given === 'object' && given !== null ? given : {}) as Partial<
    Record<keyof Static<typeof CacheInvalidateRequest>, unknown>
  >;
  const { reason, tasks, name, output_prefix: prefix } = body;
  const problems: Problem[] = [];
  if (typeof reason !== 'string' || reason.trim() === '' || reason.length > LONGEST_REASON)
    problems.push(problemAt('reason', `1 to ${LONGEST_REASON} characters`, reason));
  const isDryRun = booleanIn(body, 'dry_run', problems);
  const chosen = [tasks, name, prefix].filter((one) => one !== undefined);
  if (chosen.length !== 1)
    problems.push(problemAt('', 'exactly one of tasks, name and output_prefix', chosen.length));
  const choice =
    tasks === undefined
      ? choiceByText(name, prefix, problems)
      : await choiceByTasks(reader, owner, tasks, problems);
  if (problems.length > 0 || !choice) return { problems };
  return { choice, reason: String(reason), isDryRun };
}

function booleanIn(body: object, field: string, problems: Problem[]): boolean {
  const value = (body as Record<string, unknown>)[field];
  if (value !== undefined && typeof value !== 'boolean')
    problems.push(problemAt(field, 'true or false', value));
  return value === true;
}

function choiceByText(
  name: unknown,
  prefix: unknown,
  problems: Problem[],
): EntryChoice | undefined {
  if (typeof name === 'string') return { by: 'name', name };
  if (typeof prefix === 'string' && /^s3:\/\/[^/]+\//.test(prefix))
    return { by: 'output-prefix', prefix };
  if (prefix !== undefined)
    problems.push(problemAt('output_prefix', 'a URL such as s3://bucket/prefix', prefix));
  if (name !== undefined) problems.push(problemAt('name', 'a text', name));
  return undefined;
}

async function choiceByTasks(
  reader: ApiContext['reader'],
  owner: string,
  tasks: unknown,
  problems: Problem[],
): Promise<EntryChoice | undefined> {
  const isList =
    Array.isArray(tasks) &&
    tasks.length > 0 &&
    tasks.length <= MOST_TASKS &&
    tasks.every((id) => typeof id === 'string');
  if (!isList) {
    problems.push(problemAt('tasks', `1 to ${MOST_TASKS} ids of tasks`, tasks));
    return undefined;
  }
  const found = await Promise.all(tasks.map((id: string) => reader.find(owner, id)));
  found.forEach((one, at) => {
    if (!one) problems.push(problemAt(`tasks[${at}]`, 'the id of a task of yours', tasks[at]));
  });
  return { by: 'tasks', ids: found.flatMap((one) => one?.id ?? []) };
}

function pruneRoute(api: Api, context: ApiContext): void {
  const schema = {
    tags,
    summary: 'Delete entries that were not used for a time, or can no longer be used',
    body: CachePruneRequest,
    response: { 200: CacheChanged, ...failures },
  };
  api.post('/cache::prune', { config: { scope: 'cancel' }, schema }, async (request, reply) => {
    const body = (request.body ?? {}) as Record<string, unknown>;
    const problems: Problem[] = [];
    const days = body['unused_days'];
    const isDays = typeof days === 'number' && Number.isInteger(days) && days >= 1;
    if (days !== undefined && !isDays)
      problems.push(problemAt('unused_days', 'a whole number from 1', days));
    const [isUnusable, isDryRun] = ['unusable', 'dry_run'].map((field) =>
      booleanIn(body, field, problems),
    );
    const choices: EntryChoice[] = [
      ...(isDays ? [{ by: 'unused' as const, sinceMs: context.nowMs() - days * DAY_MS }] : []),
      ...(isUnusable ? [{ by: 'unusable' as const }] : []),
    ];
    if (choices.length === 0) problems.push(problemAt('', 'unused_days, or unusable: true', body));
    if (problems.length > 0) return reply.code(400).send(refusal(problems));
    return changeEntries(context, {
      owner: request.caller.access.owner,
      choices,
      change: { do: 'delete' },
      isDryRun: isDryRun === true,
    });
  });
}
