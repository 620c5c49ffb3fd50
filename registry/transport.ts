/**
 * HTTP as registries need it: redirects only within https, credentials only for the host they belong
 * to, small bodies, short waits. Callers choose the names of images, so no request trusts them.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { whyNoAnswer } from '../core/fetch-failure.ts';
import type { ImageProblem } from '../core/image/image-seen.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Turns } from './turns.ts';

interface RegistryRequest {
  /** As images name it; for sentences and for turns. */
  registry: string;
  method: 'GET' | 'HEAD';
  url: URL;
  headers: Record<string, string>;
  operation: 'manifest' | 'token';
  /** Ends all tries. */
  signal: AbortSignal;
}

export interface RegistryAnswer {
  status: number;
  headers: Headers;
  body: Buffer;
}

export type Sent = RegistryAnswer | { problem: ImageProblem };

export interface TransportOptions {
  turns: Turns;
  metrics: Pick<Metrics, 'registryRequests'>;
  /** Hosts that are asked over plain http, besides loopback. */
  plainHttp: readonly string[];
  /** Of one request, ms. */
  timeoutMs?: number;
  /** Before the second and the third try, ms. */
  pausesMs?: readonly number[];
}

const TIMEOUT_MS = 5000;
const PAUSES_MS = [200, 600];
/** A registry that asks for a longer rest is not waited for. */
const LONGEST_WAIT_MS = 3000;
const LONGEST_REST_MS = 600_000;
/** After 429 without Retry-After. */
const SOME_REST_MS = 30_000;
/** So that the images of a silent registry do not wait for it one after another. */
const SILENT_REST_MS = 5000;
const MOST_REDIRECTS = 5;
/** Of a manifest (source: OCI distribution spec 1.1); answers of token services are smaller. */
const LARGEST_BODY = 4 * 1024 ** 2;

export interface Transport {
  send(request: RegistryRequest): Promise<Sent>;
  /** The scheme by which a registry is asked. */
  schemeOf(registry: string): 'https' | 'http';
}

export function createTransport(options: TransportOptions): Transport {
  const plain = new Set(options.plainHttp.map((host) => host.toLowerCase()));
  const isPlain = (host: string): boolean => isLoopback(host) || plain.has(host.toLowerCase());
  return {
    schemeOf: (registry) => (isPlain(registry) ? 'http' : 'https'),
    send: (request) => sendPatiently({ ...options, isPlain }, request),
  };
}

const isLoopback = (host: string): boolean =>
  /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?$/i.test(host);

interface Open extends TransportOptions {
  isPlain(host: string): boolean;
}

/** Up to three tries. What still fails lets the registry rest for a while. */
async function sendPatiently(open: Open, request: RegistryRequest): Promise<Sent> {
  const { registry, signal } = request;
  const { turns, pausesMs = PAUSES_MS } = open;
  for (let tried = 0; ; tried += 1) {
    const isLast = tried >= pausesMs.length;
    const tryOnce = await turns.take(registry, async () => {
      // Looked at when the turn comes: the registry may have failed while others had theirs.
      const problem = turns.resting(registry);
      if (problem) return { problem };
      const sent = await sendOnce(open, request);
      if (!('again' in sent)) return sent;
      const afterMs = sent.again.afterMs ?? pausesMs[tried] ?? 0;
      if (!isLast && afterMs <= LONGEST_WAIT_MS) return { afterMs, problem: sent.again.problem };
      turns.rest(registry, sent.again.restMs, sent.again.problem);
      return { problem: sent.again.problem };
    });
    if (!('afterMs' in tryOnce)) return tryOnce;
    const waited = await pause(tryOnce.afterMs, true, { signal }).catch(() => false);
    if (!waited) return { problem: tryOnce.problem };
  }
}

interface Again {
  problem: ImageProblem;
  /** As the registry said. */
  afterMs?: number;
  /** How long it is left alone after the last try. */
  restMs: number;
}

