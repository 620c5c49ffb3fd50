/**
 * Looks at a Batch queue when an event says that a job has ended there, instead of at intervals. An
 * event says no more than that: what has ended is read in the usual way, and slow looks go on as a
 * safety net for events that never come.
 */
import { openJobEvents, type EventMessage } from '../../aws/job-events.ts';
import { isQueue, parseJobEvent, saysEnded } from '../../core/submission/job-event.ts';
import { readWatchedQueues } from '../../db/submissions.ts';
import type { Nudge } from '../../queues/messages.ts';
import type { Runtime } from '../runtime.ts';
import { startLoop, type Loop } from './loop.ts';

/** After a failure; otherwise the queue itself makes the loop wait. */
const AGAIN_MS = 1000;

/** Does nothing when no queue of events is configured. */
export function startEventFeed(runtime: Runtime): Loop {
  const { jobEventsUrl } = runtime.config;
  if (jobEventsUrl === '') return { close: () => Promise.resolve() };
  const events = openJobEvents({ queueUrl: jobEventsUrl, metrics: runtime.metrics });
  const pace = new Map<string, number>();
  const loop = startLoop(runtime, { name: 'event-feed', pauseMs: AGAIN_MS }, async (signal) => {
    const messages = await events.receive(signal);
    await tellOf(runtime, messages, pace);
    // Removed last: if the process dies before, they come again.
    await events.remove(messages);
    return 'again';
  });
  return {
    async close() {
      await loop.close();
      events.close();
    },
  };
}

/**
 * @param lookedMs when each queue was last nudged: the children of a wide array end by the thousand
 */
async function tellOf(
  runtime: Runtime,
  messages: readonly EventMessage[],
  lookedMs: Map<string, number>,
): Promise<void> {
  if (messages.length === 0) return;
  const parsed = messages.map(({ body }) => parseJobEvent(body));
  for (const event of parsed)
    runtime.metrics.jobEvents.inc({
      kind: event === undefined ? 'malformed' : saysEnded(event) ? 'ended' : 'other',
    });
  if (parsed.includes(undefined))
    runtime.log.warn(
      { count: parsed.filter((event) => event === undefined).length },
      'job-event-malformed',
    );
  const arns = new Set(
    parsed.flatMap((event) => (event && saysEnded(event) ? [event.jobQueue] : [])),
  );
  if (arns.size === 0) return;
  const nowMs = runtime.nowMs();
  for (const queue of await readWatchedQueues(runtime.database.pool)) {
    if (![...arns].some((arn) => isQueue(queue, arn))) continue;
    const delayMs = Math.max(0, (lookedMs.get(queue) ?? 0) + runtime.config.pollMs - nowMs);
    lookedMs.set(queue, nowMs + delayMs);
    const nudge: Nudge = { stage: 'poll', message: { queue } };
    await runtime.queues.nudge([nudge], delayMs);
  }
}
