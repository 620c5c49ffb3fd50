import type { Registry } from 'prom-client';
import { stages } from '../../core/places.ts';
import { gauge, withLabel } from '../series.ts';

const redisMemory = ['used', 'maximum'] as const;

/**
 * What one worker at a time counts for the whole fleet (workers/upkeep/fleet-count/). Gauges of the
 * others are 0, so read them with `max`; the counters belong to the process that counted, so sum them.
 */
export const fleetMetrics = (registers: Registry[]) => ({
  fleetCounted: gauge({
    name: 'batchwell_fleet_counted_timestamp_seconds',
    help: 'When this process last counted the fleet; 0 while another one does.',
    startsAt: [{}],
    registers,
  }),
  tasks: gauge({
    name: 'batchwell_tasks',
    help: 'Unfinished tasks of the fleet, by place.',
    labels: ['place'],
    startsAt: withLabel('place', stages),
    registers,
  }),
  tasksOldestSeconds: gauge({
    name: 'batchwell_tasks_oldest_seconds',
    help: 'How long the task that has been at a place for the longest has been there.',
    labels: ['place'],
    startsAt: withLabel('place', stages),
    registers,
  }),
  queueOldestUnstarted: gauge({
    name: 'batchwell_queue_oldest_unstarted_seconds',
    help: 'How long the submission that waits in a job queue for the longest has been there.',
    labels: ['queue'],
    registers,
  }),
  queueHeldUp: gauge({
    name: 'batchwell_queue_held_up_tasks',
    help: 'Tasks of a job queue for which Batch or AWS says why they do not start.',
    labels: ['queue'],
    registers,
  }),
  redisMemory: gauge({
    name: 'batchwell_redis_memory_bytes',
    help: 'Memory that Redis uses, and the most that it may use; 0 where it has no limit.',
    labels: ['what'],
    startsAt: withLabel('what', redisMemory),
    registers,
  }),
});
