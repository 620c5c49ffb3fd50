/** Why a task hit the call cache, or missed it. */
import { Type } from 'typebox';
import { explainDifference, fingerprintOf, type Components } from '../../core/cache/fingerprint.ts';
import { fillTemplate } from '../../core/task/template.ts';
import { readEntryOf, readTaskComponents, type ExplainedEntry } from '../../db/call-cache.ts';
import { readTaskIds } from '../../db/task-views.ts';
import { notFound } from '../http/errors.ts';
import type { Api } from '../dependencies.ts';
import { failures } from '../schemas/replies.ts';
import type { ApiContext } from '../context.ts';

const Parts = Type.Record(Type.String(), Type.String(), {
  description: 'What goes into the fingerprint, part by part',
});
export const CacheExplanation = Type.Object({
  verdict: Type.String({ description: 'One sentence' }),
  /** Absent when an input is not there or nothing tells what it holds. */
  fingerprint: Type.Optional(
    Type.String({ description: 'SHA-256 in hex, of what the inputs hold now' }),
  ),
  components: Type.Optional(Parts),
  unreadable_inputs: Type.Array(
    Type.String({
      description: 'url of an input that is not there, or of which nothing tells what it holds',
    }),
  ),
  entry: Type.Optional(
    Type.Object({
      task: Type.String(),
      valid: Type.Boolean(),
      invalid_reason: Type.Optional(Type.String()),
    }),
  ),
  differences: Type.Optional(
    Type.Array(
      Type.Object({
        part: Type.String(),
        here: Type.Optional(Type.String()),
        there: Type.Optional(Type.String()),
      }),
      { description: 'Where it differs from the other task' },
    ),
  ),
});

const Query = Type.Object({
  other: Type.Optional(Type.String({ description: 'Id of a task to compare with' })),
});

interface Fingerprinted {
  components?: Components;
  unreadable: string[];
  cached: boolean;
  /** Whose cache it looks into. */
  domain: string;
}

export function cacheRoutes(api: Api, context: ApiContext): void {
  const schema = {
    tags: ['Call cache'],
    summary: 'Why a task hits the call cache, or misses it',
    params: Type.Object({ id: Type.String() }),
    querystring: Query,
    response: { 200: CacheExplanation, ...failures },
  };
  api.get('/tasks/:id/cache-explanation', { schema }, async (request, reply) => {
    const { reader } = context;
    const task = await reader.find(request.caller.access.owner, request.params.id);
    if (!task) return reply.code(404).send(notFound('task', request.params.id));
    const otherId = request.query.other;
    const other =
      otherId === undefined ? undefined : await reader.find(request.caller.access.owner, otherId);
    if (otherId !== undefined && !other) return reply.code(404).send(notFound('task', otherId));

    return explain(context, { taskId: task.id, otherId: other?.id });
  });
}

interface Question {
  taskId: number;
  otherId: number | undefined;
}

async function explain(context: ApiContext, { taskId, otherId }: Question) {
  const { components, unreadable, cached, domain } = await fingerprintNow(context, taskId);
  const fingerprint = components && fingerprintOf(components);
  const entry = fingerprint && (await readEntryOf(context.database, { domain, fingerprint }));
  const there = otherId === undefined ? undefined : await knownComponents(context, otherId);
  return {
    verdict: verdictOf({ cached, unreadable, entry, isOwn: entry?.taskId === taskId }),
    unreadable_inputs: unreadable,
    ...(components && fingerprint && { components, fingerprint: fingerprint.toString('hex') }),
    ...(entry && { entry: await showEntry(context, entry) }),
    ...(components && there && { differences: explainDifference(components, there) }),
  };
}

/** What it was when it was checked; without that, what its inputs hold now. */
async function knownComponents(
  context: ApiContext,
  taskId: number,
): Promise<Components | undefined> {
  return (
    (await readTaskComponents(context.database.pool, taskId)) ??
    (await fingerprintNow(context, taskId)).components
  );
}

/** What the task's fingerprint would be if it were checked now. */
async function fingerprintNow(
  { reader, resolveComponents }: ApiContext,
  taskId: number,
): Promise<Fingerprinted> {
  const filled = await reader.readFilled(taskId);
  if (!filled) return { unreadable: [], cached: false, domain: '' };
  const cached = filled.cache !== 'off';
  const [described] = await resolveComponents([
    { spec: fillTemplate(filled.template, filled.values), profile: filled.profile },
  ]);
  return {
    unreadable: described?.unreadable ?? [],
    cached,
    domain: filled.cacheDomain,
    ...(described?.components && { components: described.components }),
  };
}

interface Verdict {
  cached: boolean;
  unreadable: readonly string[];
  entry: ExplainedEntry | undefined;
  isOwn: boolean;
}

function verdictOf({ cached, unreadable, entry, isOwn }: Verdict): string {
  if (!cached)
    return 'Its caching was off: nobody asked for it, or it declares no outputs. What follows is what would count.';
  if (unreadable.length > 0)
    return 'It cannot be cached: nothing tells what some of its inputs hold.';
  if (!entry)
    return 'A miss: no entry has its fingerprint. Name another task to see in what the two differ.';
  if (entry.invalidReason !== null)
    return `A miss: the entry of its fingerprint can no longer be used. ${entry.invalidReason}`;
  return isOwn
    ? 'Its own entry stands in the cache: an equal task is a hit.'
    : 'A hit: the entry of another task has its fingerprint.';
}

async function showEntry({ database }: ApiContext, entry: ExplainedEntry) {
  const ids = await readTaskIds(database.pool, [entry.taskId]);
  return {
    task: ids.get(entry.taskId) ?? `row ${entry.taskId}`,
    valid: entry.invalidReason === null,
    ...(entry.invalidReason === null ? {} : { invalid_reason: entry.invalidReason }),
  };
}
