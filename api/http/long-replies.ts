/** Replies that go on until their subject has ended: how many at once, and who ends them before. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Gauge } from 'prom-client';

export interface LongReplies {
  /** Of this kind, on this process. */
  readonly most: number;
  /**
   * Aborted when the reply is closed, by whomever, when its token is not good any more, or when the server stops. Undefined when
   * there are too many already.
   */
  begin(
    request: Pick<FastifyRequest, 'isStillAllowed'>,
    reply: Pick<FastifyReply, 'raw'>,
  ): AbortSignal | undefined;
  close(): void;
}

/** A token that is revoked is good for some seconds more anyway. */
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
      gauge.set(open.size);
      const check = setInterval(() => {
        // Who cannot be asked about it now is asked again.
        void request
          .isStillAllowed()
          .catch(() => true)
          .then((may) => void (may || reply.abort()));
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
