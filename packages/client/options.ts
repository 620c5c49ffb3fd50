/** What a client is opened with. Wrong options are a TypeError at once, without the token in it. */
import { createPace, sleepFor, type Sleep } from './pace.ts';
import { defaultPolicy, type RetryPolicy } from './retry.ts';
import type { Line } from './send.ts';

export interface RetryOptions extends Partial<RetryPolicy> {
  /** How long one attempt may take, in ms (120,000). */
  attemptMs?: number;
  /** From 0 to below 1. For tests. */
  random?: () => number;
  /** Rejects when its signal is aborted. For tests. */
  sleep?: Sleep;
  /** For tests. */
  nowMs?: () => number;
}

export interface ClientOptions {
  /** Where Batchwell is: `http://127.0.0.1:8000`. */
  url: string;
  token?: string | undefined;
  /** Instead of the global one. */
  fetch?: typeof globalThis.fetch;
  retry?: RetryOptions;
  /** Requests at once, other than waiting ones (16). Further calls queue, in their order. */
  maxInFlight?: number;
  /** Requests at once that wait for a task to change (256); they cost the service next to nothing. */
  maxWaiting?: number;
}

export function openLine(options: ClientOptions): Line {
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
    // Browsers want it called as a function of their own window.
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
  // Neither would go: fetch takes no credentials in a url, and only TES's own routes are below /t/.
  if (username !== '' || password !== '' || /^\/t\/[^/]/.test(pathname))
    throw new TypeError('url: expected one without credentials; they go into `token`.');
  return `${origin}${pathname.replace(/\/+$/, '')}`;
}

function readToken(token: string | undefined): string | undefined {
  // Else fetch's own complaint would show it.
  if (token !== undefined && !/^[\x21-\x7e]+$/.test(token))
    throw new TypeError('token: expected printable ASCII characters without blanks.');
  return token;
}

function atLeastOne(name: string, value: number): number {
  if (!Number.isInteger(value) || value < 1)
    throw new TypeError(`${name}: expected a whole number from 1.`);
  return value;
}
