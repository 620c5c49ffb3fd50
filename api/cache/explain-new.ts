/** What the cache would say of a task that is not accepted yet. */
import type { TaskComponents } from '../../aws/fingerprints.ts';
import type { Access } from '../../core/access/access.ts';
import type { ComparedCall } from '../../core/cache/compared-call.ts';
import { explainLines, type NamedTask, type NearestTask } from '../../core/cache/explain.ts';
import { baseOf } from '../../core/cache/fingerprint.ts';
import { cacheSetting } from '../../core/cache/setting.ts';
import type { Why } from '../../core/cache/reasons.ts';
import { whyUnidentified } from '../../core/cache/why.ts';
import type { NewTask } from '../../core/task/task.ts';
import { readCheckedTasks, type CheckedTask } from '../../db/cache-explain.ts';
import type { CacheContext } from './compared-calls.ts';
import { chooseFor, nameFor } from './explain-task.ts';

export interface NewCall {
  task: NewTask;
  described: TaskComponents | undefined;
  /** The task whose entry would be a hit. */
  hitTaskId: number | undefined;
}

/** Lines as those of an accepted task. */
export async function explainNew(
  context: CacheContext,
  access: Access,
  { task, described, hitTaskId }: NewCall,
): Promise<string[]> {
  const asked = askedTask(task, access);
  if (hitTaskId !== undefined) {
    const [source] = await readCheckedTasks(context.database.pool, [hitTaskId]);
    const named = source && nameFor(asked, source);
    return linesOf({ reason: 'same-call', sourceId: hitTaskId }, { source: named });
  }
  if (task.cache === 'off') return linesOf({ reason: 'off' });
  if (task.spec.outputs.length === 0) return linesOf({ reason: 'no-outputs' });
  if (!described?.components) return linesOf(whyUnidentified(task.spec, described?.inputs ?? []));
  if (task.cache === 'refresh') return linesOf({ reason: 'refresh' });
  if (task.cache === 'write') return linesOf({ reason: 'write-only' });
  const call = callOf(context, access, { task, described });
  return linesOf(
    { reason: 'no-entry' },
    { nearest: await chooseFor(context, access, { task: asked, call }) },
  );
}

function linesOf(
  why: Why,
  { source, nearest }: { source?: NamedTask | undefined; nearest?: NearestTask | undefined } = {},
): string[] {
  return explainLines({
    place: 'cache-check',
    why,
    ...(source && { source }),
    ...(nearest && { nearest }),
  });
}

/** As if it were the newest task. It has no template yet. */
const askedTask = (task: NewTask, { owner, cacheDomain }: Access): CheckedTask => ({
  id: Number.MAX_SAFE_INTEGER,
  owner,
  cacheDomain,
  name: task.name,
  createdMs: 0,
  place: 'cache-check',
  cache: task.cache,
  profile: task.profile,
  templateId: 0,
  values: [],
  scatterId: null,
  scatterRow: null,
  fingerprint: null,
  imageDigest: null,
  replicate: 0,
  waitsFor: null,
  hitEntryId: null,
  hitMode: null,
  cacheVerdict: null,
  cacheReason: null,
  cacheSource: null,
  cacheSubject: null,
  cacheUnkept: null,
});

function callOf(
  { config }: CacheContext,
  { owner }: Access,
  {
    task: { spec },
    described: { components = {}, inputs },
  }: Pick<NewCall, 'task'> & { described: TaskComponents },
): ComparedCall {
  return {
    spec,
    setting: cacheSetting(spec, config, { replicate: 0, owner }),
    base: baseOf(components).toString('hex'),
    inputs: inputs.map(({ component, sizeBytes, modifiedMs, isFixed }) => ({
      stored: [component, components[component] ?? '', sizeBytes, modifiedMs, isFixed ? 1 : 0],
    })),
  };
}
