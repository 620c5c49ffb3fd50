/** Tells the workers of rows that changed. Messages only save time: what cannot be told now, the sweeper finds. */
import type { Nudge } from '../../queues/messages.ts';
import type { Queues } from '../../queues/queues.ts';
import type { Log } from '../../telemetry/log.ts';

export interface NudgeSender {
  /** Returns at once. */
  send(nudges: readonly Nudge[]): void;
  /** Waits for what is under way, at most `longestMs`. */
  settle(longestMs: number): Promise<void>;
}

/** One line when Redis goes and one when it is back: its clients try again every second or two and fail each time. */
function tellOutages({ redis, byStage }: Queues, log: Log): void {
  let away = false;
  const onError = (error: Error): void => {
    if (!away) log.warn({ event: 'redis-away', error: error.message }, 'redis-away');
    away = true;
  };
  // BullMQ writes to the console what nobody listens for, and Node ends the process for it.
  for (const source of [redis, ...Object.values(byStage)]) source.on('error', onError);
  redis.on('ready', () => {
    if (away) log.info({ event: 'redis-back' }, 'redis-back');
    away = false;
  });
}

export function createNudgeSender(queues: Queues, log: Log): NudgeSender {
  tellOutages(queues, log);
  const underWay = new Set<Promise<void>>();
  return {
    send(nudges) {
      if (nudges.length === 0) return;
      // Commands given to a connection that is down would pile up in memory until Redis is back.
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
        .finally(() => underWay.delete(sending));
      underWay.add(sending);
    },
    async settle(longestMs) {
      let timer: NodeJS.Timeout | undefined;
      const timeout = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, longestMs);
      });
      await Promise.race([Promise.all(underWay), timeout]);
      clearTimeout(timer);
    },
  };
}
