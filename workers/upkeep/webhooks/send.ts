/** Sends deliveries to webhooks. */
import { whyNoAnswer } from '../../../core/fetch-failure.ts';
import { isAllowedUrl } from '../../../core/access/origins.ts';
import {
  decideDelivery,
  signDelivery,
  webhookSecret,
  type DeliveryAnswer,
} from '../../../core/notify/webhooks.ts';
import {
  claimDeliveries,
  postponeDeliveries,
  settleDelivery,
  type ClaimedDelivery,
} from '../../../db/webhooks.ts';
import type { Runtime } from '../../runtime.ts';

const DELIVERIES_AT_ONCE = 16;
const TIMEOUT_MS = 10_000;
/**
 * Other deliveries to a receiver that does not answer wait no longer than this: it may be back
 * before the delivery that has waited longest is tried again.
 */
const LONGEST_REST_MS = 60_000;

/**
 * Sends what is due. If the process dies, another sends it once no answer can come any more and a
 * message would be delivered again, too. Returns how many deliveries were tried.
 */
export async function sendDue(runtime: Runtime): Promise<number> {
  const nowMs = runtime.nowMs();
  const claimed = await claimDeliveries(runtime.database, {
    nowMs,
    leasedUntilMs: nowMs + TIMEOUT_MS + runtime.config.lockMs,
    most: DELIVERIES_AT_ONCE,
  });
  await Promise.all(claimed.map((delivery) => deliver(runtime, delivery)));
  return claimed.length;
}

async function deliver(runtime: Runtime, delivery: ClaimedDelivery): Promise<void> {
  const answer = await post(runtime, delivery);
  runtime.passCrashPoint('webhooks.posted');
  const decision = decideDelivery(answer, delivery.tries, Math.random());
  const nowMs = runtime.nowMs();
  const { pool } = runtime.database;
  runtime.metrics.webhookTries.inc({ outcome: decision.do });
  if (decision.do === 'again') {
    await postponeDeliveries(
      pool,
      delivery.webhook.id,
      nowMs + Math.min(decision.pauseMs, LONGEST_REST_MS),
    );
    await settleDelivery(pool, delivery, {
      state: 'pending',
      outcome: decision.outcome,
      dueMs: nowMs + decision.pauseMs,
      endedMs: null,
    });
  } else
    await settleDelivery(pool, delivery, {
      state: decision.do,
      outcome: decision.outcome,
      dueMs: null,
      endedMs: nowMs,
    });
  // Without the URL: it is the receiver's, and may hold a secret.
  if (decision.do !== 'delivered')
    runtime.log.warn(
      {
        webhook: delivery.webhook.id,
        owner: delivery.webhook.owner,
        delivery: delivery.id,
        tries: delivery.tries,
        outcome: decision.outcome,
      },
      decision.do === 'dead' ? 'webhook-given-up' : 'webhook-not-told',
    );
}

/** Signed at each try: receivers refuse old timestamps. */
async function post(
  { config, nowMs }: Runtime,
  { id, body, webhook }: ClaimedDelivery,
): Promise<DeliveryAnswer> {
  if (!isAllowedUrl(webhook.url, config.webhookOrigins))
    return { trouble: 'not sent: BATCHWELL_WEBHOOK_ORIGINS no longer lists its origin' };
  const signed = { id: `delivery-${id}`, timestamp: Math.floor(nowMs() / 1000), body };
  const headers = {
    'content-type': 'application/json',
    'user-agent': 'batchwell-webhook',
    'webhook-id': signed.id,
    'webhook-timestamp': String(signed.timestamp),
    'webhook-signature': signDelivery(webhookSecret(config.webhookKey, webhook), signed),
  };
  try {
    // A redirect could lead anywhere.
    const answer = await fetch(webhook.url, {
      method: 'POST',
      headers,
      body,
      redirect: 'manual',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    await answer.body?.cancel();
    return { status: answer.status };
  } catch (error) {
    return { trouble: whyNoAnswer(error) };
  }
}
