/** Explains why a task hits or misses the call cache. */
import { Type } from 'typebox';
import type { Access } from '../../core/access/access.ts';
import { fingerprintOf, type Components } from '../../core/cache/fingerprint.ts';
import { cacheSetting } from '../../core/cache/setting.ts';
import type { ImageProblem } from '../../core/image/image-seen.ts';
import { cacheVerdicts } from '../../core/cache/reasons.ts';
import { fillTemplate } from '../../core/task/template.ts';
import { readEntryOf, type CacheLookup } from '../../db/call-cache.ts';
import { readCheckedTasks } from '../../db/cache-explain.ts';
import { publicId } from '../../core/ids.ts';
import { explainScatter } from '../cache/explain-scatter.ts';
import { compareTasks, explainTask, showDecision } from '../cache/explain-task.ts';
import { mayTellAll } from '../cache/compared-calls.ts';
import { notFound } from '../http/errors.ts';
import type { Api } from '../dependencies.ts';
import { failures } from '../schemas/replies.ts';
import type { ApiContext } from '../context.ts';
import { findScatter } from './scatters.ts';

const FingerprintComponents = Type.Record(Type.String(), Type.String(), {
  description: 'The components of the fingerprint, by name',
});
const Differences = Type.Array(
  Type.Object({
    part: Type.String({ description: 'Name of the part, such as executors[0].env.THREADS' }),
    brief: Type.String({ description: 'The difference in a few words' }),
    says: Type.String({ description: 'The difference as a person would say it' }),
    here: Type.Optional(Type.String({ description: 'Its value for this task, shortened' })),
    there: Type.Optional(Type.String({ description: 'Its value for the other task, shortened' })),
  }),
  { description: 'Parts in which this task differs from the other one' },
);
const Decision = Type.Object(
  {
    verdict: Type.Enum(cacheVerdicts),
    reason: Type.String({ description: 'A code of docs/api.md' }),
    subject: Type.Optional(Type.String({ description: 'The path of an input, or an image' })),
    source: Type.Optional(
      Type.String({ description: 'Id of the task whose result it is, or for which it waited' }),
    ),
  },
  { description: 'What the cache check decided. Absent before it' },
);
const Nearest = Type.Object(
  {
    task: Type.Optional(Type.String()),
    name: Type.String(),
    created: Type.String(),
    differences: Differences,
  },
  { description: 'For a miss, the earlier task that is most like this one' },
);

export const CacheExplanation = Type.Object({
  explanation: Type.Array(Type.String(), {
    description: 'Why the task was a hit or a miss, line by line',
  }),
  decision: Type.Optional(Decision),
  nearest: Type.Optional(Nearest),
  not_kept: Type.Optional(
    Type.String({ description: 'Why its own result was not kept: a code of docs/api.md' }),
  ),
  verdict: Type.String({ description: 'What would happen if the task were checked now' }),
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
  differences: Type.Optional(Differences),
});

const Query = Type.Object({
  other: Type.Optional(Type.String({ description: 'Id of a task to compare with this one' })),
});

interface Fingerprinted {
  imageProblem?: ImageProblem;
  components?: Components;
  unreadable: string[];
  cached: boolean;
  /** Whether the caller's token does not allow one of its URLs. */
  isHidden?: boolean;
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

    return explain(context, request.caller.access, { taskId: task.id, otherId: other?.id });
  });
  scatterExplanation(api, context);
}

export const ScatterCacheExplanation = Type.Object({
  explanation: Type.Array(Type.String(), { description: 'One line per group' }),
  groups: Type.Array(
    Type.Object({
      tasks: Type.Integer({ description: 'Number of tasks' }),
      text: Type.String({ description: 'What they have in common' }),
      example: Type.String({ description: 'Id of one of them' }),
    }),
  ),
});

