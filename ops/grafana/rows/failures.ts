import { rate, type Row } from '../panel.ts';

export const failures: Row = {
  title: 'Failures and retries',
  panels: [
    {
      title: 'Failures by reason',
      unit: 'ops',
      width: 12,
      description:
        'Failed tasks/s. executor-failed, output-missing, out-of-memory and timed-out are the caller’s; host-lost, batch-refused, result-missing and script-unreadable are the fleet’s; internal is a defect. `batchwell status TASK` shows the sentence.',
      queries: [
        {
          expression: `sum by (reason) (${rate('batchwell_failures_total')}) > 0`,
          legend: '{{reason}}',
        },
      ],
    },
    {
      title: 'Attempts made again',
      unit: 'ops',
      width: 12,
      description:
        'Attempts/s. host-lost at a few percent of the throughput is the price of spot; much more: use other instance types or on-demand. out-of-memory: callers ask for too little ram_gb.',
      queries: [
        {
          expression: `sum by (reason) (${rate('batchwell_retries_total')})`,
          legend: '{{reason}}',
        },
      ],
    },
  ],
};
