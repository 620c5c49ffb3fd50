/** Webhooks, as /openapi.json shows them. */
import { Type, type Static } from 'typebox';
import { deliveryStates, webhookEvents } from '../../core/notify/webhooks.ts';

const wants = {
  url: Type.String({
    maxLength: 2048,
    description: 'URL to POST to. Its origin must be one that the operator allows',
  }),
  events: Type.Optional(
    Type.Array(Type.Enum(webhookEvents), {
      description:
        'tasks.ended: up to 100 ended tasks, in data.tasks. ' +
        'scatter.ended: a scatter whose last task has ended, with its counts, in data. ' +
        'Default: both',
    }),
  ),
  tags: Type.Optional(
    Type.Record(Type.String(), Type.String(), {
      description:
        'Only tasks and scatters that have all of these tags; an empty value matches any value',
    }),
  ),
};

export const WebhookRequest = Type.Object(wants);
export const WebhookReply = Type.Object({
  id: Type.Integer(),
  url: Type.String(),
  events: Type.Array(Type.Enum(webhookEvents)),
  tags: Type.Record(Type.String(), Type.String()),
  created: Type.String({ description: 'RFC 3339' }),
});
export const WebhookList = Type.Object({ webhooks: Type.Array(WebhookReply) });
export const WebhookMade = Type.Object({
  ...WebhookReply.properties,
  secret: Type.String({ description: 'Verifies signatures. Shown only in this reply' }),
});

export const DeliveryReply = Type.Object({
  id: Type.Integer(),
  state: Type.Enum(deliveryStates, {
    description: 'dead: abandoned, after ten attempts in about a day or after a 410',
  }),
  tries: Type.Integer({ description: 'Number of attempts so far' }),
  outcome: Type.Optional(Type.String({ description: 'Result of the last attempt' })),
  next_try: Type.Optional(Type.String({ description: 'Time of the next attempt, RFC 3339' })),
  created: Type.String({ description: 'RFC 3339' }),
  ended: Type.Optional(
    Type.String({ description: 'When it was delivered or abandoned, RFC 3339' }),
  ),
  body: Type.String({ description: 'The body of the POST' }),
});
export const DeliveryList = Type.Object({
  deliveries: Type.Array(DeliveryReply),
  next_page_token: Type.Optional(Type.String()),
});

export type WebhookReply = Static<typeof WebhookReply>;
export type DeliveryReply = Static<typeof DeliveryReply>;
