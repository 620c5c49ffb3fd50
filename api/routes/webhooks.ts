/** Webhooks: made and ended by their owners, with what they were told. Sending is the workers' (workers/webhooks/). */
import { randomBytes } from 'node:crypto';
import { Type, type Static } from 'typebox';
import { whyNotAllowed } from '../../core/access/access.ts';
import { isAllowedUrl } from '../../core/access/origins.ts';
import { TAG_RULES } from '../../core/task/parse-tags.ts';
import { problemAt, type Problem } from '../../core/problems.ts';
import {
  amongOf,
  rawOf,
  readObject,
  refuse,
  refuseUnknown,
  textMapOf,
  textOf,
} from '../../core/task/read-fields.ts';
import {
  deliveryStates,
  webhookEvents,
  webhookSecret,
  type WebhookWants,
} from '../../core/notify/webhooks.ts';
import {
  deleteWebhook,
  insertDeliveries,
  insertWebhook,
  listDeliveries,
  readWebhook,
  readWebhooks,
  reviveDelivery,
  type DeliveryRow,
  type WebhookRow,
} from '../../db/webhooks.ts';
import { failure, notFound, refusal } from '../http/errors.ts';
import { cutPage, PAGE_TOKEN_EXPECTED, readPageToken } from '../http/pages.ts';
import type { Api } from '../dependencies.ts';
import { failures, PageQuery } from '../schemas/replies.ts';
import {
  DeliveryList,
  WebhookMade,
  type DeliveryReply,
  WebhookReply,
  WebhookRequest,
} from '../schemas/webhooks.ts';
import type { ApiContext } from '../context.ts';

const tags = ['Webhooks'];
const SUBMIT = { scope: 'submit' } as const;
const Id = Type.Object({ id: Type.Integer({ minimum: 1 }) });
/** Each is looked at for every task that ends. */
const MOST_PER_OWNER = 20;

export function webhookRoutes(api: Api, context: ApiContext): void {
  const { database, config, nowMs, log } = context;
  const find = (owner: string, id: number): Promise<WebhookRow | undefined> =>
    readWebhook(database.pool, { owner, id });

  api.post(
    '/webhooks',
    {
      config: SUBMIT,
      schema: {
        tags,
        summary: 'Have a url told when tasks or scatters end',
        body: WebhookRequest,
        response: { 200: WebhookMade, ...failures },
      },
    },
    async (request, reply) => {
      const { owner } = request.caller.access;
      // It tells of tasks, and so may none that may only submit.
      const forbidden = whyNotAllowed(request.caller.access, 'read');
      if (forbidden !== undefined) return reply.code(403).send(failure(403, forbidden));
      if (config.webhookOrigins.length === 0)
        return reply
          .code(409)
          .send(
            failure(
              409,
              'Webhooks may go nowhere here: the operator has set no BATCHWELL_WEBHOOK_ORIGINS.',
            ),
          );
      const read = readWebhookRequest(request.body, config.webhookOrigins);
      if ('problems' in read) return reply.code(400).send(refusal(read.problems));
      if ((await readWebhooks(database.pool, owner)).length >= MOST_PER_OWNER)
        return reply
          .code(409)
          .send(
            failure(
              409,
              `${owner} has ${MOST_PER_OWNER} webhooks, which is the most; DELETE one of /v1/webhooks first.`,
            ),
          );
      const made = { owner, ...read, salt: randomBytes(16), createdMs: nowMs() };
      const webhook = { ...made, id: await insertWebhook(database.pool, made) };
      log.info(
        { event: 'webhook-made', id: webhook.id, owner, origin: new URL(webhook.url).origin },
        'webhook-made',
      );
      return reply.send({
        ...viewWebhook(webhook),
        secret: webhookSecret(config.webhookKey, webhook),
      });
    },
  );

  api.get(
    '/webhooks',
    {
      schema: {
        tags,
        summary: 'List your webhooks, newest first',
        response: { 200: Type.Object({ webhooks: Type.Array(WebhookReply) }), ...failures },
      },
    },
    async (request, reply) =>
      reply.send({
        webhooks: (await readWebhooks(database.pool, request.caller.access.owner)).map(viewWebhook),
      }),
  );

  api.delete(
    '/webhooks/:id',
    {
      config: SUBMIT,
      schema: {
        tags,
        summary: 'End a webhook; what it was still to be told is dropped',
        params: Id,
        response: { 200: Type.Object({}), ...failures },
      },
    },
    async (request, reply) => {
      const webhook = await find(request.caller.access.owner, request.params.id);
      if (!webhook) return reply.code(404).send(notFound('webhook', String(request.params.id)));
      await deleteWebhook(database, webhook.id);
      log.info({ event: 'webhook-ended', id: webhook.id, owner: webhook.owner }, 'webhook-ended');
      return reply.send({});
    },
  );

  api.post(
    '/webhooks/:id(^\\d+)::ping',
    {
      config: SUBMIT,
      schema: {
        tags,
        summary: 'Have a ping delivered, to try a receiver',
        params: Id,
        response: { 200: Type.Object({}), ...failures },
      },
    },
    async (request, reply) => {
      const webhook = await find(request.caller.access.owner, request.params.id);
      if (!webhook) return reply.code(404).send(notFound('webhook', String(request.params.id)));
      const now = nowMs();
      await insertDeliveries(
        database.pool,
        [
          {
            webhookId: webhook.id,
            subject: `ping-${randomBytes(8).toString('hex')}`,
            body: JSON.stringify({
              type: 'ping',
              timestamp: new Date(now).toISOString(),
              data: {},
            }),
          },
        ],
        now,
      );
      return reply.send({});
    },
  );
  deliveryRoutes(api, context);
}

