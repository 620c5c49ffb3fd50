/** A dry run: checks a task and shows how it would run. Nothing is stored or submitted. */
import { Type } from 'typebox';
import type { TaskComponents } from '../../aws/fingerprints.ts';
import type { Access } from '../../core/access/access.ts';
import { cacheSetting } from '../../core/cache/setting.ts';
import { fingerprintOf, type Components } from '../../core/cache/fingerprint.ts';
import {
  definitionContent,
  lossesInBatch,
  schedulingOf,
} from '../../core/container/job-definition.ts';
import { publicId } from '../../core/ids.ts';
import { parseTesTask } from '../../core/task/parse-task.ts';
import { profileNames } from '../../core/profiles/profile-names.ts';
import { cacheModes, readsCache, type CacheMode, type NewTask } from '../../core/task/task.ts';
import { splitTask } from '../../core/task/template.ts';
import { readEntryOf } from '../../db/call-cache.ts';
import { readCheckedTasks } from '../../db/cache-explain.ts';
import { mayTellAll } from '../cache/compared-calls.ts';
import { explainNew } from '../cache/explain-new.ts';
import { refusal } from '../http/errors.ts';
import type { Api } from '../dependencies.ts';
import { failures } from '../schemas/replies.ts';
import { TesTaskRequest } from '../schemas/tes.ts';
import { LARGEST_TASK_BYTES, SUBMITS } from '../http/rate-limit.ts';
import type { ApiContext } from '../context.ts';
import { scriptText } from './script.ts';

export const Validation = Type.Object({
  warnings: Type.Array(Type.String(), { description: 'What would be ignored or changed' }),
  client: Type.Enum(profileNames, { description: 'Client whose conventions apply to the task' }),
  queue: Type.String({ description: 'AWS Batch job queue' }),
  job_definition: Type.Any({
    description: 'The RegisterJobDefinition request, without the name',
  }),
  script: Type.String({
    description: 'The exact script that would run; the values of secrets are hidden',
  }),
  cache: Type.Object({
    mode: Type.Enum(cacheModes),
    verdict: Type.Enum(
      ['off', 'image-not-resolved', 'unreadable-input', 'miss', 'hit', 'not-told'] as const,
      {
        description:
          '`not-told`: the task names a job role of its own, and Batchwell tells nothing about objects that only that role may read',
      },
    ),
    image_problem: Type.Optional(
      Type.String({ description: 'Why the digest of the image is not known' }),
    ),
    unreadable_inputs: Type.Array(Type.String()),
    explanation: Type.Array(Type.String(), {
      description: 'Why it would be a hit or a miss, line by line',
    }),
    entry_of: Type.Optional(
      Type.String({
        description: 'Id of the task of the same owner whose outputs would be reused',
      }),
    ),
  }),
});

export function validateRoutes(api: Api, context: ApiContext): void {
  const { config, taskDefaultsOf } = context;
  const schema = {
    tags: ['Tasks'],
    summary: 'Validate a task and show how it would run; nothing is stored',
    body: TesTaskRequest,
    response: { 200: Validation, ...failures },
  };
  const options = { config: SUBMITS, bodyLimit: LARGEST_TASK_BYTES, schema };
  api.post('/tasks::validate', options, async (request, reply) => {
    const { access } = request.caller;
    const read = parseTesTask(request.body, taskDefaultsOf(access));
    if ('problems' in read) return reply.code(400).send(refusal(read.problems));
    const { resources, executors } = read.task.spec;
    const scheduling = schedulingOf(resources, { ...config, owner: access.owner });
    return {
      warnings: read.warnings,
      client: read.task.profile,
      queue: scheduling.queue,
      job_definition: definitionContent(executors[0]?.image ?? '', resources, {
        ...config,
        memoryGrowths: 0,
        owner: access.owner,
        lossesInBatch: lossesInBatch(scheduling.queue, resources, config),
      }),
      script: scriptText(splitTask(read.task.spec)),
      cache: await cacheVerdict(context, access, read.task),
    };
  });
}

async function cacheVerdict(context: ApiContext, access: Access, task: NewTask) {
  const { config, resolveComponents } = context;
  const { cache: mode, spec, profile } = task;
  if (!mayTellAll(context, access, spec))
    return {
      mode,
      verdict: 'not-told' as const,
      unreadable_inputs: [],
      explanation: ['The task names a job role of its own: nothing is told about its objects.'],
    };
  const setting = cacheSetting(spec, config, { replicate: 0, owner: access.owner });
  const [described] = mode === 'off' ? [] : await resolveComponents([{ spec, profile, setting }]);
  const hit = await findHit(context, access, { mode, components: described?.components });
  return {
    mode,
    verdict: shortVerdict(mode, described, hit !== undefined),
    unreadable_inputs: described?.unreadable.map(({ url }) => url) ?? [],
    ...(described?.imageProblem && { image_problem: described.imageProblem.sentence }),
    explanation: await explainNew(context, access, { task, described, hitTaskId: hit?.taskId }),
    ...(hit?.id !== undefined && { entry_of: hit.id }),
  };
}

/** The task whose entry would be a hit, and its public id where it is one of the caller's. */
async function findHit(
  { database }: ApiContext,
  { cacheDomain: domain, owner }: Access,
  { mode, components }: { mode: CacheMode; components: Components | undefined },
): Promise<{ taskId: number; id: string | undefined } | undefined> {
  if (!components || !readsCache(mode)) return undefined;
  const entry = await readEntryOf(database, { domain, fingerprint: fingerprintOf(components) });
  if (entry?.invalidReason !== null) return undefined;
  const [source] = await readCheckedTasks(database.pool, [entry.taskId]);
  const isOwn = source?.owner === owner;
  return { taskId: entry.taskId, id: isOwn ? publicId('task', source) : undefined };
}

function shortVerdict(
  mode: CacheMode,
  described: TaskComponents | undefined,
  isHit: boolean,
): 'off' | 'image-not-resolved' | 'unreadable-input' | 'miss' | 'hit' {
  if (mode === 'off') return 'off';
  if (described?.imageProblem) return 'image-not-resolved';
  if (!described?.components) return 'unreadable-input';
  return isHit ? 'hit' : 'miss';
}
