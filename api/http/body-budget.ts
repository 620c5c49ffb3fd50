/**
 * The bytes of request bodies that a process holds at once: from the first byte until the reply. A scatter is held
 * until it is committed, and three of the largest ones would be more than a process has.
 */
import { Transform, type Readable } from 'node:stream';
import type { FastifyRequest } from 'fastify';
import type { Metrics } from '../../telemetry/metrics.ts';
import type { Api } from '../dependencies.ts';

/** Bodies up to this size have room of their own, so that single tasks get through beside wide scatters. */
const SMALL_BYTES = 1024 ** 2;
/** How much room small bodies have, as a part of the whole. */
const SMALL_SHARE = 0.25;
const RETRY_AFTER_SECONDS = 5;

class BodyNotTaken extends Error {
  override readonly name = 'BodyNotTaken';
  readonly statusCode: 408 | 413 | 415 | 503;
  constructor(statusCode: 408 | 413 | 415 | 503, message: string) {
    super(message);
    this.statusCode = statusCode;
  }
}

interface Pool {
  most: number;
  used: number;
}

interface Held {
  bytes: number;
  pool: Pool;
  /** While a handler works on the body, it is held although its sender may be gone. */
  handling: boolean;
  closed: boolean;
  /** All of it has been read. */
  isWhole: boolean;
  timer: NodeJS.Timeout | undefined;
  giveUp(error: Error): void;
}

const neverFits = (most: number): BodyNotTaken =>
  new BodyNotTaken(413, `The body is larger than ${most} bytes. Send it in several requests.`);

const noRoom = (most: number): BodyNotTaken =>
  new BodyNotTaken(
    503,
    `Other requests with large bodies are in progress: their bodies and this one have more than ${most} bytes. Try again in ${RETRY_AFTER_SECONDS} s.`,
  );

export interface BodyBudgetOptions {
  mostBytes: number;
  idleMs: number;
  metrics: Metrics;
}

/** Refuses bodies for which there is no room (503), that are compressed (415) or that stall (408). */
export function limitBodies(app: Api, options: BodyBudgetOptions): void {
  const budget = createBudget(options);
  const bodies = new WeakMap<FastifyRequest, Held>();

  app.addHook('preParsing', async (request, reply, payload) => {
    const length = declaredLength(request);
    if (length === 0) return payload;
    refuseEncoded(request);
    const held = budget.hold(payload as Readable, length);
    bodies.set(request, held);
    reply.raw.once('close', () => {
      held.closed = true;
      budget.release(held);
    });
    return budget.read(held, payload as Readable, length);
  });
  app.addHook('preHandler', async (request) => {
    const held = bodies.get(request);
    if (!held) return;
    held.handling = true;
    // A stream of lines is read by the handler: each part sets the timer again.
    if (held.isWhole) clearTimeout(held.timer);
  });
  app.addHook('onSend', async (request) => {
    const held = bodies.get(request);
    if (!held) return;
    held.handling = false;
    clearTimeout(held.timer);
    if (held.closed) budget.release(held);
  });
}

function createBudget({ mostBytes, metrics, idleMs }: BodyBudgetOptions) {
  const large: Pool = { most: mostBytes, used: 0 };
  const small: Pool = { most: mostBytes * SMALL_SHARE, used: 0 };

  const show = (): void => metrics.bodyBytes.set(large.used + small.used);
  const take = (held: Held, bytes: number): void => {
    const { pool } = held;
    if (held.bytes + bytes > pool.most) throw neverFits(mostBytes);
    if (pool.used + bytes > pool.most) {
      metrics.bodiesRefused.inc();
      throw noRoom(mostBytes);
    }
    pool.used += bytes;
    held.bytes += bytes;
    show();
  };
  const waitForMore = (held: Held): void => {
    clearTimeout(held.timer);
    held.timer = setTimeout(() => held.giveUp(stalled(idleMs)), idleMs).unref();
  };
  return {
    hold: (payload: Readable, length: number | undefined): Held => ({
      bytes: 0,
      pool: length !== undefined && length <= SMALL_BYTES ? small : large,
      handling: false,
      closed: false,
      isWhole: true,
      timer: undefined,
      giveUp: (error) => stopReading(payload, error),
    }),
    /** What the parser reads. Takes room for the whole body at once where its length is known. */
    read(held: Held, payload: Readable, length: number | undefined): Readable {
      // One above its limit is refused by its route, or as it is read.
      const isTaken = length !== undefined && length <= held.pool.most;
      if (isTaken) take(held, length);
      waitForMore(held);
      if (held.pool === small) return payload;
      const counting = counted(payload, (bytes) => {
        if (!held.closed) waitForMore(held);
        if (!isTaken) take(held, bytes);
      });
      held.isWhole = false;
      counting.once('end', () => {
        held.isWhole = true;
        clearTimeout(held.timer);
      });
      held.giveUp = (error) => void counting.destroy(error);
      return counting;
    },
    release(held: Held): void {
      clearTimeout(held.timer);
      if (held.handling) return;
      held.pool.used -= held.bytes;
      held.bytes = 0;
      show();
    },
  };
}

/** Its parser answers the request, if there is one by now. */
function stopReading(payload: Readable, error: Error): void {
  if (payload.listenerCount('error') > 0) payload.emit('error', error);
  else payload.destroy();
}

const stalled = (idleMs: number): BodyNotTaken =>
  new BodyNotTaken(408, `Nothing of the body came for ${idleMs / 1000} s. Send the request again.`);

/** Undefined for a body in chunks; 0 for none. */
function declaredLength({ headers }: FastifyRequest): number | undefined {
  const length = headers['content-length'];
  if (length !== undefined) return Number(length);
  return headers['transfer-encoding'] === undefined ? 0 : undefined;
}

function refuseEncoded({ headers }: FastifyRequest): void {
  const encoding = headers['content-encoding'];
  if (encoding === undefined || encoding.toLowerCase() === 'identity') return;
  throw new BodyNotTaken(
    415,
    `The body has Content-Encoding ${encoding.slice(0, 60)}. Send it without compression.`,
  );
}

/** The same bytes; `seen` may throw. */
function counted(payload: Readable, seen: (bytes: number) => void): Transform {
  let received = 0;
  const counting = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      received += chunk.length;
      try {
        seen(chunk.length);
        done(null, chunk);
      } catch (error) {
        done(error as Error);
      }
    },
  });
  payload.on('error', (error: Error) => counting.destroy(error));
  payload.on('aborted', () => counting.destroy(new Error('the sender closed the connection')));
  payload.pipe(counting);
  // Fastify compares it with Content-Length.
  return Object.defineProperty(counting, 'receivedEncodedLength', { get: () => received });
}

/** How the request is answered; undefined for another error. The rest of the body is never read. */
export const bodyNotTaken = (
  error: unknown,
): { status: number; message: string; retryAfterSeconds?: number } | undefined =>
  error instanceof BodyNotTaken
    ? {
        status: error.statusCode,
        message: error.message,
        ...(error.statusCode === 503 && { retryAfterSeconds: RETRY_AFTER_SECONDS }),
      }
    : undefined;
