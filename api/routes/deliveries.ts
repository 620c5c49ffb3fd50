/** Deliveries of webhooks: listed, and sent again on request. */
import { Type } from 'typebox';
import { deliveryStates } from '../../core/notify/webhooks.ts';
import { problemAt } from '../../core/problems.ts';
import {
  listDeliveries,
  readWebhook,
  reviveDelivery,
  type DeliveryRow,
} from '../../db/webhooks.ts';
import type { ApiContext } from '../context.ts';
import type { Api } from '../dependencies.ts';
import { failure, notFound, refusal } from '../http/errors.ts';
import { cutPage, PAGE_TOKEN_EXPECTED, readPageToken } from '../http/pages.ts';
import { rfc3339 } from '../http/rfc3339.ts';
import { failures, NumberId, PageQuery } from '../schemas/replies.ts';
import { DeliveryList, type DeliveryReply } from '../schemas/webhooks.ts';

const tags = ['Webhooks'];

const DeliveryQuery = Type.Object({
  state: Type.Optional(Type.Enum(deliveryStates)),
  ...PageQuery,
});
const DeliveryId = Type.Object({
  ...NumberId.properties,
  delivery: Type.Integer({ minimum: 1 }),
});

export function deliveryRoutes(api: Api, context: ApiContext): void {
  listRoute(api, context);
  redeliverRoute(api, context);
}

function listRoute(api: Api, { database }: ApiContext): void {
  const schema = {
    tags,
    summary: 'List the deliveries of a webhook, newest first; they are kept for a week',
    params: NumberId,
    querystring: DeliveryQuery,
    response: { 200: DeliveryList, ...failures },
  };
  api.get('/webhooks/:id/deliveries', { schema }, async (request, reply) => {
    const { owner } = request.caller.access;
    const webhook = await readWebhook(database.pool, { owner, id: request.params.id });
    if (!webhook) return reply.code(404).send(notFound('webhook', String(request.params.id)));
    const { state, page_size: size = 256, page_token: token } = request.query;
    const beforeId = readPageToken(token);
    if (beforeId === 'malformed')
      return reply.code(400).send(refusal([problemAt('page_token', PAGE_TOKEN_EXPECTED, token)]));
    const wanted = { webhookId: webhook.id, state, beforeId, limit: size + 1 };
    const { items, next } = cutPage(await listDeliveries(database.pool, wanted), size);
    return reply.send({
      deliveries: items.map(viewDelivery),
      ...(next !== undefined && { next_page_token: next }),
    });
  });
}

function redeliverRoute(api: Api, { database, nowMs }: ApiContext): void {
  const schema = {
    tags,
    summary: 'Send a delivery again that was delivered or abandoned',
    params: DeliveryId,
    response: { 200: Type.Object({}), ...failures },
  };
  const path = '/webhooks/:id/deliveries/:delivery(^[^:/]+)::redeliver';
  api.post(path, { config: { scope: 'submit' }, schema }, async (request, reply) => {
    const { id, delivery } = request.params;
    const webhook = await readWebhook(database.pool, { owner: request.caller.access.owner, id });
    const again = { webhookId: id, id: delivery, nowMs: nowMs() };
    if (!webhook || !(await reviveDelivery(database.pool, again)))
      return reply.code(404).send(noSuchDelivery(id, delivery));
    return reply.send({});
  });
}

const noSuchDelivery = (id: number, delivery: number) =>
  failure(
    404,
    `Webhook ${id} has no delivery ${delivery} that has ended. GET /v1/webhooks/${id}/deliveries lists its deliveries.`,
  );

function viewDelivery(delivery: DeliveryRow): DeliveryReply {
  const { id, state, tries, outcome, dueMs, createdMs, endedMs, body } = delivery;
  return {
    id,
    state,
    tries,
    created: rfc3339(createdMs),
    body,
    ...(outcome !== null && { outcome }),
    ...(dueMs !== null && { next_try: rfc3339(dueMs) }),
    ...(endedMs !== null && { ended: rfc3339(endedMs) }),
  };
}
