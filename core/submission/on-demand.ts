/** Where tasks go whose Spot hosts were lost: from a job queue to one with On-Demand capacity. */

export interface OnDemandSettings {
  /** `queue=On-Demand queue` each. */
  onDemandQueues?: readonly string[];
  /** Queue of preemptible tasks that name none; '' for none. */
  spotQueue?: string;
  /** Queue of tasks that name none. */
  jobQueue: string;
}

/** Of an ARN the queue's name: a task may name a queue by either. */
const nameOf = (queue: string): string => queue.replace(/^arn:.*:job-queue\//, '');

const isArn = (queue: string): boolean => queue.startsWith('arn:');

/** Two ARNs of one name can be queues of two Regions or accounts. */
export const isSameQueue = (one: string, other: string): boolean =>
  isArn(one) && isArn(other) ? one === other : nameOf(one) === nameOf(other);

/** From `queue=other` entries. @throws Error that says what was expected */
export function readQueuePairs(entries: readonly string[], form: string): Map<string, string> {
  return new Map(
    entries.map((entry): [string, string] => {
      const [, key = '', queue = ''] = /^([^=]+)=([^=]+)$/.exec(entry) ?? [];
      if (key === '' || !isQueueName(queue))
        throw new Error(`expected ${form}, got ${JSON.stringify(entry)}`);
      return [key, queue];
    }),
  );
}

/** The name or ARN of a job queue. */
export const isQueueName = (text: string): boolean =>
  text.length <= 512 && /^(arn:[\w:/.-]+|[A-Za-z0-9][\w-]{0,127})$/.test(text);

export const ON_DEMAND_FORM = 'queue=queue with On-Demand hosts';

/**
 * The queue for a task that lost its hosts in `queue`; undefined where it stays there. The Spot
 * queue leads to the default queue where no other is named.
 */
export function onDemandFor(
  queue: string,
  { stays }: { stays?: true },
  { onDemandQueues = [], spotQueue = '', jobQueue }: OnDemandSettings,
): string | undefined {
  if (stays) return undefined;
  const pairs = readQueuePairs(onDemandQueues, ON_DEMAND_FORM);
  const found =
    [...pairs].find(([from]) => isSameQueue(from, queue))?.[1] ??
    (spotQueue !== '' && isSameQueue(spotQueue, queue) ? jobQueue : undefined);
  return found === undefined || isSameQueue(found, queue) ? undefined : found;
}

/** All job queues that settings name. */
export const configuredQueues = ({
  jobQueue,
  spotQueue = '',
  onDemandQueues = [],
  zoneQueues,
}: OnDemandSettings & { zoneQueues: readonly string[] }): string[] =>
  [
    jobQueue,
    spotQueue,
    ...[...readQueuePairs(onDemandQueues, ON_DEMAND_FORM)].flat(),
    ...readQueuePairs(zoneQueues, ZONE_FORM).values(),
  ].filter(Boolean);

export const ZONE_FORM = 'zone=queue';
