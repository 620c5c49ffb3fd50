/** The bodies that webhooks receive, as /openapi.json shows them. core/notify/webhooks.ts composes them. */
import { Type, type TObject, type TSchema } from 'typebox';
import { TaskEvent } from './events.ts';
import { ScatterReply } from './scatters.ts';

interface Delivery {
  sentence: string;
  schema: TObject;
}

const delivery = (type: string, data: TSchema, sentence: string): Delivery => ({
  sentence,
  schema: Type.Object({
    type: Type.Enum([type]),
    timestamp: Type.String({ description: 'When the delivery was composed, RFC 3339' }),
    data,
  }),
});

/** By their `type`. */
export const webhookDeliveries: Readonly<Record<string, Delivery>> = {
  'tasks.ended': delivery(
    'tasks.ended',
    Type.Object({ tasks: Type.Array(TaskEvent, { minItems: 1, maxItems: 100 }) }),
    'Tasks that have ended: up to 100, and 1 MB',
  ),
  'scatter.ended': delivery(
    'scatter.ended',
    ScatterReply,
    'A scatter whose last task has ended, with its counts',
  ),
  ping: delivery('ping', Type.Object({}), 'Sent on request, to test a receiver'),
};
