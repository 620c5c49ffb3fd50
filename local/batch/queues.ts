/**
 * Job queues, compute environments and who runs next.
 *
 * One running container takes one slot, whatever its vCPUs. The slots belong to a compute environment: its
 * `maxvCpus`. Queues that name the same environment share its slots, the higher priority first.
 */
import type { Job } from './jobs.ts';
import type { RunnableLine } from './runnable-line.ts';
import { createRunnableLine } from './runnable-line.ts';

export interface ComputeEnvironment {
  name: string;
  slots: number;
  state: 'ENABLED' | 'DISABLED';
  /** As given to CreateComputeEnvironment, shown again by DescribeComputeEnvironments. */
  request: Record<string, unknown>;
  tags: Record<string, string>;
}

export interface JobQueue {
  name: string;
  state: 'ENABLED' | 'DISABLED';
  priority: number;
  /** Names of compute environments, in order. */
  environments: string[];
  tags: Record<string, string>;
  schedulingPolicyArn?: string;
}

interface LiveQueue {
  queue: JobQueue;
  line: RunnableLine;
}

/** Frees the slot again; a second call does nothing. */
export type FreeSlot = () => void;

export interface Queues {
  putEnvironment(environment: ComputeEnvironment): void;
  environment(name: string): ComputeEnvironment | undefined;
  environments(): ComputeEnvironment[];
  removeEnvironment(name: string): void;
  put(queue: JobQueue): void;
  get(name: string): JobQueue | undefined;
  list(): JobQueue[];
  remove(name: string): void;
  /** Lines up a RUNNABLE job. */
  push(job: Job): void;
  front(queueName: string, limit: number): Job[];
  /** Slots in use, over all environments. */
  slotsUsed(): number;
}

/**
 * @param start called with a RUNNABLE job that got a slot. It moves the job on at once.
 */
export function createQueues(start: (job: Job, environment: string, freeSlot: FreeSlot) => void): Queues {
  const environments = new Map<string, ComputeEnvironment>();
  const used = new Map<string, number>();
  const queues = new Map<string, LiveQueue>();
  let byPriority: LiveQueue[] = [];
  let planned = false;

  function freeEnvironment(queue: JobQueue): ComputeEnvironment | undefined {
    for (const name of queue.environments) {
      const environment = environments.get(name);
      if (environment?.state === 'ENABLED' && (used.get(name) ?? 0) < environment.slots) return environment;
    }
    return undefined;
  }

  function startIn(environment: ComputeEnvironment, job: Job): void {
    const { name } = environment;
    used.set(name, (used.get(name) ?? 0) + 1);
    let freed = false;
    start(job, name, () => {
      if (freed) return;
      freed = true;
      used.set(name, (used.get(name) ?? 0) - 1);
      plan();
    });
  }

  function dispatch(): void {
    planned = false;
    for (const { queue, line } of byPriority) {
      for (let environment = freeEnvironment(queue); environment !== undefined; environment = freeEnvironment(queue)) {
        const job = line.take();
        if (job === undefined) break;
        startIn(environment, job);
      }
    }
  }

  // Once per turn of the loop: a thousand children that end in the same turn make one round of dispatching.
  function plan(): void {
    if (planned) return;
    planned = true;
    setImmediate(dispatch);
  }

  function sort(): void {
    byPriority = [...queues.values()].toSorted((one, other) => other.queue.priority - one.queue.priority);
    plan();
  }

  return {
    putEnvironment(environment) {
      environments.set(environment.name, environment);
      plan();
    },
    environment: (name) => environments.get(name),
    environments: () => [...environments.values()],
    removeEnvironment: (name) => void environments.delete(name),
    put(queue) {
      queues.set(queue.name, { queue, line: queues.get(queue.name)?.line ?? createRunnableLine() });
      sort();
    },
    get: (name) => queues.get(name)?.queue,
    list: () => [...queues.values()].map(({ queue }) => queue),
    remove(name) {
      queues.delete(name);
      sort();
    },
    push(job) {
      queues.get(job.submission.queueName)?.line.push(job);
      plan();
    },
    front: (queueName, limit) => queues.get(queueName)?.line.front(limit) ?? [],
    slotsUsed: () => [...used.values()].reduce((sum, count) => sum + count, 0),
  };
}