const DeliveryQuery = Type.Object({
  state: Type.Optional(Type.Enum(deliveryStates)),
  ...PageQuery,
});

function deliveryRoutes(api: Api, { database, nowMs }: ApiContext): void {
  api.get(
    '/webhooks/:id/deliveries',
    {
      schema: {
        tags,
        summary: 'What a webhook was told and is still to be told, newest first; kept for a week',
        params: Id,
        querystring: DeliveryQuery,
        response: { 200: DeliveryList, ...failures },
      },
    },
    async (request, reply) => {
      const webhook = await readWebhook(database.pool, {
        owner: request.caller.access.owner,
        id: request.params.id,
      });
      if (!webhook) return reply.code(404).send(notFound('webhook', String(request.params.id)));
      const { state, page_size: size = 256, page_token: token } = request.query;
      const beforeId = readPageToken(token);
      if (beforeId === 'malformed')
        return reply.code(400).send(refusal([problemAt('page_token', PAGE_TOKEN_EXPECTED, token)]));
      const { items, next } = cutPage(
        await listDeliveries(database.pool, {
          webhookId: webhook.id,
          state,
          beforeId,
          limit: size + 1,
        }),
        size,
      );
      return reply.send({
        deliveries: items.map(viewDelivery),
        ...(next !== undefined && { next_page_token: next }),
      });
    },
  );

  const Both = Type.Object({ ...Id.properties, delivery: Type.Integer({ minimum: 1 }) });
  api.post(
    '/webhooks/:id/deliveries/:delivery(^\\d+)::redeliver',
    {
      config: SUBMIT,
      schema: {
        tags,
        summary: 'Deliver again what was delivered or given up',
        params: Both,
        response: { 200: Type.Object({}), ...failures },
      },
    },
    async (request, reply) => {
      const { id, delivery } = request.params;
      const webhook = await readWebhook(database.pool, { owner: request.caller.access.owner, id });
      if (
        !webhook ||
        !(await reviveDelivery(database.pool, { webhookId: id, id: delivery, nowMs: nowMs() }))
      )
        return reply
          .code(404)
          .send(failure(404, `Webhook ${id} has no delivery ${delivery} that has ended.`));
      return reply.send({});
    },
  );
}

const rfc3339 = (ms: number): string => new Date(ms).toISOString();

const viewWebhook = ({ id, url, wants, createdMs }: WebhookRow): Static<typeof WebhookReply> => ({
  id,
  url,
  events: wants.events,
  tags: wants.tags,
  created: rfc3339(createdMs),
});

const viewDelivery = ({
  id,
  state,
  tries,
  outcome,
  dueMs,
  createdMs,
  endedMs,
  body,
}: DeliveryRow): Static<typeof DeliveryReply> => ({
  id,
  state,
  tries,
  created: rfc3339(createdMs),
  body,
  ...(outcome !== null && { outcome }),
  ...(dueMs !== null && { next_try: rfc3339(dueMs) }),
  ...(endedMs !== null && { ended: rfc3339(endedMs) }),
});

function readWebhookRequest(
  body: unknown,
  origins: readonly string[],
): { url: string; wants: WebhookWants } | { problems: Problem[] } {
  const problems: Problem[] = [];
  const reader = readObject(body, '', problems);
  if (!reader) return { problems };
  refuseUnknown(reader, Object.keys(WebhookRequest.properties));
  const url = textOf(reader, 'url', { required: true, longest: 2048 }) ?? '';
  if (rawOf(reader, 'url') !== undefined && !isAllowedUrl(url, origins))
    refuse(
      reader,
      'url',
      `one without credentials that begins with ${origins.join('/ or ')}/`,
      url,
    );
  const events = amongOf(reader, 'events', webhookEvents) ?? [...webhookEvents];
  if (events.length === 0) refuse(reader, 'events', `some of ${webhookEvents.join(', ')}`);
  const wants = { events, tags: textMapOf(reader, 'tags', TAG_RULES) };
  return problems.length > 0 ? { problems } : { url: new URL(url).href, wants };
}
