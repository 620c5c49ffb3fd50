import { ofStage, percentiles, rate, type Row } from '../panel.ts';

export const throughput: Row = {
  title: 'Throughput: a scatter on its way',
  panels: [
    {
      title: 'Tasks accepted',
      unit: 'ops',
      width: 8,
      stacked: true,
      description:
        'Tasks/s that the API committed. Flat at 0 while callers push: look at readyz of the API and at its log; a full database or a lost MySQL refuses with 503.',
      queries: [
        {
          expression: `sum by (kind) (${rate('batchwell_tasks_accepted_total')})`,
          legend: '{{kind}}',
        },
      ],
    },
    {
      title: 'Tasks coming into a stage',
      unit: 'ops',
      width: 8,
      description:
        'Tasks/s by the stage they come into; entries made by the API or by a move. A stage whose line stays above its "leaving" line is the bottleneck: give it workers (docker compose up --scale worker-STAGE=3).',
      queries: [
        {
          expression: `sum by (stage) (${rate('batchwell_stage_entered_tasks_total', ofStage)})`,
          legend: '{{stage}}',
        },
      ],
    },
    {
      title: 'Tasks leaving a stage',
      unit: 'ops',
      width: 8,
      description:
        'Tasks/s by stage and move. `again` is a retry after a lost host or out of memory, `hit-lost` a cache entry without its outputs. No move at all while messages wait: runbook, BatchwellStageStandsStill.',
      queries: [
        {
          expression: `sum by (stage, move) (${rate('batchwell_stage_moved_tasks_total', ofStage)}) > 0`,
          legend: '{{stage}} {{move}}',
        },
      ],
    },
    {
      title: 'Tasks ended',
      unit: 'ops',
      width: 8,
      stacked: true,
      description:
        'Tasks/s that came to their end. Failed ones above a few: see "Failures by reason" for whose fault it is.',
      queries: [
        {
          expression: `sum by (place) (${rate('batchwell_tasks_ended_total')})`,
          legend: '{{place}}',
        },
      ],
    },
    {
      title: 'From acceptance to done',
      unit: 's',
      width: 8,
      description:
        'Seconds a task that ended well took, its run included. Long while queues are empty: Batch has no room (see "Batch jobs by status"), or the tasks themselves are long.',
      queries: percentiles('batchwell_task_seconds', 'place'),
    },
    {
      title: 'Accepted minus ended, last hour',
      unit: 'short',
      width: 8,
      signed: true,
      description:
        'How the number of tasks under way changed in an hour. Above 0 and growing: more comes in than Batch can run. This is load, not a fault, unless a queue below stands still.',
      queries: [
        {
          expression:
            'sum(increase(batchwell_tasks_accepted_total[1h])) - sum(increase(batchwell_tasks_ended_total[1h]))',
          legend: 'tasks',
        },
      ],
    },
  ],
};
