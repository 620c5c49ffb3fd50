/**
 * The options of a client. Options that are not valid throw a TypeError at once; it does not
 * contain the token.
 */
import { createPace, sleepFor, type Sleep } from './pace.ts';
import { defaultPolicy, type RetryPolicy } from './retry.ts';
import type { Transport } from './send.ts';

export interface RetryOptions extends Partial<RetryPolicy> {
  /** Longest time of one attempt, in ms. Default 120,000. */
  attemptMs?: number;
  /** Returns a number from 0 to below 1. For tests. */
  random?: () => number;
  /** Rejects when its signal is aborted. For tests. */
  sleep?: Sleep;
  /** For tests. */
  nowMs?: () => number;
}

export interface ClientOptions {
  /** URL of Batchwell, such as `http://127.0.0.1:8000`. */
  url: string;
  /** Bearer token; never part of an error message. */
  token?: string | undefined;
  /** Used instead of the global one. */
  fetch?: typeof globalThis.fetch;
  retry?: RetryOptions;
  /**
   * Most requests at once, except those that wait for a task. Default 16. Further calls queue in
   * order.
   */
  maxInFlight?: number;
  /**
   * Most requests at once that wait for a task to change. Default 256; they cost the service almost
   * nothing.
   */
  maxWaiting?: number;
}

export function openTransport(options: ClientOptions): Transport {
  const {
    retry: {
      attemptMs = 120_000,
      random = Math.random,
      sleep = sleepFor,
      nowMs = Date.now,
      ...policy
    } = {},
    maxInFlight = 16,
  } = options;
  return {
    url: readUrl(options.url),
    token: readToken(options.token),
    // Browsers require that it is called as a method of their window.
    fetch: options.fetch ?? ((input, init) => globalThis.fetch(input, init)),
    policy: { ...defaultPolicy, ...policy },
    attemptMs,
    random,
    sleep,
    nowMs,
    paces: {
      work: createPace(atLeastOne('maxInFlight', maxInFlight), { sleep, nowMs }),
      wait: createPace(mostWaiting(options), { sleep, nowMs }),
    },
  };
}

export const mostWaiting = ({ maxWaiting = 256 }: ClientOptions): number =>
  atLeastOne('maxWaiting', maxWaiting);

function readUrl(url: string): string {
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
    throw new TypeError('url: expected one that begins with http:// or https://.');
  const { username, password, origin, pathname } = new URL(url);
  // Neither would work: fetch refuses credentials in a URL, and only TES's own routes are below
  // /t/.
  if (username !== '' || password !== '' || /^\/t\/[^/]/.test(pathname))
    throw new TypeError('url: expected one without credentials. Set `token` instead.');
  return `${origin}${pathname.replace(/\/+$/, '')}`;
}

function readToken(token: string | undefined): string | undefined {
  // Otherwise fetch's own error would contain the token.
  if (token !== undefined && !/^[\x21-\x7e]+$/.test(token))
    throw new TypeError('token: expected printable ASCII characters without spaces.');
  return token;
}

function atLeastOne(name: string, value: number): number {
  if (!Number.isInteger(value) || value < 1)
    throw new TypeError(`${name}: expected a whole number of at least 1.`);
  return value;
}
