/**
 * What AWS Batch must know about a task: image, role, mounts, limits, and a command that is always
 * the same. The stager finds the script and its data, so all tasks of one image and size share one
 * definition.
 */
import { HOST_FOLDER, SHARED_VARIABLE, STAGER_COMMAND } from './container.ts';
import {
  effectiveOptions,
  mountedVolumes,
  optionContent,
  type OptionContent,
  type OptionSettings,
} from './options.ts';
import type { VolumeContent } from './volumes.ts';
import { leavesSpot } from '../retry/decide-retry.ts';
import { onDemandFor, type OnDemandSettings } from '../submission/on-demand.ts';
import { sha256 } from '../ids.ts';
import type { Resources } from '../task/task.ts';

/** The request of RegisterJobDefinition without the name (source: AWS Batch API, 2016-08-10). */
export interface DefinitionContent {
  type: 'container';
  platformCapabilities: ['EC2'];
  containerProperties: OptionContent & {
    image: string;
    command: string[];
    resourceRequirements: { type: 'VCPU' | 'MEMORY' | 'GPU'; value: string }[];
    volumes: VolumeContent[];
    mountPoints: { sourceVolume: string; containerPath: string; readOnly: boolean }[];
    environment?: { name: string; value: string }[];
    jobRoleArn?: string;
  };
  retryStrategy: {
    attempts: number;
    evaluateOnExit: { action: 'RETRY' | 'EXIT'; onStatusReason?: string; onReason?: string }[];
  };
  timeout?: { attemptDurationSeconds: number };
}

export interface DefinitionSettings extends Partial<OptionSettings> {
  jobRole: string;
  hostFolder: string;
  /** Folders of the host, mounted into the task under the same paths. */
  sharedFolders: readonly string[];
  /** How many times the memory was doubled. */
  memoryGrowths: number;
  /** Of the task: volumes can have a folder per owner. */
  owner?: string;
  /** How many hosts Batch itself may lose to a job before the fleet is told. */
  lossesInBatch?: number;
}

const MIB_PER_GIB = 1024;
/**
 * The stager runs in the task's container and needs about 80 MiB (measured); with 32 MiB it does
 * not start.
 */
const LEAST_MEMORY_MIB = 128;
/** Batch itself retries after a spot or host loss: such a retry costs the fleet no request. */
const LOSSES_IN_BATCH = 3;

/** In a queue that tasks leave, as many as they can lose there. */
export const lossesInBatch = (
  queue: string,
  resources: Resources,
  settings: OnDemandSettings & { spotLosses: number },
): number =>
  onDemandFor(queue, resources, settings) === undefined ? LOSSES_IN_BATCH : settings.spotLosses;

export function definitionContent(
  image: string,
  resources: Resources,
  settings: DefinitionSettings,
): DefinitionContent {
  const jobRole = resources.job_role ?? settings.jobRole;
  const options = effectiveOptions(resources.container ?? {}, settings, {
    image,
    owner: settings.owner ?? '',
  });
  const mounted = mountedVolumes(options);
  const memoryMib =
    Math.max(LEAST_MEMORY_MIB, Math.ceil(resources.ram_gb * MIB_PER_GIB)) *
    2 ** settings.memoryGrowths;
  return {
    type: 'container',
    platformCapabilities: ['EC2'],
    containerProperties: {
      image,
      command: [...STAGER_COMMAND],
      resourceRequirements: [
        { type: 'VCPU', value: String(resources.cpu_cores) },
        { type: 'MEMORY', value: String(memoryMib) },
        ...(options.gpus > 0 ? [{ type: 'GPU' as const, value: String(options.gpus) }] : []),
      ],
      volumes: [
        { name: 'batchwell', host: { sourcePath: settings.hostFolder } },
        ...settings.sharedFolders.map((folder, position) => ({
          name: `shared-${position}`,
          host: { sourcePath: folder },
        })),
        ...mounted.map(({ content }) => content),
      ],
      mountPoints: [
        { sourceVolume: 'batchwell', containerPath: HOST_FOLDER, readOnly: true },
        ...settings.sharedFolders.map((folder, position) => ({
          sourceVolume: `shared-${position}`,
          containerPath: folder,
          readOnly: false,
        })),
        ...mounted.map(({ mount }) => mount),
      ],
      ...(settings.sharedFolders.length > 0 && {
        environment: [{ name: SHARED_VARIABLE, value: JSON.stringify(settings.sharedFolders) }],
      }),
      ...(jobRole === '' ? {} : { jobRoleArn: jobRole }),
      ...optionContent(options),
    },
    retryStrategy: {
      attempts: settings.lossesInBatch ?? LOSSES_IN_BATCH,
      evaluateOnExit: [
        { action: 'RETRY', onStatusReason: 'Host EC2*' },
        { action: 'EXIT', onReason: '*' },
      ],
    },
    ...(resources.timeout_seconds === undefined
      ? {}
      : { timeout: { attemptDurationSeconds: resources.timeout_seconds } }),
  };
}

