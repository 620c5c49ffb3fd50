/**
 * Job queues, compute environments and which job runs next.
 *
 * One running container takes one slot, whatever its vCPUs. The slots belong to a compute
 * environment: its `maxvCpus`. Queues that name the same environment share its slots, and the
 * higher priority goes first.
 */
import type { Job } from './jobs.ts';
import { createRunnableLine, type RunnableLine } from './runnable-line.ts';

export interface ComputeEnvironment {
  name: string;
  slots: number;
  state: 'ENABLED' | 'DISABLED';
  /** The CreateComputeEnvironment request, which DescribeComputeEnvironments shows. */
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
  /** Queues a RUNNABLE job. */
  push(job: Job): void;
  front(queueName: string, limit: number): Job[];
  /** Slots in use, over all environments. */
  slotsUsed(): number;
}

interface Slots {
  environments: Map<string, ComputeEnvironment>;
  used(): number;
  /** The name of an environment of the queue with a free slot. */
  findFree(queue: JobQueue): string | undefined;
  take(environment: string): FreeSlot;
}

function createSlots(freed: () => void): Slots {
  const environments = new Map<string, ComputeEnvironment>();
  const used = new Map<string, number>();
  const count = (name: string, change: number) =>
    void used.set(name, (used.get(name) ?? 0) + change);
  return {
    environments,
    used: () => [...used.values()].reduce((sum, slots) => sum + slots, 0),
    findFree(queue) {
      return queue.environments.find((name) => {
        const environment = environments.get(name);
        return environment?.state === 'ENABLED' && (used.get(name) ?? 0) < environment.slots;
      });
    },
    take(name) {
      count(name, 1);
      let isFreed = false;
      return () => {
        if (isFreed) return;
        isFreed = true;
        count(name, -1);
        freed();
      };
    },
  };
}

/** Called with a RUNNABLE job and its slot. It must change the job's status at once. */
type StartJob = (job: Job, environment: string, freeSlot: FreeSlot) => void;

/** Starts jobs of the queue until it is empty or its environments are full. */
function startFrom({ queue, line }: LiveQueue, slots: Slots, start: StartJob): void {
  for (
    let environment = slots.findFree(queue);
    environment !== undefined;
    environment = slots.findFree(queue)
  ) {
    const job = line.take();
    if (job === undefined) break;
    start(job, environment, slots.take(environment));
  }
}

export function createQueues(start: StartJob): Queues {
  const queues = new Map<string, LiveQueue>();
  const slots = createSlots(plan);
  let byPriority: LiveQueue[] = [];
  let isPlanned = false;

  function dispatch(): void {
    isPlanned = false;
    for (const queue of byPriority) startFrom(queue, slots, start);
  }

  // Once per turn of the loop: a thousand children that end in the same turn make one round of
  // dispatching.
  function plan(): void {
    if (isPlanned) return;
    isPlanned = true;
    setImmediate(dispatch);
  }

  function sort(): void {
    byPriority = [...queues.values()].toSorted(
      (one, other) => other.queue.priority - one.queue.priority,
    );
    plan();
  }

  return {
    putEnvironment(environment) {
      slots.environments.set(environment.name, environment);
      plan();
    },
    environment: (name) => slots.environments.get(name),
    environments: () => [...slots.environments.values()],
    removeEnvironment: (name) => void slots.environments.delete(name),
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
    slotsUsed: slots.used,
  };
}
