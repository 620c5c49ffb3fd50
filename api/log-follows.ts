/** The logs that this process follows: how many at once, and their ends. */
import type { ServerResponse } from 'node:http';
import type { Metrics } from '../telemetry/metrics.ts';

export interface LogFollows {
  /** Aborted when the reply is closed, by whomever, or when the server stops. Undefined when there are too many already. */
  begin(reply: ServerResponse): AbortSignal | undefined;
  close(): void;
}

/** Each holds a connection and up to some 200 kB, and asks S3 every three seconds. */
export const MOST_FOLLOWS = 200;

export function createLogFollows({ logFollows }: Pick<Metrics, 'logFollows'>): LogFollows {
  const underWay = new Set<AbortController>();
  return {
    begin(reply) {
      if (underWay.size >= MOST_FOLLOWS) return undefined;
      const follow = new AbortController();
      underWay.add(follow);
      logFollows.set(underWay.size);
      reply.once('close', () => {
        follow.abort();
        underWay.delete(follow);
        logFollows.set(underWay.size);
      });
      return follow.signal;
    },
    close() {
      for (const follow of underWay) follow.abort();
    },
  };
}
