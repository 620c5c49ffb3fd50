/** One wide scatter: how fast it goes, and which stage holds it up. */
import type { Plan, Row } from '../panel.ts';
import { BACKLOG } from '../expressions.ts';
import { queues } from '../rows/queues.ts';
import { throughput } from '../rows/throughput.ts';
import { ofStage } from '../panel.ts';

const progress: Row = {
  title: 'Progress',
  panels: [
    {
      title: 'Tasks left by place',
      unit: 'short',
      width: 12,
      stacked: true,
      description:
        'Unfinished tasks. A straight line down is a steady rate. If it is flat at a stage other ' +
        'than poll, look at that stage below. If it is flat at poll, Batch has no more capacity.',
      queries: [{ expression: 'max by (place) (batchwell_tasks)', legend: '{{place}}' }],
    },
    {
      title: 'Time to drain',
      unit: 's',
      width: 6,
      description:
        'Backlog divided by the rate at which tasks ended in the last 5 minutes. If it grows, tasks ' +
        'arrive faster than they end, or the last ones are long.',
      queries: [
        {
          expression: `${BACKLOG} / (sum(rate(batchwell_tasks_ended_total[5m])) > 0)`,
          legend: 'time to drain',
        },
      ],
    },
    {
      title: 'Batch jobs of the fleet',
      unit: 'short',
      width: 6,
      stacked: true,
      description:
        'Children of arrays that have not ended, by status, as last seen. Many RUNNABLE with few RUNNING: Batch is the ' +
        'limit. Few of both while tasks are at submit: Batchwell is.' +
        ' If nothing is RUNNING, see BatchwellNothingStarts in the runbook.',
      queries: [
        {
          expression:
            'sum by (status) (batchwell:batch_jobs:last_seen{status!~"SUCCEEDED|FAILED"})',
          legend: '{{status}}',
        },
      ],
    },
  ],
};

const capacity: Row = {
  title: 'Capacity of the stages',
  panels: [
    {
      title: 'Busy share of each stage',
      unit: 'percentunit',
      width: 8,
      thresholds: { yellow: 0.9 },
      description:
        'Messages that workers have, divided by those that they can have at once. Near 100% with ' +
        'idle CPUs: raise --concurrency. With busy CPUs: add workers with that stage.',
      queries: [
        {
          expression:
            `sum by (stage) (batchwell_stage_active_messages${ofStage}) / ` +
            `(sum by (stage) (batchwell_stage_concurrency${ofStage}) > 0)`,
          legend: '{{stage}}',
        },
      ],
    },
    {
      title: 'Workers per stage',
      unit: 'short',
      width: 8,
      description:
        'Processes that run each stage. At 0 nothing leaves the stage: see ' +
        'BatchwellStageWithoutWorkers in the runbook.',
      queries: [
        {
          expression: `sum by (stage) (batchwell_stage_workers${ofStage})`,
          legend: '{{stage}}',
        },
      ],
    },
    {
      title: 'Spans of the timeline, p95',
      unit: 's',
      width: 8,
      description:
        'Of the tasks whose end was seen in the last 10 minutes. accepted-submitted of more than ' +
        'seconds: a stage before Batch is behind, or the owner is at its limit. ended-seen: poll is ' +
        'behind (BatchwellEndSeenLate). seen-done: finalize is.' +
        ' If submitted-started is long, Batch has no capacity.',
      queries: [
        {
          expression:
            'histogram_quantile(0.95, sum by (le, span) (increase(batchwell_task_span_seconds_bucket[10m])))',
          legend: '{{span}}',
        },
      ],
    },
  ],
};

export const heavyScatter: Plan = {
  uid: 'batchwell-heavy-scatter',
  title: 'Batchwell: Heavy scatter',
  description: 'How fast a wide scatter goes, and which stage holds it up.',
  variables: ['stage'],
  rows: [progress, capacity, throughput, queues],
};
