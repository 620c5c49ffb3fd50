/** The part of the OpenAPI document about requests that Batchwell makes: deliveries of webhooks. */
import { webhookDeliveries } from '../schemas/deliveries.ts';

const headers = {
  'webhook-id': 'The same at each attempt: a receiver that has seen it ignores the delivery',
  'webhook-timestamp': 'When it was signed, in seconds since 1970',
  'webhook-signature': '`v1,` and the HMAC-SHA256 of `id.timestamp.body` by the secret, in base64',
} as const;

const parameters = Object.entries(headers).map(([name, description]) => ({
  name,
  in: 'header' as const,
  required: true,
  description,
  schema: { type: 'string' as const },
}));

const responses = {
  '2XX': { description: 'Delivered, if it comes within ten seconds' },
  '410': { description: 'The receiver takes no more: it is not tried again' },
  default: { description: 'Tried again, ten times in about a day. Redirects are not followed' },
};

/** For `webhooks` of OpenAPI 3.1. */
export const describeWebhooks = () =>
  Object.fromEntries(
    Object.entries(webhookDeliveries).map(([type, { sentence, schema }]) => [
      type,
      {
        post: {
          summary: sentence,
          parameters,
          requestBody: { required: true, content: { 'application/json': { schema } } },
          responses,
        },
      },
    ]),
  );
