/**
 * This folder answers questions about the call cache: why tasks hit or missed, and what is in it. This file makes
 * tasks comparable: their texts, what their inputs held, and what the caller may be told about them.
 */
import type { Access } from '../../core/access/access.ts';
import { mayName } from '../../core/access/access.ts';
import type { ComparedCall } from '../../core/cache/compared-call.ts';
import { cacheSetting } from '../../core/cache/setting.ts';
import { profiles } from '../../core/profiles/profiles.ts';
import type { TaskSpec } from '../../core/task/task.ts';
import { fillTemplate } from '../../core/task/template.ts';
import { readFingerprints } from '../../db/cache-fingerprints.ts';
import type { CheckedTask } from '../../db/cache-explain.ts';
import { createTemplateCache } from '../../db/templates.ts';
import type { ApiContext } from '../context.ts';

/** What these questions need of the API. */
export type CacheContext = Pick<
  ApiContext,
  'config' | 'database' | 'canonicalSpecs' | 'taskDefaultsOf'
>;

/** By key of the task; those whose template is gone are left out. */
export async function compareCalls(
  context: CacheContext,
  access: Access,
  tasks: readonly CheckedTask[],
): Promise<Map<number, ComparedCall>> {
  const filled = await fillTasks(context, tasks);
  const fingerprints = await readFingerprints(
    context.database.pool,
    tasks.flatMap(({ fingerprint }) => fingerprint ?? []),
  );
  const specs = await canonicalTexts(context, filled);
  const allowed = allowedUrls(context, access);
  return new Map(
    filled.map(({ task, spec }): [number, ComparedCall] => {
      const made = fingerprints.get(task.fingerprint?.toString('hex') ?? '');
      return [
        task.id,
        {
          // Inputs are shown as they were given; what pairs them is their component.
          spec: { ...(specs.get(task.id) ?? spec), inputs: spec.inputs, outputs: spec.outputs },
          inputs: spec.inputs.map(({ url }, position) => {
            const stored = made?.inputs[position];
            return {
              ...(stored && { stored }),
              ...(url !== undefined &&
                !(allowed(url) && hasFleetsRole(context, spec)) && { isHidden: true }),
            };
          }),
          setting: cacheSetting(spec, context.config, task),
          ...(task.imageDigest && { imageDigest: task.imageDigest.toString('hex') }),
          ...(made && { base: made.base.toString('hex') }),
        },
      ];
    }),
  );
}

async function fillTasks(
  { database }: CacheContext,
  tasks: readonly CheckedTask[],
): Promise<{ task: CheckedTask; spec: TaskSpec }[]> {
  const templates = await createTemplateCache().read(
    database.pool,
    tasks.map(({ templateId }) => templateId),
  );
  return tasks.flatMap((task) => {
    const template = templates.get(task.templateId)?.template;
    return template ? [{ task, spec: fillTemplate(template, task.values) }] : [];
  });
}

/** Keys of the tasks of whose objects the caller may be told everything. */
export async function tellableTasks(
  context: CacheContext,
  access: Access,
  tasks: readonly CheckedTask[],
): Promise<Set<number>> {
  const filled = await fillTasks(context, tasks);
  return new Set(
    filled.filter(({ spec }) => mayTellAll(context, access, spec)).map(({ task }) => task.id),
  );
}

/** Of tasks whose client gives its files other names in each run. */
async function canonicalTexts(
  { canonicalSpecs }: CacheContext,
  filled: readonly { task: CheckedTask; spec: TaskSpec }[],
): Promise<Map<number, TaskSpec>> {
  const named = filled.filter(({ task }) => profiles[task.profile].canonical !== undefined);
  if (named.length === 0) return new Map();
  const specs = await canonicalSpecs(
    named.map(({ task, spec }) => ({ spec, profile: task.profile })),
  );
  return new Map(named.flatMap(({ task }, at) => (specs[at] ? [[task.id, specs[at]]] : [])));
}

/** Which URLs the caller may be told about. */
export function allowedUrls(context: CacheContext, access: Access): (url: string) => boolean {
  const boundaries = context.taskDefaultsOf(access);
  return (url) => mayName(url, boundaries);
}

/**
 * S3 is asked with Batchwell's own rights. What a task may read that names a role of its own is not
 * known, so nothing is told about its objects.
 */
const hasFleetsRole = (
  { config }: Pick<CacheContext, 'config'>,
  { resources: { job_role: role } }: Pick<TaskSpec, 'resources'>,
): boolean => role === undefined || role === config.jobRole;

/** Whether the caller may be told about every object that the task names. */
export function mayTellAll(
  context: CacheContext,
  access: Access,
  { inputs, outputs, resources }: Pick<TaskSpec, 'inputs' | 'outputs' | 'resources'>,
): boolean {
  if (!hasFleetsRole(context, { resources })) return false;
  const allowed = allowedUrls(context, access);
  return [...inputs, ...outputs].every(({ url }) => url === undefined || allowed(url));
}
