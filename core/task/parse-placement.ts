/** On which hosts a task runs: its queue, from what it says of Spot, zones and disks. */
import { allowsQueue, type Offers } from '../access/offers.ts';
import { isSameQueue, onDemandFor, readQueuePairs, ZONE_FORM } from '../submission/on-demand.ts';
import { refuse, type Source } from './read-fields.ts';
import type { Resources } from './task.ts';

export interface AskedPlacement {
  /** As the task names it. */
  queue: string | undefined;
  preemptible: boolean;
  zones: readonly string[];
  /** GiB, where the task says it. */
  diskGb: number | undefined;
}

type Placed = Pick<Resources, 'queue' | 'stays'>;

/** @param queues the job queues that the token allows; any when absent */
export function placeTask(
  resources: Source,
  asked: AskedPlacement,
  { offers, queues }: { offers: Offers | undefined; queues: readonly string[] | undefined },
): { placed: Placed; warnings: string[] } {
  const fallback = asked.queue ?? queues?.[0];
  const plain = fallback === undefined ? {} : { queue: fallback };
  if (!offers) return { placed: plain, warnings: [] };
  const disk = checkDisk(resources, asked, offers);
  const zone = zoneQueue(resources, asked, { offers, queues });
  const queue = asked.queue ?? zone.queue ?? spotQueueFor(asked, offers, queues);
  const placed = queue === undefined ? plain : { queue };
  const start = placed.queue ?? offers.jobQueue;
  const target = onDemandFor(start, {}, offers);
  const stays = target !== undefined && !allowsQueue(target, queues);
  return {
    placed: { ...placed, ...(stays && { stays }) },
    warnings: [...disk, ...zone.warnings, ...spotWarning(asked, { start, target, offers })],
  };
}

const spotQueueFor = (
  { preemptible }: AskedPlacement,
  { spotQueue }: Offers,
  queues: readonly string[] | undefined,
): string | undefined =>
  preemptible && spotQueue !== '' && allowsQueue(spotQueue, queues) ? spotQueue : undefined;

function zoneQueue(
  resources: Source,
  { queue: named, zones }: AskedPlacement,
  { offers, queues }: { offers: Offers; queues: readonly string[] | undefined },
): { queue?: string; warnings: string[] } {
  if (zones.length === 0) return { warnings: [] };
  const known = readQueuePairs(offers.zoneQueues, ZONE_FORM);
  if (known.size === 0)
    return {
      warnings: [
        'zones has no effect: the installation has no queues by zone (BATCHWELL_ZONE_QUEUES).',
      ],
    };
  if (named !== undefined)
    return { warnings: [`zones has no effect: the task names the job queue ${named}.`] };
  const usable = [...known].filter(([, queue]) => allowsQueue(queue, queues));
  const found = zones.map((zone) => usable.find(([name]) => name === zone)?.[1]).find(Boolean);
  if (found !== undefined) return { queue: found, warnings: [] };
  refuse(
    resources,
    'zones',
    `at least one of the zones ${usable.map(([zone]) => zone).join(', ') || '(none)'}`,
    zones,
  );
  return { warnings: [] };
}

/** A task that is preemptible, and is not treated as one, is told so. */
function spotWarning(
  { preemptible, queue: named }: AskedPlacement,
  { start, target, offers }: { start: string; target: string | undefined; offers: Offers },
): string[] {
  const isSpot = offers.spotQueue !== '' && isSameQueue(start, offers.spotQueue);
  if (!preemptible || isSpot || target !== undefined) return [];
  const why =
    named === undefined
      ? 'the installation has no queue for preemptible tasks that it may use (BATCHWELL_SPOT_QUEUE)'
      : 'the task names its job queue, which is not one for preemptible tasks';
  return [`preemptible has no effect: ${why}. The task runs in ${start}.`];
}

function checkDisk(resources: Source, { diskGb }: AskedPlacement, offers: Offers): string[] {
  const { largestDiskGb } = offers;
  if (diskGb === undefined) return [];
  if (largestDiskGb === 0)
    return [
      'disk_gb was not checked: the installation does not say how large the disks of its hosts ' +
        'are (BATCHWELL_LARGEST_DISK_GB).',
    ];
  if (diskGb > largestDiskGb)
    refuse(
      resources,
      'disk_gb',
      `at most ${largestDiskGb} (GiB), which the largest disk of the hosts has`,
      diskGb,
    );
  return [];
}
