/** A dry run: what would come of a task. Nothing is stored, nothing is submitted. */
import { Type } from 'typebox';
import { fingerprintOf } from '../../core/cache/fingerprint.ts';
import { definitionContent, schedulingOf } from '../../core/container/job-definition.ts';
import { parseTesTask } from '../../core/task/parse-task.ts';
import { profileNames } from '../../core/profiles/profiles.ts';
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
import { showScript } from './logs.ts';

export const Validation = Type.Object({
  warnings: Type.Array(Type.String()),
  client: Type.Enum(profileNames),
  queue: Type.String({ description: 'Batch job queue' }),
  job_definition: Type.Any({
    description: 'The request of RegisterJobDefinition, but for its name',
  }),
  script: Type.String({ description: 'The exact text that would run, but for secrets' }),
  cache: Type.Object({
    mode: Type.Enum(cacheModes),
    verdict: Type.Enum(['off', 'unreadable-input', 'miss', 'hit'] as const),
    unreadable_inputs: Type.Array(Type.String()),
    entry_of: Type.Optional(Type.String({ description: 'The task whose outputs would be taken' })),
  }),
});

export function validateRoutes(api: Api, context: ApiContext): void {
  const { config, taskDefaultsOf } = context;
  const schema = {
    tags: ['Tasks'],
    summary: 'What would come of a task; nothing is stored',
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
      script: showScript(splitTask(read.task.spec)),
      cache: await cacheVerdict(context, access.cacheDomain, read.task),
    };
  });
}

async function cacheVerdict(
  { database, resolveComponents }: ApiContext,
  domain: string,
  { cache: mode, spec, profile }: NewTask,
) {
  if (mode === 'off') return { mode, verdict: 'off' as const, unreadable_inputs: [] };
  const [described] = await resolveComponents([{ spec, profile }]);
  if (!described?.components)
    return {
      mode,
      verdict: 'unreadable-input' as const,
      unreadable_inputs: described?.unreadable ?? [],
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
