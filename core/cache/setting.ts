/** What the installation adds to a task that its command can notice, and that a hit must therefore agree on. */
import type { TaskSpec } from '../task/task.ts';

export interface InstallationFacts {
  /** ARN of the role that tasks run as when they do not name one; '' for none. */
  jobRole: string;
}

/** What a task has besides its spec that decides about its results. */
export interface TaskFacts {
  /** See core/cache/replicates.ts. */
  replicate: number;
}

/**
 * By name; part of the fingerprint. A role decides what a command can read; a replicate has a result
 * of its own.
 */
export function cacheSetting(
  { resources }: TaskSpec,
  { jobRole }: InstallationFacts,
  { replicate }: TaskFacts,
): Record<string, string> {
  const role = resources.backend_parameters?.['job_role'] ?? jobRole;
  return {
    ...(role !== '' && { job_role: role }),
    ...(replicate > 0 && { replicate: String(replicate) }),
  };
}
