/** How a call ends badly, in the words of the service where it said any. */
import type { Problem } from './types.generated.ts';

/** What a call rejects with, unless its signal was aborted: then with the signal's reason. No message holds a token. */
export class BatchwellError extends Error {
  override readonly name = 'BatchwellError';
  /** HTTP status. Undefined when no answer came (`cause` says why), or none of a Batchwell. */
  readonly status: number | undefined;
  /** Of a 400: each field that was wrong, up to a hundred. */
  readonly problems: readonly Problem[];
  /** How many problems there were beyond those. */
  readonly moreProblems: number;

  constructor(
    message: string,
    {
      status,
      problems = [],
      moreProblems = 0,
      cause,
    }: {
      status?: number;
      problems?: readonly Problem[];
      moreProblems?: number;
      cause?: unknown;
    } = {},
  ) {
    super(message, { cause });
    this.status = status;
    this.problems = problems;
    this.moreProblems = moreProblems;
  }
}

/** Where a call went and how often, for the sentence of its error. */
export interface Tried {
  origin: string;
  /** Attempts, from 1. */
  tries: number;
  /** Taken out of what the service says: some proxies repeat a request's headers. */
  token: string | undefined;
}

const afterTries = ({ tries }: Tried): string => (tries > 1 ? ` (${tries} attempts)` : '');

/** Of an answer that is not 2xx. */
export function errorOfAnswer(
  { status, text, headers }: { status: number; text: string; headers: Headers },
  tried: Tried,
): BatchwellError {
  if (status < 400) return errorOfDetour(status, headers.get('location'), tried);
  const said = sayings(text);
  const words = withoutToken(said.message ?? `HTTP status ${status}`, tried.token);
  // Below 500 the sentence is about the request; from there on, about the service.
  const message =
    status < 500
      ? words
      : `Batchwell at ${tried.origin} answered ${status}${afterTries(tried)}: ${words}`;
  return new BatchwellError(message, { status, problems: said.problems, moreProblems: said.more });
}

/** Of a redirect: browsers say no more of it than status 0. */
function errorOfDetour(
  status: number,
  location: string | null,
  { origin, token }: Tried,
): BatchwellError {
  const where = location === null ? 'elsewhere' : `to ${withoutToken(location, token)}`;
  return new BatchwellError(
    `What answers at ${origin} sends requests ${where}, and none of them is followed. Open the client with the url of Batchwell itself.`,
    status === 0 ? {} : { status },
  );
}

/** Of a request without an answer. */
export function errorOfSilence(cause: unknown, tried: Tried): BatchwellError {
  return new BatchwellError(
    `Batchwell cannot be reached at ${tried.origin}${afterTries(tried)}: ${withoutToken(reasonOf(cause), tried.token)}.`,
    { cause },
  );
}

/** Of an answer that should have been JSON. */
export function errorOfStranger(
  text: string,
  cause: unknown,
  { origin, token }: Tried,
): BatchwellError {
  return new BatchwellError(
    `What answers at ${origin} is no Batchwell: its reply is no JSON (${JSON.stringify(withoutToken(text, token).slice(0, 60))}).`,
    { cause },
  );
}

const withoutToken = (text: string, token: string | undefined): string =>
  token === undefined ? text : text.replaceAll(token, '…');

/** fetch says only "fetch failed"; what happened is its cause. */
function reasonOf(cause: unknown): string {
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause;
  if (!(inner instanceof Error)) return String(inner);
  return inner.message !== ''
    ? inner.message
    : String((inner as { code?: unknown }).code ?? inner.name);
}

function sayings(text: string): { message?: string; problems: Problem[]; more: number } {
  try {
    const {
      message,
      problems,
      more_problems: more,
    } = JSON.parse(text) as { message?: unknown; problems?: unknown; more_problems?: unknown };
    return {
      ...(typeof message === 'string' && { message }),
      problems: Array.isArray(problems) ? (problems as Problem[]) : [],
      more: typeof more === 'number' ? more : 0,
    };
  } catch {
    return { problems: [], more: 0 };
  }
}
