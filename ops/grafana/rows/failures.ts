import { counts, type Row } from '../panel.ts';

export const failures: Row = {
  title: 'Failures and retries',
  panels: [
    {
      title: 'Failures by reason',
      unit: 'short',
      draw: 'bars',
      width: 12,
      description:
        'Failed tasks. executor-failed, output-missing, out-of-memory and timed-out ' +
        'are errors of the caller. host-lost, host-fault, disk-full, misconfigured, not-started, ' +
        'batch-refused, result-missing and script-unreadable are errors of the fleet. internal is ' +
        'a defect in Batchwell. ' +
        '`batchwell status TASK` shows the sentence.' +
        ' If a reason is new, look at one task of it first.',
      queries: [
        {
          expression: `sum by (reason) (${counts('batchwell_failures_total')}) > 0`,
          legend: '{{reason}}',
        },
      ],
    },
    {
      title: 'Retried attempts',
      unit: 'short',
      draw: 'bars',
      width: 12,
      description:
        'Attempts. host-lost at a few percent of the throughput is normal for spot; ' +
        'to on-demand: those of them that went on in a queue with On-Demand hosts. ' +
        'If there is much more, use other instance types or on-demand capacity. out-of-memory: ' +
        'callers request too little ram_gb. host-fault: look at the hosts, as in the runbook.',
      queries: [
        {
          expression: `sum by (reason) (${counts('batchwell_retries_total')})`,
          legend: '{{reason}}',
        },
        {
          expression: `sum(${counts('batchwell_on_demand_moves_total')})`,
          legend: 'to on-demand',
        },
      ],
    },
  ],
};
