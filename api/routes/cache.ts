/** Explains why a task hits or misses the call cache. */
import { Type } from 'typebox';
import { explainDifference, fingerprintOf, type Components } from '../../core/cache/fingerprint.ts';
import { cacheSetting } from '../../core/cache/setting.ts';
import type { ImageProblem } from '../../core/image/image-seen.ts';
import { componentsOf } from '../../core/cache/stored-input.ts';
import { fillTemplate } from '../../core/task/template.ts';
import { readEntryOf, readTaskFingerprint, type ExplainedEntry } from '../../db/call-cache.ts';
import { readTaskIds } from '../../db/task-views.ts';
import { notFound } from '../http/errors.ts';
import type { Api } from '../dependencies.ts';
import { failures } from '../schemas/replies.ts';
import type { ApiContext } from '../context.ts';

const FingerprintComponents = Type.Record(Type.String(), Type.String(), {
  description: 'The components of the fingerprint, by name',
});
export const CacheExplanation = Type.Object({
  verdict: Type.String({ description: 'The result, in a sentence or two' }),
  fingerprint: Type.Optional(
    Type.String({
      description:
        'SHA-256 in hex, from the current content of the inputs. Absent when an input is unreadable',
    }),
  ),
  components: Type.Optional(FingerprintComponents),
  unreadable_inputs: Type.Array(
    Type.String({
      description: 'URL of an input that does not exist, or whose content cannot be identified',
    }),
  ),
  entry: Type.Optional(
    Type.Object({
      task: Type.String({ description: 'Id of the task that wrote the entry' }),
      valid: Type.Boolean({ description: 'Whether the entry can be used' }),
      invalid_reason: Type.Optional(Type.String({ description: 'Why it cannot be used' })),
    }),
  ),
  differences: Type.Optional(
    Type.Array(
      Type.Object({
        part: Type.String({ description: 'Name of the component' }),
        here: Type.Optional(Type.String({ description: 'Its value for this task' })),
        there: Type.Optional(Type.String({ description: 'Its value for the other task' })),
      }),
      { description: 'Components in which this task differs from the other one' },
    ),
  ),
});

const Query = Type.Object({
  other: Type.Optional(Type.String({ description: 'Id of a task to compare with this one' })),
});

interface Fingerprinted {
  imageProblem?: ImageProblem;
  components?: Components;
  unreadable: string[];
  cached: boolean;
  /** Domain of the cache that it reads. */
  domain: string;
}

export function cacheRoutes(api: Api, context: ApiContext): void {
  const schema = {
    tags: ['Call cache'],
    summary: 'Explain why a task hits or misses the call cache',
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
  const { components, unreadable, cached, domain, imageProblem } = await fingerprintNow(
    context,
    taskId,
  );
  const fingerprint = components && fingerprintOf(components);
  const entry = fingerprint && (await readEntryOf(context.database, { domain, fingerprint }));
  const there = otherId === undefined ? undefined : await knownComponents(context, otherId);
  return {
    verdict: verdictOf({
      cached,
      imageProblem,
      unreadable,
      entry,
      isOwn: entry?.taskId === taskId,
    }),
    unreadable_inputs: unreadable,
    ...(components && fingerprint && { components, fingerprint: fingerprint.toString('hex') }),
    ...(entry && { entry: await showEntry(context, entry) }),
    ...(components && there && { differences: explainDifference(components, there) }),
  };
}

/** With what its inputs held when it was checked; without that, what they hold now. */
async function knownComponents(
  context: ApiContext,
  taskId: number,
): Promise<Components | undefined> {
  const { components } = await fingerprintNow(context, taskId);
  const checked = await readTaskFingerprint(context.database.pool, taskId);
  return components && { ...components, ...(checked && componentsOf(checked.inputs)) };
}

/** The fingerprint that the task would have if it were checked now. */
async function fingerprintNow(
  { config, reader, resolveComponents }: ApiContext,
  taskId: number,
): Promise<Fingerprinted> {
  const filled = await reader.readFilled(taskId);
  if (!filled) return { unreadable: [], cached: false, domain: '' };
  const cached = filled.cache !== 'off';
  const spec = fillTemplate(filled.template, filled.values);
  const [described] = await resolveComponents([
    { spec, profile: filled.profile, setting: cacheSetting(spec, config, filled) },
  ]);
  return {
    unreadable: described?.unreadable.map(({ url }) => url) ?? [],
    cached,
    domain: filled.cacheDomain,
    ...(described?.components && { components: described.components }),
    ...(described?.imageProblem && { imageProblem: described.imageProblem }),
  };
}

interface Verdict {
  cached: boolean;
  imageProblem: ImageProblem | undefined;
  unreadable: readonly string[];
  entry: ExplainedEntry | undefined;
  isOwn: boolean;
}

function verdictOf({ cached, imageProblem, unreadable, entry, isOwn }: Verdict): string {
  if (!cached)
    return (
      'Caching is off for this task: it was not requested, or the task declares no outputs. ' +
      'The fingerprint shows what would count.'
    );
  if (imageProblem)
    return `This task cannot be cached: the digest of its image is not known. ${imageProblem.sentence}`;
  if (unreadable.length > 0)
    return 'This task cannot be cached: the content of some inputs cannot be identified. See unreadable_inputs.';
  if (!entry)
    return 'A miss: no entry has this fingerprint. Name another task with ?other=ID to see how the two differ.';
  if (entry.invalidReason !== null)
    return `A miss: the entry with this fingerprint can no longer be used. ${entry.invalidReason}`;
  return isOwn
    ? 'Its own entry is in the cache: an equal task is a hit.'
    : 'A hit: the entry of another task has this fingerprint.';
}

async function showEntry({ database }: ApiContext, entry: ExplainedEntry) {
  const ids = await readTaskIds(database.pool, [entry.taskId]);
  return {
    task: ids.get(entry.taskId) ?? `row ${entry.taskId}`,
    valid: entry.invalidReason === null,
    ...(entry.invalidReason === null ? {} : { invalid_reason: entry.invalidReason }),
  };
}
