/** Settings that do not fit each other, although each is right by itself. */
import { readQueueArchitectures } from '../core/image/architecture.ts';
import { readVolumes } from '../core/container/volumes.ts';
import { ON_DEMAND_FORM, onDemandFor, readQueuePairs } from '../core/submission/on-demand.ts';

interface ContainerChoices {
  executionRole: string;
  taskSecrets: readonly string[];
  allowedSecrets: readonly string[];
  registryCredentials: readonly string[];
  allowedCredentials: readonly string[];
  volumes: readonly string[];
  taskVolumes: readonly string[];
  sharedFolders: readonly string[];
  tmpfs: readonly string[];
}

export function containerContradictions(choices: ContainerChoices): string[] {
  const { executionRole, taskSecrets, allowedSecrets, registryCredentials } = choices;
  const wrong: string[] = [];
  const needRole = [taskSecrets, allowedSecrets, registryCredentials, choices.allowedCredentials];
  if (executionRole === '' && needRole.some((entries) => entries.length > 0))
    wrong.push(
      'BATCHWELL_EXECUTION_ROLE: required with secrets or logins to registries, because ECS reads ' +
        'them with that role',
    );
  const offered = readVolumes(choices.volumes);
  const unknown = choices.taskVolumes.find((name) => !offered.has(name));
  if (unknown !== undefined)
    wrong.push(`BATCHWELL_TASK_VOLUMES: expected names of BATCHWELL_VOLUMES, got ${unknown}`);
  const taken = new Set([
    ...choices.sharedFolders,
    ...choices.tmpfs.map((entry) => entry.slice(0, entry.lastIndexOf('='))),
  ]);
  const twice = [...offered.values()].find(({ containerPath }) => taken.has(containerPath));
  if (twice)
    wrong.push(
      `BATCHWELL_VOLUMES: the volume ${twice.name} is at ${twice.containerPath}, where ` +
        'BATCHWELL_SHARED_FOLDERS or BATCHWELL_TMPFS has something else',
    );
  const inEach = choices.taskVolumes.map((name) => offered.get(name)?.containerPath);
  const sharedPath = inEach.find((path, at) => path !== undefined && inEach.indexOf(path) < at);
  if (sharedPath !== undefined)
    wrong.push(`BATCHWELL_TASK_VOLUMES: two of its volumes are at ${sharedPath}`);
  return wrong;
}

interface QueueChoices {
  jobQueue: string;
  spotQueue: string;
  onDemandQueues: readonly string[];
  queueArchitectures: readonly string[];
}

/** A task that changes its queue is still the call that its fingerprint names. */
export function queueContradictions(choices: QueueChoices): string[] {
  const architectureOf = readQueueArchitectures(choices.queueArchitectures);
  const from = [
    ...readQueuePairs(choices.onDemandQueues, ON_DEMAND_FORM).keys(),
    ...(choices.spotQueue === '' ? [] : [choices.spotQueue]),
  ];
  return from.flatMap((queue) => {
    const target = onDemandFor(queue, {}, choices);
    return target === undefined || architectureOf(queue) === architectureOf(target)
      ? []
      : [
          `BATCHWELL_ON_DEMAND_QUEUES: ${queue} and ${target} have hosts of different architectures ` +
            '(BATCHWELL_QUEUE_ARCHITECTURES)',
        ];
  });
}
