/** A client whose service is played by the test: no network, no clock, no randomness. */
import { openClient, type Client, type ClientOptions } from '../client.ts';

export interface Heard {
  method: string;
  /** Path and query. */
  path: string;
  headers: Headers;
  body: string;
  signal: AbortSignal;
  redirect: string;
}

/** An answer, or the error with which fetch rejects. */
export type Played = Response | Error;

export interface PlayedClient {
  client: Client;
  heard: Heard[];
  /** Every pause that was asked for, in ms. */
  pauses: number[];
}

/**
 * `play` answers each request. Pauses take no time by default; the random number is one half.
 */
export function playClient(
  play: (heard: Heard, position: number) => Played | Promise<Played>,
  options: Partial<ClientOptions> = {},
): PlayedClient {
  const heard: Heard[] = [];
  const pauses: number[] = [];
  const fetch: typeof globalThis.fetch = async (input, init) => {
    const request = new Request(input, init);
    const { pathname, search } = new URL(request.url);
    const one: Heard = {
      method: request.method,
      path: pathname + search,
      headers: request.headers,
      body: await request.text(),
      signal: init?.signal ?? request.signal,
      redirect: request.redirect,
    };
    heard.push(one);
    const played = await play(one, heard.length - 1);
    if (played instanceof Error) throw played;
    return played;
  };
  const retry = {
    random: () => 0.5,
    nowMs: () => 0,
    sleep: async (ms: number, signal?: AbortSignal) => {
      signal?.throwIfAborted();
      pauses.push(ms);
    },
    ...options.retry,
  };
  return {
    client: openClient({ url: 'http://batchwell.test', fetch, ...options, retry }),
    heard,
    pauses,
  };
}

export const json = (body: unknown, status = 200, headers: Record<string, string> = {}): Response =>
  new Response(JSON.stringify(body), { status, headers });
export const busy = (retryAfter?: string, status = 503): Response =>
  json(
    { status_code: status, message: 'Too many requests wait.' },
    status,
    retryAfter === undefined ? {} : { 'retry-after': retryAfter },
  );
/** As Node's fetch reports it. */
export const brokenConnection = (): Error =>
  new TypeError('fetch failed', {
    cause: Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }),
  });

export const task = { executors: [{ image: 'alpine', command: ['true'] }] };

/** Pauses that end when the test says so; aborted ones are removed. */
export function heldSleep() {
  const held: { ms: number; end(): void }[] = [];
  const sleep = (ms: number, signal?: AbortSignal) =>
    new Promise<void>((end, reject) => {
      const one = { ms, end };
      held.push(one);
      signal?.addEventListener('abort', () => {
        held.splice(held.indexOf(one), 1);
        reject(signal.reason as Error);
      });
    });
  return { held, sleep };
}