function scatterExplanation(api: Api, context: ApiContext): void {
  const schema = {
    tags: ['Call cache'],
    summary: 'Explain why the tasks of a scatter hit or miss the call cache, grouped by reason',
    params: Type.Object({ id: Type.String() }),
    response: { 200: ScatterCacheExplanation, ...failures },
  };
  api.get('/scatters/:id/cache-explanation', { schema }, async (request, reply) => {
    const { access } = request.caller;
    const scatter = await findScatter(context, access.owner, request.params.id);
    if (!scatter) return reply.code(404).send(notFound('scatter', request.params.id));
    const { lines, groups } = await explainScatter(context, access, scatter);
    return { explanation: lines, groups };
  });
}

interface Question {
  taskId: number;
  otherId: number | undefined;
}

async function explain(context: ApiContext, access: Access, { taskId, otherId }: Question) {
  const { components, unreadable, cached, isHidden, domain, imageProblem } = await fingerprintNow(
    context,
    access,
    taskId,
  );
  const fingerprint = components && fingerprintOf(components);
  const entry = fingerprint && (await findEntry(context, access, { domain, fingerprint }));
  const explained = await explainTask(context, access, taskId);
  const differences =
    otherId === undefined ? undefined : await compareTasks(context, access, [taskId, otherId]);
  return {
    ...(explained ? showDecision(explained) : { explanation: [] }),
    verdict: isHidden
      ? 'Not shown: this token does not allow all URLs of the task, or the task names a job role of its own.'
      : verdictOf({
          cached,
          imageProblem,
          unreadable,
          entry,
          isItsOwn: entry?.taskId === taskId,
        }),
    unreadable_inputs: unreadable,
    ...(components && fingerprint && { components, fingerprint: fingerprint.toString('hex') }),
    ...(entry && { entry: showEntry(entry) }),
    ...(differences && { differences }),
  };
}

/** The fingerprint that the task would have if it were checked now. */
async function fingerprintNow(
  context: ApiContext,
  access: Access,
  taskId: number,
): Promise<Fingerprinted> {
  const { config, reader, resolveComponents } = context;
  const filled = await reader.readFilled(taskId);
  if (!filled) return { unreadable: [], cached: false, domain: '' };
  const cached = filled.cache !== 'off';
  const spec = fillTemplate(filled.template, filled.values);
  // S3 is asked with the fleet's own rights: nothing is shown about URLs that the caller may not use.
  if (!mayTellAll(context, access, spec))
    return { unreadable: [], cached, isHidden: true, domain: filled.cacheDomain };
  const [described] = await resolveComponents([
    {
      spec,
      profile: filled.profile,
      setting: cacheSetting(spec, config, { ...filled, owner: access.owner }),
    },
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
  entry: FoundEntry | undefined;
  isItsOwn: boolean;
}

function verdictOf({ cached, imageProblem, unreadable, entry, isItsOwn }: Verdict): string {
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
  if (!entry.isUsable) {
    const why = entry.invalidReason === undefined ? '' : ` ${entry.invalidReason}`;
    return `A miss: the entry with this fingerprint can no longer be used.${why}`;
  }
  return isItsOwn
    ? 'Its own entry is in the cache: an equal task is a hit.'
    : 'A hit: the entry of another task has this fingerprint.';
}

interface FoundEntry {
  taskId: number;
  /** Public; absent where it is a task of another owner. */
  task?: string;
  isUsable: boolean;
  /** Of an entry of the caller alone: it names objects, or says what the owner of the entry wrote. */
  invalidReason?: string;
}

async function findEntry(
  { database }: ApiContext,
  { owner }: Access,
  lookup: CacheLookup,
): Promise<FoundEntry | undefined> {
  const entry = await readEntryOf(database, lookup);
  if (!entry) return undefined;
  const { taskId, invalidReason } = entry;
  const [source] = await readCheckedTasks(database.pool, [taskId]);
  return {
    taskId,
    isUsable: invalidReason === null,
    ...(source?.owner === owner && { task: publicId('task', source) }),
    ...(entry.owner === owner && invalidReason !== null && { invalidReason }),
  };
}

const showEntry = ({ task, isUsable, invalidReason }: FoundEntry) => ({
  task: task ?? 'a task of another owner',
  valid: isUsable,
  ...(invalidReason !== undefined && { invalid_reason: invalidReason }),
});
