/** Ends work for a caller who no longer waits for it. */
import type { FastifyReply, FastifyRequest } from 'fastify';

export type Handle = (
  request: FastifyRequest,
  reply: FastifyReply,
  connected: AbortSignal,
) => Promise<unknown>;

/** Gives the handler a signal that aborts when the caller disconnects or the proxy shuts down. */
export const whileConnected =
  (handle: Handle, closing: AbortSignal) =>
  async (request: FastifyRequest, reply: FastifyReply): Promise<unknown> => {
    const connection = watchConnection(request, closing);
    try {
      return await handle(request, reply, connection.signal);
    } catch (error) {
      if (!connection.signal.aborted) throw error;
      // The connection is cut, not answered: Cromwell repeats a request without an answer, and
      // fails a call on any answer that is not 2xx.
      reply.hijack();
      request.raw.socket.destroy();
      return reply;
    } finally {
      connection.end();
    }
  };

interface Connection {
  signal: AbortSignal;
  end(): void;
}

/** Does not use AbortSignal.any: Node keeps some of its signals for as long as `closing` lives. */
function watchConnection(request: FastifyRequest, closing: AbortSignal): Connection {
  const { socket } = request.raw;
  const controller = new AbortController();
  const giveUp = (): void =>
    controller.abort(new DOMException('The caller has disconnected', 'AbortError'));
  if (closing.aborted || socket.destroyed) giveUp();
  socket.once('close', giveUp);
  closing.addEventListener('abort', giveUp, { once: true });
  return {
    signal: controller.signal,
    end() {
      socket.removeListener('close', giveUp);
      closing.removeEventListener('abort', giveUp);
    },
  };
}

/**
 * The work itself goes on: a large file is still uploaded when its POST is given up, and the next
 * POST finds it.
 */
export function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const giveUp = (): void => reject(signal.reason as Error);
    if (signal.aborted) giveUp();
    signal.addEventListener('abort', giveUp, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', giveUp));
  });
}
