/** The errors of calls, with the service's own message where it sent one. */
import type { Problem } from './types.generated.ts';

interface ErrorDetails {
  status?: number;
  problems?: readonly Problem[];
  moreProblems?: number;
  cause?: unknown;
}

/**
 * Every call rejects with this error, or with the reason of its signal if that was aborted. No
 * message contains a token.
 */
export class BatchwellError extends Error {
  override readonly name = 'BatchwellError';
  /**
   * HTTP status. Undefined if no answer came (`cause` says why), or if the answer is not from
   * Batchwell.
   */
  readonly status: number | undefined;
  /** For status 400: each field that is not valid, up to 100. */
  readonly problems: readonly Problem[];
  /** Number of problems beyond those. */
  readonly moreProblems: number;

  constructor(
    message: string,
    { status, problems = [], moreProblems = 0, cause }: ErrorDetails = {},
  ) {
    super(message, { cause });
    this.status = status;
    this.problems = problems;
    this.moreProblems = moreProblems;
  }
}

/** Where a call was sent and how often, for the message of its error. */
export interface Tried {
  origin: string;
  /** Attempts, from 1. */
  tries: number;
  /** Removed from the server's text, because some proxies repeat the headers of a request. */
  token: string | undefined;
}

const afterTries = ({ tries }: Tried): string => (tries > 1 ? ` (${tries} attempts)` : '');

/** For an answer that is not 2xx. */
export function errorOfAnswer(
  { status, text, headers }: { status: number; text: string; headers: Headers },
  tried: Tried,
): BatchwellError {
  if (status < 400) return errorOfRedirect(status, headers.get('location'), tried);
  const refusal = parseRefusal(text);
  const words = withoutToken(refusal.message ?? `HTTP status ${status}`, tried.token);
  // Below 500 the message is about the request; from 500 on it is about the service.
  const message =
    status < 500
      ? words
      : `Batchwell at ${tried.origin} answered ${status}${afterTries(tried)}: ${words}`;
  return new BatchwellError(message, {
    status,
    problems: refusal.problems,
    moreProblems: refusal.more,
  });
}

/** For a redirect. Browsers report it as status 0, without its location. */
function errorOfRedirect(
  status: number,
  location: string | null,
  { origin, token }: Tried,
): BatchwellError {
  const where = location === null ? '' : ` to ${withoutToken(location, token)}`;
  return new BatchwellError(
    `The server at ${origin} redirects requests${where}, and redirects are not followed. ` +
      'Open the client with the URL of Batchwell itself.',
    status === 0 ? {} : { status },
  );
}

/** For a request without an answer. */
export function errorOfNoAnswer(cause: unknown, tried: Tried): BatchwellError {
  const reason = withoutToken(reasonOf(cause), tried.token);
  return new BatchwellError(
    `Batchwell cannot be reached at ${tried.origin}${afterTries(tried)}: ${reason}.`,
    { cause },
  );
}

/** For an answer that should have been JSON. */
export function errorOfInvalidJson(
  text: string,
  cause: unknown,
  { origin, token }: Tried,
): BatchwellError {
  const start = JSON.stringify(withoutToken(text, token).slice(0, 60));
  return new BatchwellError(
    `The server at ${origin} is not Batchwell: its reply is not valid JSON (${start}).`,
    { cause },
  );
}

const withoutToken = (text: string, token: string | undefined): string =>
  token === undefined ? text : text.replaceAll(token, '…');

/** fetch reports only "fetch failed"; its cause says what happened. */
function reasonOf(cause: unknown): string {
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause;
  if (!(inner instanceof Error)) return String(inner);
  return inner.message !== ''
    ? inner.message
    : String((inner as { code?: unknown }).code ?? inner.name);
}

interface Refusal {
  message?: string;
  problems: Problem[];
  more: number;
}

function parseRefusal(text: string): Refusal {
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
