/** One call: attempts until there is an answer that counts. What makes something carries a key, so that it may be sent twice. */
import { errorOfAnswer, errorOfSilence, errorOfStranger, type Tried } from './errors.ts';
import type { Pace, Sleep } from './pace.ts';
import { decideNext, type NextStep, type RetryPolicy } from './retry.ts';
import { within } from './within.ts';

export interface Call {
  method?: 'GET' | 'POST' | 'DELETE';
  path: string;
  /** Undefined is left out; a list is repeated. */
  query?: Record<string, string | number | boolean | readonly string[] | undefined>;
  json?: unknown;
  /** NDJSON. A stream can be read once only, hence is never sent again. */
  lines?: Blob | ReadableStream<Uint8Array>;
  idempotencyKey?: string;
  signal?: AbortSignal | undefined;
  /** For so long the service may answer late on purpose. */
  waitMs?: number;
}

export interface Answer {
  status: number;
  headers: Headers;
  text: string;
}

export interface Line {
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
  /** For requests that make the service work, and for those that wait. */
  paces: { work: Pace; wait: Pace };
}

/** Gives a 2xx answer, or rejects with a BatchwellError or the signal's reason. */
export async function send(line: Line, call: Call): Promise<Answer> {
  const body = call.json === undefined ? call.lines : JSON.stringify(call.json);
  const pace = call.waitMs ? line.paces.wait : line.paces.work;
  for (let tries = 1; ; tries += 1) {
    const outcome = await pace.run(
      async () => judge(line, pace, { outcome: await attempt(line, call, body), tries }),
      call.signal,
    );
    if (outcome.next === undefined) return outcome.answer;
    call.signal?.throwIfAborted();
    if (!outcome.next.again || body instanceof ReadableStream)
      throw errorOf(outcome, { origin: new URL(line.url).origin, tries, token: line.token });
    // In a common pause, the pace itself holds the next attempt back.
    if (!outcome.next.together) await line.sleep(outcome.next.pauseMs, call.signal);
  }
}

type Outcome = { answer: Answer } | { failed: unknown };
type Judged = { answer: Answer; next: undefined } | (Outcome & { next: NextStep });

/** Before its room is given to another call: that one has to feel the pause. */
function judge(
  line: Line,
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
    policy: line.policy,
    random: line.random,
    nowMs: line.nowMs(),
  });
  if (next.together) for (const each of Object.values(line.paces)) each.slowDown(next.pauseMs);
  return { ...outcome, next };
}

const errorOf = (outcome: Outcome, tried: Tried): Error =>
  'answer' in outcome
    ? errorOfAnswer(outcome.answer, tried)
    : errorOfSilence(outcome.failed, tried);

/** As send; gives the answer's JSON. */
export async function sendForJson<T>(line: Line, call: Call): Promise<T> {
  return readJson<T>(line, await send(line, call));
}

/** Rejects when it is no JSON. */
export function readJson<T>(line: Line, { text }: Answer): T {
  try {
    return JSON.parse(text) as T;
  } catch (cause) {
    throw errorOfStranger(text, cause, {
      origin: new URL(line.url).origin,
      tries: 1,
      token: line.token,
    });
  }
}

/** Until the whole answer is read: one that breaks off is none. A stream takes as long as it takes. */
async function attempt(line: Line, call: Call, body: string | Call['lines']): Promise<Outcome> {
  const url = urlOf(line, call.path, call.query);
  const isStream = body instanceof ReadableStream;
  // A redirected POST would become a GET, whose answer looks as if all had gone well.
  const redirect = 'manual';
  // Without `duplex` a body that is a stream is refused; to DOM's types it is unknown.
  const init = {
    method: call.method ?? 'GET',
    redirect,
    headers: headersOf(line, call),
    ...(body !== undefined && { body }),
    ...(isStream && { duplex: 'half' }),
  } as RequestInit;
  try {
    return await within(
      isStream ? undefined : line.attemptMs + (call.waitMs ?? 0),
      call.signal,
      async (signal) => {
        const response = await line.fetch(url, { ...init, signal });
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

export const urlOf = ({ url }: Line, path: string, query: Call['query']): string =>
  `${url}${path}${queryText(query)}`;

export function headersOf(
  { token }: Line,
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
