import type { Registry } from 'prom-client';
import { OTHER_OWNERS } from '../../core/fleet/owners.ts';
import { counter, gauge, pairs, withLabel } from '../series.ts';

const others = withLabel('owner', [OTHER_OWNERS]);

/** Who uses the fleet, and what it costs. Counted like those of fleet.ts. */
export const ownerMetrics = (registers: Registry[]) => ({
  ownerTasks: gauge({
    name: 'batchwell_owner_tasks',
    help: 'Unfinished tasks of the 20 busiest owners, and of the others together.',
    labels: ['owner'],
    startsAt: others,
    registers,
  }),
  ownerRunning: gauge({
    name: 'batchwell_owner_running_tasks',
    help: 'Tasks of an owner that run in Batch, by the last look at its queue.',
    labels: ['owner'],
    startsAt: others,
    registers,
  }),
  ownerVcpus: gauge({
    name: 'batchwell_owner_running_vcpus',
    help: 'vCPUs that the running tasks of an owner asked for.',
    labels: ['owner'],
    startsAt: others,
    registers,
  }),
  ownerVcpuSeconds: counter({
    name: 'batchwell_owner_vcpu_seconds_total',
    help:
      'vCPU time of ended attempts, as asked for. Attempts without a result record, such as those ' +
      'on lost hosts, are not counted.',
    labels: ['owner'],
    startsAt: others,
    registers,
  }),
  ownerFailures: counter({
    name: 'batchwell_owner_failures_total',
    help: 'Failed tasks, by owner and reason.',
    labels: ['owner', 'reason'],
    startsAt: pairs(others, withLabel('reason', ['executor-failed'])),
    registers,
  }),
  costPerHour: gauge({
    name: 'batchwell_cost_per_hour',
    help: 'Estimated cost per hour of what runs now, by the price file.',
    labels: ['owner'],
    startsAt: others,
    registers,
  }),
  cost: counter({
    name: 'batchwell_cost_total',
    help: 'Estimated cost of ended attempts, by the price file.',
    labels: ['owner'],
    startsAt: others,
    registers,
  }),
  pricePerHour: gauge({
    name: 'batchwell_price_per_hour',
    help: 'On-Demand price of a vCPU and of a GiB of memory per hour, and the day it was read.',
    labels: ['of', 'currency', 'as_of'],
    registers,
  }),
});
