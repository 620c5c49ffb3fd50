/**
 * Webhooks by the specification at https://www.standardwebhooks.com: what each webhook is notified
 * of, how a delivery is signed, and when it is retried.
 */
import { createHmac } from 'node:crypto';
import type { ScatterSummary } from '../scatter/scatter-view.ts';
import { hasTags, viewTaskEvent, type ReportedTask } from './task-event.ts';

export const webhookEvents = ['tasks.ended', 'scatter.ended'] as const;
type WebhookEvent = (typeof webhookEvents)[number];

export interface WebhookWants {
  events: WebhookEvent[];
  /** A task or scatter must have all of these tags; an empty value matches any value. */
  tags: Record<string, string>;
}

export const deliveryStates = ['pending', 'delivered', 'dead'] as const;
export type DeliveryState = (typeof deliveryStates)[number];

export const SHORTEST_WEBHOOK_KEY = 32;
const SECRET_MARK = 'whsec_';

/** Derived from the fleet's key, so that the database alone does not reveal how to sign. */
export const webhookSecret = (
  fleetKey: string,
  { id, salt }: { id: number; salt: Buffer },
): string =>
  SECRET_MARK +
  createHmac('sha256', fleetKey).update(`webhook ${id} `).update(salt).digest('base64');

export interface SignedDelivery {
  id: string;
  /** Epoch seconds. */
  timestamp: number;
  body: string;
}

/** The header webhook-signature. */
export const signDelivery = (secret: string, { id, timestamp, body }: SignedDelivery): string =>
  `v1,${createHmac('sha256', Buffer.from(secret.slice(SECRET_MARK.length), 'base64'))
    .update(`${id}.${timestamp}.${body}`)
    .digest('base64')}`;

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
/** Pauses before the second attempt, the third and so on: about a day in all. */
const pausesMs = [
  5 * SECOND,
  30 * SECOND,
  2 * MINUTE,
  10 * MINUTE,
  30 * MINUTE,
  HOUR,
  3 * HOUR,
  6 * HOUR,
  12 * HOUR,
];
const JITTER = 0.2;

/** `status`: the HTTP status. Undefined when there was no answer; `trouble` then says why. */
export type DeliveryAnswer = { status: number } | { status?: undefined; trouble: string };

export type DeliveryDecision =
  | { do: 'delivered'; outcome: string }
  | { do: 'again'; pauseMs: number; outcome: string }
  | { do: 'dead'; outcome: string };

const GONE = 410;

/** @param tries attempts so far, from 1 @param random from 0 to below 1 */
export function decideDelivery(
  answer: DeliveryAnswer,
  tries: number,
  random: number,
): DeliveryDecision {
  if (answer.status === undefined) return againOrDead(answer.trouble, tries, random);
  if (answer.status >= 200 && answer.status < 300)
    return { do: 'delivered', outcome: `answered ${answer.status}` };
  if (answer.status === GONE)
    return { do: 'dead', outcome: 'answered 410: the receiver no longer accepts deliveries' };
  return againOrDead(
    answer.status >= 300 && answer.status < 400
      ? `answered ${answer.status}: redirects are not followed`
      : `answered ${answer.status}`,
    tries,
    random,
  );
}

function againOrDead(outcome: string, tries: number, random: number): DeliveryDecision {
  const pauseMs = pausesMs[tries - 1];
  return pauseMs === undefined
    ? { do: 'dead', outcome }
    : { do: 'again', pauseMs: Math.round(pauseMs * (1 + JITTER * random)), outcome };
}

/** A delivery to store for one webhook. */
export interface NewDelivery {
  webhookId: number;
  /** Unique within a webhook, and the same for the same notification, so that it is stored once. */
  subject: string;
  body: string;
}

export interface Ends {
  /** Tasks that have ended, each with its owner. */
  tasks: readonly ReportedTask[];
  /** Scatters whose last task has ended. */
  scatters: readonly { owner: string; scatter: ScatterSummary }[];
  /** Where in the change log this was read. */
  place: number;
  nowMs: number;
}

/** A hundred tasks have about 40 kB. */
const TASKS_PER_DELIVERY = 100;
/** One task can have 400 kB of tags and sentences. */
const BYTES_PER_DELIVERY = 1_000_000;

/** The deliveries that report the ends to each webhook. */
export function composeDeliveries(
  webhooks: readonly { id: number; owner: string; wants: WebhookWants }[],
  { tasks, scatters, place, nowMs }: Ends,
): NewDelivery[] {
  const timestamp = new Date(nowMs).toISOString();
  /** @param data JSON */
  const bodyOf = (type: WebhookEvent, data: string): string =>
    `${JSON.stringify({ type, timestamp }).slice(0, -1)},"data":${data}}`;
  return webhooks.flatMap(({ id, owner, wants }) => {
    const wanted = Object.entries(wants.tags);
    const reported = wants.events.includes('tasks.ended')
      ? tasks
          .filter((task) => task.owner === owner && hasTags(task.tags, wanted))
          .map((task) => JSON.stringify(viewTaskEvent(task)))
      : [];
    const ended = wants.events.includes('scatter.ended')
      ? scatters.filter((one) => one.owner === owner && hasTags(one.scatter.tags, wanted))
      : [];
    return [
      ...inGroups(reported).map((group, part) => ({
        webhookId: id,
        subject: `changes-${place}-${part}`,
        body: bodyOf('tasks.ended', `{"tasks":[${group.join(',')}]}`),
      })),
      ...ended.map(({ scatter }) => ({
        webhookId: id,
        subject: scatter.id,
        body: bodyOf('scatter.ended', JSON.stringify(scatter)),
      })),
    ];
  });
}

function inGroups(texts: readonly string[]): string[][] {
  const groups: string[][] = [];
  let room = 0;
  for (const text of texts) {
    room -= Buffer.byteLength(text) + 1;
    const last = groups.at(-1);
    if (last && room >= 0 && last.length < TASKS_PER_DELIVERY) last.push(text);
    else {
      groups.push([text]);
      room = BYTES_PER_DELIVERY - Buffer.byteLength(text);
    }
  }
  return groups;
}
