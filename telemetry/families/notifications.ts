import type { Registry } from 'prom-client';
import { counter, withLabel, gauge } from '../series.ts';

const webhookOutcomes = ['delivered', 'again', 'dead'] as const;

export const notificationMetrics = (registers: Registry[]) => ({
  eventStreams: gauge({
    name: 'batchwell_event_streams',
    help: 'Open event streams on this process.',
    registers,
  }),
  webhookTries: counter({
    name: 'batchwell_webhook_tries_total',
    help:
      'Attempts to deliver to webhooks, by outcome. After the outcome dead, a delivery is not ' +
      'tried again.',
    labels: ['outcome'],
    startsAt: withLabel('outcome', webhookOutcomes),
    registers,
  }),
  webhookPending: gauge({
    name: 'batchwell_webhook_pending_deliveries',
    help: 'Webhook deliveries that are pending.',
    registers,
  }),
});
