import { ofStage, percentiles, counts, type Row } from '../panel.ts';

export const throughput: Row = {
  title: 'Throughput',
  panels: [
    {
      title: 'Tasks accepted',
      unit: 'short',
      draw: 'bars',
      width: 8,
      stacked: true,
      description:
        'Tasks that the API committed. If it is 0 while callers submit, check ' +
        '/readyz and the log of the API. The API answers 503 when MySQL is down or full.',
      queries: [
        {
          expression: `sum by (kind) (${counts('batchwell_tasks_accepted_total')})`,
          legend: '{{kind}}',
        },
      ],
    },
    {
      title: 'Tasks entering a stage',
      unit: 'short',
      draw: 'bars',
      width: 8,
      description:
        'Tasks by the stage that they enter, from the API or by a move. A stage that ' +
        'stays above its line in "Tasks leaving a stage" is the bottleneck. Add workers for it ' +
        '(docker compose up --scale worker-STAGE=3).',
      queries: [
        {
          expression: `sum by (stage) (${counts('batchwell_stage_entered_tasks_total', ofStage)})`,
          legend: '{{stage}}',
        },
      ],
    },
    {
      title: 'Tasks leaving a stage',
      unit: 'short',
      draw: 'bars',
      width: 8,
      description:
        'Tasks by stage and move. `again` is a retry after a lost host, out of ' +
        'memory or a transient error. `hit-lost` is a cache entry without its outputs. If ' +
        'nothing moves while messages wait, see BatchwellStageStandsStill in the runbook.',
      queries: [
        {
          expression: `sum by (stage, move) (${counts('batchwell_stage_moved_tasks_total', ofStage)}) > 0`,
          legend: '{{stage}} {{move}}',
        },
      ],
    },
    {
      title: 'Tasks ended',
      unit: 'short',
      draw: 'bars',
      width: 8,
      stacked: true,
      description:
        'Tasks that ended. If more than a few fail, "Failures by reason" shows the cause.',
      queries: [
        {
          expression: `sum by (place) (${counts('batchwell_tasks_ended_total')})`,
          legend: '{{place}}',
        },
      ],
    },
    {
      title: 'Time from acceptance to the end',
      unit: 's',
      width: 8,
      description:
        'Seconds from the acceptance of a task to its end, including its run. If it is long ' +
        'while the queues are empty, Batch has no capacity (see "Jobs by status") or the ' +
        'tasks themselves are long.',
      queries: percentiles('batchwell_task_seconds', 'place'),
    },
    {
      title: 'Accepted minus ended, last hour',
      unit: 'short',
      width: 8,
      signed: true,
      description:
        'Change of the number of unfinished tasks in the last hour. If it stays above 0 and ' +
        'grows, more tasks arrive than Batch can run. This is load and not a fault, unless a ' +
        'queue below makes no progress.',
      queries: [
        {
          expression:
            'sum(increase(batchwell_tasks_accepted_total[1h])) - ' +
            'sum(increase(batchwell_tasks_ended_total[1h]))',
          legend: 'tasks',
        },
      ],
    },
  ],
};
