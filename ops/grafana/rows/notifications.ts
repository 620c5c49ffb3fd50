import { counts, type Row } from '../panel.ts';

export const notifications: Row = {
  title: 'Event streams and webhooks',
  panels: [
    {
      title: 'Event streams',
      unit: 'short',
      width: 8,
      description:
        'Open streams of /v1/events by API process. Each process accepts up to 2,000. The ' +
        'streams of a process share one small database read, four times per second.' +
        ' If one is near it, start another API process.',
      queries: [{ expression: 'batchwell_event_streams', legend: '{{instance}}' }],
    },
    {
      title: 'Webhook attempts',
      unit: 'short',
      draw: 'bars',
      width: 8,
      stacked: true,
      description:
        'Attempts by outcome. `again`: the receiver did not answer or refused. ' +
        '`dead`: the delivery failed ten times within a day, or its receiver answered 410. It is not tried again: ' +
        'see BatchwellWebhooksGivenUp in the runbook.',
      queries: [
        {
          expression: `sum by (outcome) (${counts('batchwell_webhook_tries_total')})`,
          legend: '{{outcome}}',
        },
      ],
    },
    {
      title: 'Pending webhook deliveries',
      unit: 'short',
      width: 8,
      description:
        'Deliveries that have not succeeded yet. If the number grows while attempts are ' +
        '`delivered`, add workers. Otherwise a receiver is down; its owner sees it with ' +
        '`batchwell webhook deliveries`.',
      queries: [{ expression: 'max(batchwell_webhook_pending_deliveries)', legend: 'deliveries' }],
    },
  ],
};
