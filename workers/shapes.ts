/** From a template to the shape its attempts are packed by: its job definition, queue and priority. */
import { definitionContent, definitionDigest, shapeOf } from '../core/job-definition.ts';
import type { Template } from '../core/template.ts';
import { saveJobDefinition, saveShape } from '../db/job-definitions.ts';
import type { Fleet } from './fleet.ts';

export interface ShapeWish {
  templateId: number;
  template: Template;
  memoryGrowths: number;
  priority: number;
}

/** A process sees few shapes; a wide scatter asks for the same one 40 times. */
const LARGEST_CACHE = 5000;
const known = new WeakMap<Fleet, Map<string, string>>();

/** The shape (hex) of attempts of a template; its rows are made when it is new. */
export async function shapeFor(fleet: Fleet, wish: ShapeWish): Promise<string> {
  const cache = known.get(fleet) ?? new Map<string, string>();
  known.set(fleet, cache);
  const wishKey = `${wish.templateId} ${wish.memoryGrowths} ${wish.priority}`;
  const found = cache.get(wishKey);
  if (found !== undefined) return found;

  const { resources, executors } = wish.template;
  const queue = resources.queue ?? fleet.config.jobQueue;
  const content = definitionContent(executors[0]?.image ?? '', resources, {
    jobRole: fleet.config.jobRole, hostFolder: fleet.config.hostFolder, memoryGrowths: wish.memoryGrowths,
  });
  const digest = definitionDigest(content);
  const nowMs = fleet.nowMs();
  const jobDefinitionId = await saveJobDefinition(fleet.database.pool, { digest, content, nowMs });
  const shape = shapeOf({ definition: digest, queue, priority: wish.priority });
  await saveShape(fleet.database.pool, { shape, jobDefinitionId, queue, priority: wish.priority, nowMs });

  if (cache.size >= LARGEST_CACHE) cache.clear();
  cache.set(wishKey, shape.toString('hex'));
  return shape.toString('hex');
}
