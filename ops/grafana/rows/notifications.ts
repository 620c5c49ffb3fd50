import { rate, type Row } from '../panel.ts';

export const notifications: Row = {
  title: 'Those who want to be told',
  panels: [
    {
      title: 'Event streams',
      unit: 'short',
      width: 8,
      description:
        'Open streams of /v1/events by API process; each takes up to 2,000. They cost one small read of the database four times a second, whatever their number.',
      queries: [{ expression: 'batchwell_event_streams', legend: '{{instance}}' }],
    },
    {
      title: 'Webhook tries',
      unit: 'ops',
      width: 8,
      stacked: true,
      description:
        'Tries/s by what came of them. `again`: a receiver is away or refuses; `dead`: it was given up after a day: runbook, BatchwellWebhooksGivenUp.',
      queries: [
        {
          expression: `sum by (outcome) (${rate('batchwell_webhook_tries_total')})`,
          legend: '{{outcome}}',
        },
      ],
    },
    {
      title: 'Webhook deliveries that wait',
      unit: 'short',
      width: 8,
      description:
        'What receivers are still to be told. Growing while tries are `delivered`: workers are too few; otherwise a receiver is away, and its owner sees it with `batchwell webhook deliveries`.',
      queries: [{ expression: 'max(batchwell_webhook_pending_deliveries)', legend: 'deliveries' }],
    },
  ],
};
