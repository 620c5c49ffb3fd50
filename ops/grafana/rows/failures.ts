import { rate, type Row } from '../panel.ts';

export const failures: Row = {
  title: 'Failures and retries',
  panels: [
    {
      title: 'Failures by reason',
      unit: 'ops',
      width: 12,
      description:
        'Failed tasks per second. executor-failed, output-missing, out-of-memory and timed-out ' +
        'are errors of the caller. host-lost, host-fault, disk-full, misconfigured, not-started, ' +
        'batch-refused, result-missing and script-unreadable are errors of the fleet. internal is ' +
        'a defect in Batchwell. ' +
        '`batchwell status TASK` shows the sentence.',
      queries: [
        {
          expression: `sum by (reason) (${rate('batchwell_failures_total')}) > 0`,
          legend: '{{reason}}',
        },
      ],
    },
    {
      title: 'Retried attempts',
      unit: 'ops',
      width: 12,
      description:
        'Attempts per second. host-lost at a few percent of the throughput is normal for spot; ' +
        'to on-demand: those of them that went on in a queue with On-Demand hosts. ' +
        'If there is much more, use other instance types or on-demand capacity. out-of-memory: ' +
        'callers request too little ram_gb. host-fault: look at the hosts, as in the runbook.',
      queries: [
        {
          expression: `sum by (reason) (${rate('batchwell_retries_total')})`,
          legend: '{{reason}}',
        },
        {
          expression: `sum(${rate('batchwell_on_demand_moves_total')})`,
          legend: 'to on-demand',
        },
      ],
    },
  ],
};
