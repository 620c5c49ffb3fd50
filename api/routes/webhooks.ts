/**
 * Webhooks: created, listed, tested and deleted by their owners. The workers send
 * (workers/upkeep/webhooks/).
 */
import { randomBytes } from 'node:crypto';
import { Type } from 'typebox';
import { whyNotAllowed, type Access } from '../../core/access/access.ts';
import { isAllowedUrl } from '../../core/access/origins.ts';
import { webhookEvents, webhookSecret, type WebhookWants } from '../../core/notify/webhooks.ts';
import type { Problem } from '../../core/problems.ts';
import { TAG_RULES } from '../../core/task/parse-tags.ts';
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
  deleteWebhook,
  insertDeliveries,
  insertWebhook,
  readWebhook,
  readWebhooks,
  type WebhookRow,
} from '../../db/webhooks.ts';
import type { ApiContext } from '../context.ts';
import type { Api } from '../dependencies.ts';
import { failure, notFound, refusal, type FailureBody } from '../http/errors.ts';
import { rfc3339 } from '../http/rfc3339.ts';
import { failures, NumberId } from '../schemas/replies.ts';
import {
  WebhookMade,
  WebhookList,
  WebhookRequest,
  type WebhookReply,
} from '../schemas/webhooks.ts';

const tags = ['Webhooks'];
const SUBMIT = { scope: 'submit' } as const;
/** Each webhook is matched against every task that ends. */
const MOST_PER_OWNER = 20;

export function webhookRoutes(api: Api, context: ApiContext): void {
  createRoute(api, context);
  listRoute(api, context);
  deleteRoute(api, context);
  pingRoute(api, context);
}

function createRoute(api: Api, context: ApiContext): void {
  const schema = {
    tags,
    summary: 'Create a webhook: Batchwell notifies a URL when tasks or scatters end',
    body: WebhookRequest,
    response: { 200: WebhookMade, ...failures },
  };
  api.post('/webhooks', { config: SUBMIT, schema }, async (request, reply) => {
    const { access } = request.caller;
    const { database, config, log, nowMs } = context;
    const refused = whyNoWebhooks(access, config.webhookOrigins);
    if (refused) return reply.code(refused.status_code).send(refused);
    const read = readWebhookRequest(request.body, config.webhookOrigins);
    if ('problems' in read) return reply.code(400).send(refusal(read.problems));
    const { owner } = access;
    if ((await readWebhooks(database.pool, owner)).length >= MOST_PER_OWNER)
      return reply.code(409).send(tooMany(owner));
    const created = { owner, ...read, salt: randomBytes(16), createdMs: nowMs() };
    const webhook = { ...created, id: await insertWebhook(database.pool, created) };
    const origin = new URL(webhook.url).origin;
    log.info({ event: 'webhook-made', id: webhook.id, owner, origin }, 'webhook-made');
    const secret = webhookSecret(config.webhookKey, webhook);
    return reply.send({ ...viewWebhook(webhook), secret });
  });
}

/** A webhook reports tasks, so a token that may only submit cannot create one. */
function whyNoWebhooks(
  access: Access,
  origins: readonly string[],
): (FailureBody & { status_code: 403 | 409 }) | undefined {
  const forbidden = whyNotAllowed(access, 'read');
  if (forbidden !== undefined) return failure(403, forbidden);
  return origins.length > 0
    ? undefined
    : failure(
        409,
        'Webhooks are disabled: BATCHWELL_WEBHOOK_ORIGINS names no origin. Ask the operator to set it.',
      );
}

const tooMany = (owner: string) =>
  failure(
    409,
    `Owner ${JSON.stringify(owner)} has ${MOST_PER_OWNER} webhooks, which is the limit. ` +
      'Delete one with DELETE /v1/webhooks/ID first.',
  );

function listRoute(api: Api, { database }: ApiContext): void {
  const schema = {
    tags,
    summary: 'List your webhooks, newest first',
    response: { 200: WebhookList, ...failures },
  };
  api.get('/webhooks', { schema }, async (request, reply) =>
    reply.send({
      webhooks: (await readWebhooks(database.pool, request.caller.access.owner)).map(viewWebhook),
    }),
  );
}

function deleteRoute(api: Api, { database, log }: ApiContext): void {
  const schema = {
    tags,
    summary: 'Delete a webhook; pending deliveries are dropped',
    params: NumberId,
    response: { 200: Type.Object({}), ...failures },
  };
  api.delete('/webhooks/:id', { config: SUBMIT, schema }, async (request, reply) => {
    const { owner } = request.caller.access;
    const webhook = await readWebhook(database.pool, { owner, id: request.params.id });
    if (!webhook) return reply.code(404).send(notFound('webhook', String(request.params.id)));
    await deleteWebhook(database, webhook.id);
    log.info({ event: 'webhook-ended', id: webhook.id, owner: webhook.owner }, 'webhook-ended');
    return reply.send({});
  });
}

function pingRoute(api: Api, { database, nowMs }: ApiContext): void {
  const schema = {
    tags,
    summary: 'Send a ping, to test a receiver',
    params: NumberId,
    response: { 200: Type.Object({}), ...failures },
  };
  api.post('/webhooks/:id(^[^:/]+)::ping', { config: SUBMIT, schema }, async (request, reply) => {
    const { owner } = request.caller.access;
    const webhook = await readWebhook(database.pool, { owner, id: request.params.id });
    if (!webhook) return reply.code(404).send(notFound('webhook', String(request.params.id)));
    const now = nowMs();
    const ping = {
      webhookId: webhook.id,
      subject: `ping-${randomBytes(8).toString('hex')}`,
      body: JSON.stringify({ type: 'ping', timestamp: rfc3339(now), data: {} }),
    };
    await insertDeliveries(database.pool, [ping], now);
    return reply.send({});
  });
}

const viewWebhook = ({ id, url, wants, createdMs }: WebhookRow): WebhookReply => ({
  id,
  url,
  events: wants.events,
  tags: wants.tags,
  created: rfc3339(createdMs),
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
  const allowed = `a URL without credentials that begins with ${origins.join('/ or ')}/`;
  if (rawOf(reader, 'url') !== undefined && !isAllowedUrl(url, origins))
    refuse(reader, 'url', allowed, url);
  const events = amongOf(reader, 'events', webhookEvents) ?? [...webhookEvents];
  if (events.length === 0) refuse(reader, 'events', `some of ${webhookEvents.join(', ')}`);
  const wants = { events, tags: textMapOf(reader, 'tags', TAG_RULES) };
  return problems.length > 0 ? { problems } : { url: new URL(url).href, wants };
}
