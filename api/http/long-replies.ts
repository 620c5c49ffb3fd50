/**
 * Replies that last until their task or scatter has ended: how many are open at once, and what ends
 * them early.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Gauge } from 'prom-client';
import { noteThatItLasts } from './request-metrics.ts';

export interface LongReplies {
  /** Largest number of replies of this kind that one process keeps open. */
  readonly most: number;
  /**
   * A signal that aborts when either side closes the reply, when its token is no longer valid, or
   * when the server closes. Undefined when too many replies are open.
   */
  begin(
    request: Pick<FastifyRequest, 'isStillAllowed'>,
    reply: Pick<FastifyReply, 'raw'>,
  ): AbortSignal | undefined;
  close(): void;
}

/** A revoked token works for some seconds in any case. */
const CHECK_MS = 60_000;

export function createLongReplies({
  most,
  gauge,
  checkMs = CHECK_MS,
}: {
  most: number;
  gauge: Gauge;
  checkMs?: number;
}): LongReplies {
  const open = new Set<AbortController>();
  return {
    most,
    begin(request, { raw }) {
      if (open.size >= most) return undefined;
      const reply = new AbortController();
      open.add(reply);
      noteThatItLasts(raw);
      gauge.set(open.size);
      const check = setInterval(() => {
        // If the token cannot be checked now, the next check decides.
        void request
          .isStillAllowed()
          .catch(() => true)
          .then((allowed) => void (allowed || reply.abort()));
      }, checkMs).unref();
      raw.once('close', () => {
        clearInterval(check);
        reply.abort();
        open.delete(reply);
        gauge.set(open.size);
      });
      return reply.signal;
    },
    close() {
      for (const reply of open) reply.abort();
    },
  };
}
