/**
 * What AWS Batch must know about a task: image, role, mounts, limits, and a command that is always
 * the same. The stager finds the script and its data, so all tasks of one image and size share one
 * definition.
 */
import { HOST_FOLDER, SHARED_VARIABLE, STAGER_COMMAND } from './container.ts';
import { sha256 } from '../ids.ts';
import type { Resources } from '../task/task.ts';

/** The request of RegisterJobDefinition without the name (source: AWS Batch API, 2016-08-10). */
export interface DefinitionContent {
  type: 'container';
  platformCapabilities: ['EC2'];
  containerProperties: {
    image: string;
    command: string[];
    resourceRequirements: { type: 'VCPU' | 'MEMORY'; value: string }[];
    volumes: { name: string; host: { sourcePath: string } }[];
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

export interface DefinitionSettings {
  jobRole: string;
  hostFolder: string;
  /** Folders of the host, mounted into the task under the same paths. */
  sharedFolders: readonly string[];
  /** How many times the memory was doubled. */
  memoryGrowths: number;
}

const MIB_PER_GIB = 1024;
/**
 * The stager runs in the task's container and needs about 80 MiB (measured); with 32 MiB it does
 * not start.
 */
const LEAST_MEMORY_MIB = 128;
/** Batch itself retries after a spot or host loss: such a retry costs the fleet no request. */
const BATCH_ATTEMPTS = 3;

export function definitionContent(
  image: string,
  resources: Resources,
  settings: DefinitionSettings,
): DefinitionContent {
  const jobRole = resources.job_role ?? settings.jobRole;
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
      ],
      volumes: [
        { name: 'batchwell', host: { sourcePath: settings.hostFolder } },
        ...settings.sharedFolders.map((folder, position) => ({
          name: `shared-${position}`,
          host: { sourcePath: folder },
        })),
      ],
      mountPoints: [
        { sourceVolume: 'batchwell', containerPath: HOST_FOLDER, readOnly: true },
        ...settings.sharedFolders.map((folder, position) => ({
          sourceVolume: `shared-${position}`,
          containerPath: folder,
          readOnly: false,
        })),
      ],
      ...(settings.sharedFolders.length > 0 && {
        environment: [{ name: SHARED_VARIABLE, value: JSON.stringify(settings.sharedFolders) }],
      }),
      ...(jobRole === '' ? {} : { jobRoleArn: jobRole }),
    },
    retryStrategy: {
      attempts: BATCH_ATTEMPTS,
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
}

/**
 * Digest of what attempts must have in common to share an array job, 16 bytes. The owner is part of
 * it: the containers of a submission share its secret and its place in the work bucket.
 */
export function shapeOf(
  definition: Buffer,
  { queue, share, priority }: Scheduling,
  owner: string,
): Buffer {
  const parts = [definition.toString('hex'), queue, share, priority, owner];
  return sha256(JSON.stringify(parts)).subarray(0, 16);
}

/**
 * `{owner}` in the configured share becomes the task's owner. Share identifiers may have letters
 * and digits only.
 */
export function schedulingOf(
  resources: Resources,
  settings: { jobQueue: string; share: string; owner: string },
): Scheduling {
  const share =
    resources.share ??
    settings.share
      .replaceAll('{owner}', settings.owner)
      .replaceAll(/[^A-Za-z0-9]/g, '')
      .slice(0, 255);
  return {
    queue: resources.queue ?? settings.jobQueue,
    share,
    priority: share === '' ? 0 : (resources.priority ?? 0),
  };
}
