/** From a template to the shape its attempts are packed by: its job definition, queue, share and priority. */
import {
  definitionContent,
  definitionDigest,
  schedulingOf,
  shapeOf,
} from '../../../core/container/job-definition.ts';
import type { Template } from '../../../core/task/template.ts';
import { saveJobDefinition, saveShape } from '../../../db/job-definitions.ts';
import type { Fleet } from '../../fleet.ts';

export interface ShapeWish {
  templateId: number;
  template: Template;
  memoryGrowths: number;
  owner: string;
}

/** A process sees few shapes; a wide scatter asks for the same one 40 times. */
const LARGEST_CACHE = 5000;
const known = new WeakMap<Fleet, Map<string, string>>();

/** The shape (hex) of attempts of a template; its rows are made when it is new. */
export async function shapeFor(fleet: Fleet, wish: ShapeWish): Promise<string> {
  const cache = known.get(fleet) ?? new Map<string, string>();
  known.set(fleet, cache);
  // The owner counts only where each has a share of their own.
  const perOwner = fleet.config.share.includes('{owner}') ? wish.owner : '';
  const wishKey = `${wish.templateId} ${wish.memoryGrowths} ${perOwner}`;
  const found = cache.get(wishKey);
  if (found !== undefined) return found;

  const { resources, executors } = wish.template;
  const scheduling = schedulingOf(resources, {
    jobQueue: fleet.config.jobQueue,
    share: fleet.config.share,
    owner: wish.owner,
  });
  const content = definitionContent(executors[0]?.image ?? '', resources, {
    jobRole: fleet.config.jobRole,
    hostFolder: fleet.config.hostFolder,
    sharedFolders: fleet.config.sharedFolders,
    memoryGrowths: wish.memoryGrowths,
  });
  const digest = definitionDigest(content);
  const nowMs = fleet.nowMs();
  const jobDefinitionId = await saveJobDefinition(fleet.database.pool, { digest, content, nowMs });
  const shape = shapeOf(digest, scheduling);
  await saveShape(fleet.database.pool, { shape, jobDefinitionId, ...scheduling, nowMs });

  if (cache.size >= LARGEST_CACHE) cache.clear();
  cache.set(wishKey, shape.toString('hex'));
  return shape.toString('hex');
}
