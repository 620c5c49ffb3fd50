/** A dry run: checks a task and shows how it would run. Nothing is stored or submitted. */
import { Type } from 'typebox';
import { cacheSetting } from '../../core/cache/setting.ts';
import { fingerprintOf } from '../../core/cache/fingerprint.ts';
import { definitionContent, schedulingOf } from '../../core/container/job-definition.ts';
import { parseTesTask } from '../../core/task/parse-task.ts';
import { profileNames } from '../../core/profiles/profile-names.ts';
import { cacheModes, type NewTask } from '../../core/task/task.ts';
import { splitTask } from '../../core/task/template.ts';
import { readEntryOf } from '../../db/call-cache.ts';
import { readTaskIds } from '../../db/task-views.ts';
import { refusal } from '../http/errors.ts';
import type { Api } from '../dependencies.ts';
import { failures } from '../schemas/replies.ts';
import { TesTaskRequest } from '../schemas/tes.ts';
import { SUBMITS } from '../http/rate-limit.ts';
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
    verdict: Type.Enum(['off', 'image-not-resolved', 'unreadable-input', 'miss', 'hit'] as const),
    image_problem: Type.Optional(
      Type.String({ description: 'Why the digest of the image is not known' }),
    ),
    unreadable_inputs: Type.Array(Type.String()),
    entry_of: Type.Optional(
      Type.String({ description: 'Id of the task whose outputs would be reused' }),
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
  api.post('/tasks::validate', { config: SUBMITS, schema }, async (request, reply) => {
    const { access } = request.caller;
    const read = parseTesTask(request.body, taskDefaultsOf(access));
    if ('problems' in read) return reply.code(400).send(refusal(read.problems));
    const { resources, executors } = read.task.spec;
    return {
      warnings: read.warnings,
      client: read.task.profile,
      queue: schedulingOf(resources, {
        jobQueue: config.jobQueue,
        share: config.share,
        owner: access.owner,
      }).queue,
      job_definition: definitionContent(executors[0]?.image ?? '', resources, {
        jobRole: config.jobRole,
        hostFolder: config.hostFolder,
        sharedFolders: config.sharedFolders,
        memoryGrowths: 0,
      }),
      script: scriptText(splitTask(read.task.spec)),
      cache: await cacheVerdict(context, access.cacheDomain, read.task),
    };
  });
}

async function cacheVerdict(
  { config, database, resolveComponents }: ApiContext,
  domain: string,
  { cache: mode, spec, profile }: NewTask,
) {
  if (mode === 'off') return { mode, verdict: 'off' as const, unreadable_inputs: [] };
  const [described] = await resolveComponents([
    { spec, profile, setting: cacheSetting(spec, config, { replicate: 0 }) },
  ]);
  if (described?.imageProblem)
    return {
      mode,
      verdict: 'image-not-resolved' as const,
      image_problem: described.imageProblem.sentence,
      unreadable_inputs: [],
    };
  if (!described?.components)
    return {
      mode,
      verdict: 'unreadable-input' as const,
      unreadable_inputs: described?.unreadable.map(({ url }) => url) ?? [],
    };
  const entry = await readEntryOf(database, {
    domain,
    fingerprint: fingerprintOf(described.components),
  });
  const isHit = entry?.invalidReason === null;
  const taskId = isHit
    ? (await readTaskIds(database.pool, [entry.taskId])).get(entry.taskId)
    : undefined;
  return {
    mode,
    verdict: isHit ? ('hit' as const) : ('miss' as const),
    unreadable_inputs: [],
    ...(taskId !== undefined && { entry_of: taskId }),
  };
}
