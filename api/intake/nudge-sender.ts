/**
 * Sends nudges to the workers about rows that changed. They only save time: the sweeper finds what
 * is not sent.
 */
import type { Nudge } from '../../queues/messages.ts';
import type { Queues } from '../../queues/queues.ts';
import type { Log } from '../../telemetry/log.ts';

export interface NudgeSender {
  /** Returns at once. */
  send(nudges: readonly Nudge[]): void;
  /** Waits for nudges that are being sent, at most `longestMs`. */
  settle(longestMs: number): Promise<void>;
}

export function createNudgeSender(queues: Queues, log: Log): NudgeSender {
  const inFlight = new Set<Promise<void>>();
  return {
    send(nudges) {
      if (nudges.length === 0) return;
      // Commands on a closed connection would pile up in memory until Redis is back.
      if (queues.redis.status !== 'ready') {
        log.warn(
          { event: 'nudge-left-to-sweeper', nudges: nudges.length, redis: queues.redis.status },
          'nudge-left-to-sweeper',
        );
        return;
      }
      const sending = queues
        .nudge(nudges)
        .catch((error: unknown) =>
          log.warn(
            { event: 'nudge-left-to-sweeper', nudges: nudges.length, error: String(error) },
            'nudge-left-to-sweeper',
          ),
        )
        .finally(() => inFlight.delete(sending));
      inFlight.add(sending);
    },
    async settle(longestMs) {
      let timer: NodeJS.Timeout | undefined;
      const timeout = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, longestMs);
      });
      await Promise.race([Promise.all(inFlight), timeout]);
      clearTimeout(timer);
    },
  };
}