/** SHA-256 of the content, 32 bytes. */
export const definitionDigest = (content: DefinitionContent): Buffer =>
  sha256(JSON.stringify(content));

/**
 * A name made from the content, so that two registrations under one name always have the same
 * content (in Cromwell, tasks once ran under another task's definition).
 */
export function definitionName(content: DefinitionContent, digest: Buffer): string {
  const slug =
    content.containerProperties.image
      .split('@')[0]
      ?.split('/')
      .at(-1)
      ?.replaceAll(/[^A-Za-z0-9_-]+/g, '-')
      .slice(0, 60) ?? 'image';
  return `batchwell-${slug}-${digest.toString('hex').slice(0, 24)}`;
}

/** What a job is submitted with, besides its definition and its size. */
export interface Scheduling {
  queue: string;
  /** Share identifier; '' for queues without a fair-share policy, for which Batch accepts none. */
  share: string;
  /** Only used with a share. */
  priority: number;
  /** Of the job and its ECS tasks, for the costs of AWS. */
  tags: Readonly<Record<string, string>>;
}

/**
 * Digest of what attempts must have in common to share an array job, 16 bytes. The owner is part of
 * it: the containers of a submission share its secret and its place in the work bucket.
 */
export function shapeOf(
  definition: Buffer,
  { queue, share, priority, tags }: Scheduling,
  owner: string,
): Buffer {
  const sortedTags = Object.entries(tags).toSorted(([a], [b]) => (a < b ? -1 : 1));
  const parts = [
    definition.toString('hex'),
    queue,
    share,
    priority,
    owner,
    ...(sortedTags.length > 0 ? [sortedTags] : []),
  ];
  return sha256(JSON.stringify(parts)).subarray(0, 16);
}

interface SchedulingSettings extends OnDemandSettings {
  jobQueue: string;
  share: string;
  owner: string;
  /** `key=value` each. */
  jobTags?: readonly string[];
}

/**
 * `{owner}` in the configured share and in the configured tags becomes the task's owner. Share
 * identifiers may have letters and digits only.
 * @param hostLosses how many times the task was retried after its hosts were lost
 */
export function schedulingOf(
  resources: Resources,
  settings: SchedulingSettings,
  hostLosses = 0,
): Scheduling {
  const share =
    resources.share ??
    settings.share
      .replaceAll('{owner}', settings.owner)
      .replaceAll(/[^A-Za-z0-9]/g, '')
      .slice(0, 255);
  const queue = resources.queue ?? settings.jobQueue;
  return {
    queue: leavesSpot({ hostLosses }) ? (onDemandFor(queue, resources, settings) ?? queue) : queue,
    share,
    priority: share === '' ? 0 : (resources.priority ?? 0),
    tags: tagsOf(resources, settings),
  };
}

/** The queues that a task leaves and goes to; undefined where it stays. */
export function queueChange(
  resources: Resources,
  settings: SchedulingSettings,
  { before, after }: { before: number; after: number },
): { from: string; to: string } | undefined {
  const [from, to] = [before, after].map((losses) => schedulingOf(resources, settings, losses));
  return from && to && from.queue !== to.queue ? { from: from.queue, to: to.queue } : undefined;
}

/** By key; `{owner}` in a value is still to be replaced. */
export const readJobTags = (entries: readonly string[]): Map<string, string> =>
  new Map(
    entries.map((text): [string, string] => {
      const at = text.indexOf('=');
      return [text.slice(0, at).trim(), text.slice(at + 1).trim()];
    }),
  );

/** A task's own tag replaces the configured one of its name. */
const tagsOf = (
  { job_tags: own }: Resources,
  { jobTags = [], owner }: SchedulingSettings,
): Record<string, string> => ({
  ...Object.fromEntries(
    [...readJobTags(jobTags)].map(([key, value]) => [key, ownerTag(value, owner)]),
  ),
  ...own,
});

/** AWS allows few characters in the value of a tag. */
const ownerTag = (value: string, owner: string): string =>
  value.replaceAll('{owner}', owner.replaceAll(/[^\p{L}\p{N} +\-=._:/@]/gu, '_')).slice(0, 256);
