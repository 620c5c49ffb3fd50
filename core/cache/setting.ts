/** What the installation adds to a task that its command can notice, and that a hit must therefore agree on. */
import { readQueueArchitectures, type Architecture } from '../image/architecture.ts';
import { effectiveOptions, optionFacts, type OptionSettings } from '../container/options.ts';
import type { TaskSpec } from '../task/task.ts';

export interface InstallationFacts extends Partial<OptionSettings> {
  /** ARN of the role that tasks run as when they do not name one; '' for none. */
  jobRole: string;
  /** The queue of tasks that do not name one. */
  jobQueue: string;
  /** `queue=architecture` each. */
  queueArchitectures: readonly string[];
  /** Folders of the hosts that every task sees. */
  sharedFolders: readonly string[];
}

/** What a task has besides its spec that decides about its results. */
export interface TaskFacts {
  /** See core/cache/replicates.ts. */
  replicate: number;
  /** Volumes can have a folder per owner. */
  owner: string;
}

/** Of the hosts that a task runs on. */
export const architectureFor = (
  { resources }: Pick<TaskSpec, 'resources'>,
  { jobQueue, queueArchitectures }: InstallationFacts,
): Architecture => readQueueArchitectures(queueArchitectures)(resources.queue ?? jobQueue);

/** ARN of the role that a task runs as; '' for none. */
export const jobRoleOf = (
  { resources }: Pick<TaskSpec, 'resources'>,
  { jobRole }: Pick<InstallationFacts, 'jobRole'>,
): string => resources.job_role ?? jobRole;

/**
 * By name; part of the fingerprint. A role decides what a command can read, and so do folders of the
 * hosts. An architecture decides which program of an image runs, and how it computes.
 */
export function cacheSetting(
  spec: TaskSpec,
  facts: InstallationFacts,
  { replicate, owner }: TaskFacts,
): Record<string, string> {
  const role = jobRoleOf(spec, facts);
  const image = spec.executors[0]?.image ?? '';
  const options = effectiveOptions(spec.resources.container ?? {}, facts, { image, owner });
  return {
    architecture: architectureFor(spec, facts),
    ...(role !== '' && { job_role: role }),
    ...(facts.sharedFolders.length > 0 && {
      shared_folders: facts.sharedFolders.toSorted().join(),
    }),
    ...optionFacts(options),
    ...(replicate > 0 && { replicate: String(replicate) }),
  };
}
