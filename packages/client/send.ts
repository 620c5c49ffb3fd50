/**
 * One call: attempts until there is a final answer. A call that creates something has a key, so
 * that it can be sent twice.
 */
import { errorOfAnswer, errorOfNoAnswer, errorOfInvalidJson, type Tried } from './errors.ts';
import type { Pace, Sleep } from './pace.ts';
import { decideNext, type NextStep, type RetryPolicy } from './retry.ts';
import { within } from './within.ts';

export interface Call {
  method?: 'GET' | 'POST' | 'DELETE';
  path: string;
  /** Undefined values are left out; a list repeats the parameter. */
  query?: Record<string, string | number | boolean | readonly string[] | undefined>;
  json?: unknown;
  /** NDJSON. A stream can be read only once, so it is never sent again. */
  lines?: Blob | ReadableStream<Uint8Array>;
  idempotencyKey?: string;
  signal?: AbortSignal | undefined;
  /** How long the service may deliberately delay its answer. */
  waitMs?: number;
}

export interface Answer {
  status: number;
  headers: Headers;
  text: string;
}

/** How calls reach the service. */
export interface Transport {
  /** Without a slash at the end. */
  url: string;
  token: string | undefined;
  fetch: typeof globalThis.fetch;
  policy: RetryPolicy;
  /** An attempt that takes longer counts as one without an answer. */
  attemptMs: number;
  random: () => number;
  sleep: Sleep;
  nowMs: () => number;
  /** One for requests that make the service work, one for requests that wait. */
  paces: { work: Pace; wait: Pace };
}

/** Resolves with a 2xx answer, or rejects with a BatchwellError or the signal's reason. */
export async function send(transport: Transport, call: Call): Promise<Answer> {
  const body = call.json === undefined ? call.lines : JSON.stringify(call.json);
  const pace = call.waitMs ? transport.paces.wait : transport.paces.work;
  for (let tries = 1; ; tries += 1) {
    const outcome = await pace.run(
      async () => judge(transport, pace, { outcome: await attempt(transport, call, body), tries }),
      call.signal,
    );
    if (outcome.next === undefined) return outcome.answer;
    call.signal?.throwIfAborted();
    if (!outcome.next.again || body instanceof ReadableStream)
      throw errorOf(outcome, {
        origin: new URL(transport.url).origin,
        tries,
        token: transport.token,
      });
    // During a common pause, the pace itself delays the next attempt.
    if (!outcome.next.together) await transport.sleep(outcome.next.pauseMs, call.signal);
  }
}

type Outcome = { answer: Answer } | { failed: unknown };
type Judged = { answer: Answer; next: undefined } | (Outcome & { next: NextStep });

/** Runs before another call takes the place of this one, so that the other call also pauses. */
function judge(
  transport: Transport,
  pace: Pace,
  { outcome, tries }: { outcome: Outcome; tries: number },
): Judged {
  const answer = 'answer' in outcome ? outcome.answer : undefined;
  if (answer && answer.status >= 200 && answer.status < 300) {
    pace.speedUp();
    return { answer, next: undefined };
  }
  const ending = answer && { status: answer.status, retryAfter: answer.headers.get('retry-after') };
  const next = decideNext(ending, tries, {
    policy: transport.policy,
    random: transport.random,
    nowMs: transport.nowMs(),
  });
  if (next.together) for (const each of Object.values(transport.paces)) each.slowDown(next.pauseMs);
  return { ...outcome, next };
}

const errorOf = (outcome: Outcome, tried: Tried): Error =>
  'answer' in outcome
    ? errorOfAnswer(outcome.answer, tried)
    : errorOfNoAnswer(outcome.failed, tried);

/** Like send, but resolves with the answer's JSON. */
export async function sendForJson<T>(transport: Transport, call: Call): Promise<T> {
  return readJson<T>(transport, await send(transport, call));
}

/** Throws a BatchwellError if the answer is not valid JSON. */
export function readJson<T>(transport: Transport, { text }: Answer): T {
  try {
    return JSON.parse(text) as T;
  } catch (cause) {
    throw errorOfInvalidJson(text, cause, {
      origin: new URL(transport.url).origin,
      tries: 1,
      token: transport.token,
    });
  }
}

/**
 * Reads the whole answer; one that breaks off counts as none. A body that is a stream has no time
 * limit.
 */
async function attempt(
  transport: Transport,
  call: Call,
  body: string | Call['lines'],
): Promise<Outcome> {
  const url = urlOf(transport, call.path, call.query);
  const isStream = body instanceof ReadableStream;
  // A redirected POST would become a GET, whose answer looks like success.
  const redirect = 'manual';
  // fetch refuses a stream without `duplex`, which the types of the DOM do not have.
  const init = {
    method: call.method ?? 'GET',
    redirect,
    headers: headersOf(transport, call),
    ...(body !== undefined && { body }),
    ...(isStream && { duplex: 'half' }),
  } as RequestInit;
  try {
    return await within(
      isStream ? undefined : transport.attemptMs + (call.waitMs ?? 0),
      call.signal,
      async (signal) => {
        const response = await transport.fetch(url, { ...init, signal });
        return {
          answer: {
            status: response.status,
            headers: response.headers,
            text: await response.text(),
          },
        };
      },
    );
  } catch (failed) {
    return { failed };
  }
}

export const urlOf = ({ url }: Transport, path: string, query: Call['query']): string =>
  `${url}${path}${queryText(query)}`;

export function headersOf(
  { token }: Transport,
  {
    json,
    lines,
    idempotencyKey,
    accept = 'application/json, text/plain',
  }: Partial<Call> & { accept?: string },
): Record<string, string> {
  return {
    accept,
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
    ...(json !== undefined && { 'content-type': 'application/json' }),
    ...(lines !== undefined && { 'content-type': 'application/x-ndjson' }),
    ...(idempotencyKey !== undefined && { 'idempotency-key': idempotencyKey }),
  };
}

function queryText(query: Call['query'] = {}): string {
  const given = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const one of Array.isArray(value) ? (value as readonly string[]) : [value])
      if (one !== undefined) given.append(name, String(one));
  }
  const text = given.toString();
  return text === '' ? '' : `?${text}`;
}