async function sendOnce(open: Open, request: RegistryRequest): Promise<Sent | { again: Again }> {
  const { registry, operation } = request;
  const timeoutMs = open.timeoutMs ?? TIMEOUT_MS;
  const count = (code: string): void => open.metrics.registryRequests.inc({ operation, code });
  const timeout = AbortSignal.timeout(timeoutMs);
  try {
    const answer = await follow(open, request, AbortSignal.any([timeout, request.signal]));
    count('problem' in answer ? 'refused' : String(answer.status));
    return 'problem' in answer ? answer : (busy(registry, answer) ?? answer);
  } catch (error) {
    const isLate = timeout.aborted || request.signal.aborted;
    count(isLate ? 'timeout' : 'error');
    const why = isLate ? `in time (${timeoutMs / 1000} s).` : `: ${whyNoAnswer(error)}.`;
    const problem: ImageProblem = {
      code: 'no-answer',
      sentence: `The registry ${registry} did not answer${isLate ? ' ' : ''}${why}`,
    };
    // A timeout has cost its time already.
    return isLate
      ? { again: { problem, restMs: SILENT_REST_MS, afterMs: Number.POSITIVE_INFINITY } }
      : { again: { problem, restMs: SILENT_REST_MS } };
  }
}

const OVERLOADED = new Set([429, 500, 502, 503, 504]);

function busy(registry: string, { status, headers }: RegistryAnswer): { again: Again } | undefined {
  if (!OVERLOADED.has(status)) return undefined;
  const afterMs = retryAfterMs(headers.get('retry-after'));
  const isBusy = status === 429 || afterMs !== undefined;
  const sentence = isBusy
    ? `The registry ${registry} accepts no more requests for now (HTTP ${status}).`
    : `The registry ${registry} failed (HTTP ${status}).`;
  return {
    again: {
      problem: { code: isBusy ? 'busy' : 'no-answer', sentence },
      restMs: Math.min(
        afterMs ?? (status === 429 ? SOME_REST_MS : SILENT_REST_MS),
        LONGEST_REST_MS,
      ),
      ...(isBusy && { afterMs: afterMs ?? Number.POSITIVE_INFINITY }),
    },
  };
}

/** In seconds. A date is ignored, because the clocks may differ. */
function retryAfterMs(header: string | null): number | undefined {
  return header !== null && /^\d{1,9}$/.test(header.trim()) ? Number(header) * 1000 : undefined;
}

const REDIRECTS = new Set([301, 302, 303, 307, 308]);

async function follow(open: Open, request: RegistryRequest, signal: AbortSignal): Promise<Sent> {
  let { url, headers } = request;
  for (let redirects = 0; ; redirects += 1) {
    if (!isAllowed(open, url)) return refused(request.registry, url);
    const answer = await fetch(url, {
      method: request.method,
      headers,
      redirect: 'manual',
      signal,
    });
    const next = redirects < MOST_REDIRECTS ? redirectOf(answer, url) : undefined;
    if (!next) return readAnswer(request.registry, answer);
    await answer.body?.cancel();
    if (url.protocol === 'https:' && next.protocol !== 'https:')
      return refused(request.registry, next);
    if (next.origin !== url.origin) headers = withoutCredentials(headers);
    url = next;
  }
}

/** Where an answer refers to; undefined where it is the answer itself. */
function redirectOf({ status, headers }: Response, from: URL): URL | undefined {
  const location = headers.get('location');
  return REDIRECTS.has(status) && location !== null && URL.canParse(location, from.href)
    ? new URL(location, from)
    : undefined;
}

const isAllowed = ({ isPlain }: Open, { protocol, host, username, password }: URL): boolean =>
  username === '' &&
  password === '' &&
  (protocol === 'https:' || (protocol === 'http:' && isPlain(host)));

const withoutCredentials = (headers: Record<string, string>): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => name !== 'authorization'));

const refused = (registry: string, { protocol, host }: URL): { problem: ImageProblem } => ({
  problem: {
    code: 'not-understood',
    sentence:
      `The registry ${registry} refers to ${protocol}//${host}. Only https is followed, and plain ` +
      'http on loopback and to hosts in BATCHWELL_PLAIN_HTTP_REGISTRIES.',
  },
});

async function readAnswer(registry: string, answer: Response): Promise<Sent> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of answer.body ?? []) {
    bytes += chunk.length;
    if (bytes > LARGEST_BODY) {
      const sentence = `The registry ${registry} sent more than ${LARGEST_BODY} bytes where a manifest was expected.`;
      return { problem: { code: 'not-understood', sentence } };
    }
    chunks.push(chunk);
  }
  return { status: answer.status, headers: answer.headers, body: Buffer.concat(chunks) };
}
