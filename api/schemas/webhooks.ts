/** Webhooks, as /openapi.json shows them. */
import { Type } from 'typebox';
import { deliveryStates, webhookEvents } from '../../core/notify/webhooks.ts';

const wants = {
  url: Type.String({
    maxLength: 2048,
    description: 'Where to POST; one of the origins that the operator allows',
  }),
  events: Type.Optional(
    Type.Array(Type.Enum(webhookEvents), {
      description:
        'tasks.ended: up to 100 tasks that have ended, as data.tasks. scatter.ended: a scatter whose last task has ended, with its counts, as data. Default: both',
    }),
  ),
  tags: Type.Optional(
    Type.Record(Type.String(), Type.String(), {
      description:
        'Only of tasks and scatters that have all of these; an empty value stands for any',
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
export const WebhookMade = Type.Object({
  ...WebhookReply.properties,
  secret: Type.String({ description: 'For checking signatures; shown only now' }),
});

export const DeliveryReply = Type.Object({
  id: Type.Integer(),
  state: Type.Enum(deliveryStates, { description: 'dead: given up after ten tries in a day' }),
  tries: Type.Integer(),
  outcome: Type.Optional(Type.String({ description: 'What came of the last try' })),
  next_try: Type.Optional(Type.String({ description: 'RFC 3339' })),
  created: Type.String(),
  ended: Type.Optional(Type.String()),
  body: Type.String({ description: 'What is sent' }),
});
export const DeliveryList = Type.Object({
  deliveries: Type.Array(DeliveryReply),
  next_page_token: Type.Optional(Type.String()),
});
