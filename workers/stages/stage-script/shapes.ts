/**
 * From a template to the shape its attempts are packed by: its job definition, queue, share and
 * priority.
 */
import {
  definitionContent,
  definitionDigest,
  lossesInBatch,
  schedulingOf,
  shapeOf,
} from '../../../core/container/job-definition.ts';
import { volumesNotOffered } from '../../../core/container/options.ts';
import { listNames } from '../../../core/result/list-names.ts';
import { leavesSpot } from '../../../core/retry/decide-retry.ts';
import { failureOf, type Failure } from '../../../core/retry/failures.ts';
import { imageToRun } from '../../../core/image/image-name.ts';
import { NOTE_USE_MS } from '../../../core/retention.ts';
import type { Template } from '../../../core/task/template.ts';
import { saveJobDefinition, saveShape } from '../../../db/job-definitions.ts';
import type { TemplateRow } from '../../../db/templates.ts';
import type { Runtime } from '../../runtime.ts';

export interface ShapeWish {
  templateId: number;
  template: Template;
  memoryGrowths: number;
  /** How many times the task was retried after its hosts were lost. */
  hostLosses: number;
  owner: string;
  /** Of the image, where its tag was resolved: every attempt runs the same one. */
  imageDigest: Buffer | null;
}

/** A process sees few shapes; a wide scatter asks for the same one 40 times. */
const LARGEST_CACHE = 5000;
const known = new WeakMap<Runtime, Map<string, KnownShape>>();

interface KnownShape {
  shape: string;
  /** Then its use is noted again, so that it is not pruned. */
  untilMs: number;
}

/** The shape (hex) of attempts of a template; its rows are made when it is new. */
export async function shapeFor(runtime: Runtime, wish: ShapeWish): Promise<string> {
  const cache = known.get(runtime) ?? new Map<string, KnownShape>();
  known.set(runtime, cache);
  const imageDigest = wish.imageDigest?.toString('hex');
  const wishKey = `${wish.templateId} ${wish.memoryGrowths} ${leavesSpot(wish)} ${imageDigest ?? ''} ${wish.owner}`;
  const found = cache.get(wishKey);
  if (found !== undefined && runtime.nowMs() < found.untilMs) return found.shape;

  const { resources, executors } = wish.template;
  const { config } = runtime;
  const scheduling = schedulingOf(resources, { ...config, owner: wish.owner }, wish.hostLosses);
  const image = imageToRun(executors[0]?.image ?? '', imageDigest);
  const content = definitionContent(image, resources, {
    ...config,
    memoryGrowths: wish.memoryGrowths,
    owner: wish.owner,
    lossesInBatch: lossesInBatch(scheduling.queue, resources, config),
  });
  const digest = definitionDigest(content);
  const nowMs = runtime.nowMs();
  const jobDefinitionId = await saveJobDefinition(runtime.database.pool, {
    digest,
    content,
    nowMs,
  });
  const shape = shapeOf(digest, scheduling, wish.owner);
  await saveShape(runtime.database.pool, {
    shape,
    jobDefinitionId,
    ...scheduling,
    owner: wish.owner,
    nowMs,
  });

  if (cache.size >= LARGEST_CACHE) cache.clear();
  cache.set(wishKey, { shape: shape.toString('hex'), untilMs: nowMs + NOTE_USE_MS });
  return shape.toString('hex');
}

/** A task, as far as it decides its shape. */
export type TaskToShape = Omit<ShapeWish, 'template'> & { id: number };

/** Undefined where the task may run; otherwise why it cannot any more. */
export function volumeFailure(
  { config }: Runtime,
  { template, owner }: Pick<ShapeWish, 'template' | 'owner'>,
): Failure | undefined {
  const gone = volumesNotOffered(template.resources.container ?? {}, config, owner);
  return gone.length === 0
    ? undefined
    : failureOf(
        'misconfigured',
        `The task asks for these volumes, which are no longer offered (BATCHWELL_VOLUMES): ${listNames(gone)}.`,
        'Ask the operator to offer them again, or submit the task without them.',
      );
}

/** The shapes (hex) of the tasks whose script is in S3 and that may run, by task. */
export async function shapesOfStaged(
  runtime: Runtime,
  templates: ReadonlyMap<number, TemplateRow>,
  tasks: readonly TaskToShape[],
): Promise<Map<number, string>> {
  const shapes = new Map<number, string>();
  for (const { id, ...task } of tasks) {
    const known = templates.get(task.templateId);
    if (!known || known.scriptSha256 === null) continue;
    if (volumeFailure(runtime, { ...task, template: known.template })) continue;
    shapes.set(id, await shapeFor(runtime, { ...task, template: known.template }));
  }
  return shapes;
}
