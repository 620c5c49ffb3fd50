/**
 * Error replies: always JSON, with what failed, why, and what to do next. This folder: what all
 * routes need of HTTP.
 */
import type { Writable } from 'node:stream';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { LISTED_PROBLEMS, type RowProblem } from '../../core/scatter/scatter.ts';
import { problemSentence } from '../../core/problems.ts';
import { DatabaseUnavailable, isDatabaseAway, OutcomeUnknown } from '../../db/unavailable.ts';
import { ProviderUnavailable } from '../access/oidc.ts';
import { bodyNotTaken } from './body-budget.ts';
import { Overloaded } from '../coalesce-calls.ts';
import type { Log } from '../../telemetry/log.ts';

/**
 * A problem in one of many tasks: `line` counts from 1 as in editors, `row` from 0 as in arrays.
 */
export type ListedProblem = RowProblem & { line?: number };

export interface FailureBody {
  status_code: number;
  message: string;
  problems?: ListedProblem[];
  /** Number of problems that are not listed. */
  more_problems?: number;
}

export const failure = <S extends number>(
  statusCode: S,
  message: string,
): FailureBody & { status_code: S } => ({ status_code: statusCode, message });

const where = (problem: ListedProblem): string => {
  if (problem.line !== undefined) return `line ${problem.line}: `;
  return problem.row === undefined ? '' : `row ${problem.row}: `;
};

/**
 * A 400 that names every field. `count`: the number of problems, when the list does not hold all.
 */
export function refusal(
  problems: readonly ListedProblem[],
  count = problems.length,
): FailureBody & { status_code: 400 } {
  const [first] = problems;
  const others = count > 1 ? ` (and ${count - 1} more)` : '';
  const listed = problems.slice(0, LISTED_PROBLEMS);
  return {
    ...failure(
      400,
      first
        ? `${where(first)}${problemSentence(first)}${others}`
        : 'The request is malformed. See /docs for its form.',
    ),
    problems: listed,
    ...(count > listed.length && { more_problems: count - listed.length }),
  };
}

export const notFound = (what: string, id: string): FailureBody =>
  failure(
    404,
    `There is no ${what} ${JSON.stringify(id.slice(0, 80))}, or it belongs to another owner. ` +
      'Check the id and your token.',
  );

const RETRY_AFTER_SECONDS = 5;

/** Our messages for what Fastify itself refuses. */
const ownMessages: Record<string, string> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE:
    'The Content-Type of the body is not supported. Send application/json, or application/x-ndjson for a scatter.',
  FST_ERR_CTP_BODY_TOO_LARGE:
    'The body is too large. Move large contents to S3, and send a large scatter as application/x-ndjson.',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'The body is empty. Send JSON.',
  FST_ERR_BAD_URL: 'The path of the URL is not valid percent-encoding. Correct the URL.',
  FST_ERR_MAX_PARAM_LENGTH: 'A part of the path is too long for an id. Correct the URL.',
};

interface SchemaComplaint {
  instancePath?: string;
  message?: string;
}

function schemaProblems(error: FastifyError): ListedProblem[] {
  const complaints = (error.validation ?? []) as SchemaComplaint[];
  return complaints.map(({ instancePath = '', message = 'another value' }) => ({
    field: instancePath.replace(/^\//, '').replaceAll('/', '.'),
    expected: message.replace(/^must (be|have|match) ?/, ''),
  }));
}

/** The cause of an error that a retry of the same request may not meet again. */
export function transientCause(error: unknown): { event: string; what: string } | undefined {
  if (error instanceof Overloaded)
    return { event: 'overloaded', what: 'Too many requests are waiting for the database' };
  if (error instanceof ProviderUnavailable)
    return {
      event: 'oidc-provider-away',
      what: 'The OpenID provider that issued this token is unavailable',
    };
  if (error instanceof OutcomeUnknown)
    return {
      event: 'outcome-unknown',
      what: 'The database did not answer the commit, so it is not known whether the request took effect',
    };
  return isDatabaseAway(error)
    ? { event: 'database-away', what: 'The database is unavailable' }
    : undefined;
}

/** What to do when a request may have taken effect. Only those that create tasks can have a key. */
function nextOfUnknown({ headers, routeOptions }: FastifyRequest): string {
  if (routeOptions.config.countsAsPost !== true)
    return 'Check with a GET whether it did before you send it again.';
  return headers['idempotency-key'] === undefined
    ? 'It had no Idempotency-Key: check by listing your tasks or scatters before you send it again.'
    : `Send it again with the same Idempotency-Key in ${RETRY_AFTER_SECONDS} s: nothing is created twice.`;
}

/**
 * The error handler of the API: refusals keep their status, an unavailable database is 503,
 * everything else is a defect.
 */
export function answerErrors(log: Log) {
  return async (
    error: FastifyError,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<void> => {
    if (error.validation) return void (await reply.code(400).send(refusal(schemaProblems(error))));
    const refused = bodyNotTaken(error);
    if (refused) {
      const { status, message, retryAfterSeconds } = refused;
      if (retryAfterSeconds !== undefined) reply.header('retry-after', retryAfterSeconds);
      reply.code(status).header('connection', 'close');
      return void (await reply.send(failure(status, message)));
    }
    const status = error.statusCode ?? 500;
    // The rest of a body that is too large is never read, so the connection cannot be used again.
    if (status === 413) reply.header('connection', 'close');
    if (status >= 400 && status < 500)
      return void (await reply
        .code(status)
        .send(failure(status, ownMessages[error.code] ?? error.message)));
    const cause = transientCause(error);
    if (cause) {
      log.warn(
        {
          event: cause.event,
          route: request.routeOptions.url,
          requestId: request.id,
          error: error.message,
          ...(error instanceof DatabaseUnavailable && { outage: error.outage }),
        },
        cause.event,
      );
      const next =
        error instanceof OutcomeUnknown
          ? nextOfUnknown(request)
          : `Try again in ${RETRY_AFTER_SECONDS} s.`;
      const body = failure(503, `${cause.what}. ${next}`);
      return void (await reply.code(503).header('retry-after', RETRY_AFTER_SECONDS).send(body));
    }
    // Not the error itself: those of MySQL hold the whole statement, and with it the variables of
    // tasks.
    log.error(
      {
        event: 'request-failed',
        route: request.routeOptions.url,
        method: request.method,
        requestId: request.id,
        code: error.code,
        error: error.message,
        stack: error.stack,
      },
      'request-failed',
    );
    return void (await reply
      .code(500)
      .send(failure(500, 'A defect in Batchwell. The log of the API has the cause.')));
  };
}

/** What Fastify refuses before it knows the route. */
export function answerFrameworkError(
  error: FastifyError,
  _request: FastifyRequest,
  reply: FastifyReply,
): void {
  const status = error.statusCode === undefined || error.statusCode >= 500 ? 500 : 400;
  void reply
    .code(status)
    .type('application/json; charset=utf-8')
    .send(JSON.stringify(failure(status, ownMessages[error.code] ?? error.message)));
}

/** What Node refuses before there is a request: by the code of its error. */
const clientErrors: Record<string, { status: string; message: string }> = {
  HPE_HEADER_OVERFLOW: {
    status: '431 Request Header Fields Too Large',
    message: 'The URL and the headers have more than 16 KiB together. Make them shorter.',
  },
  ERR_HTTP_REQUEST_TIMEOUT: {
    status: '408 Request Timeout',
    message: 'The request did not arrive in time. Send it again.',
  },
};

const MALFORMED = {
  status: '400 Bad Request',
  message: 'This is not an HTTP/1.1 request that can be read.',
};

export function answerClientError(error: { code?: string }, socket: Writable): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const { status, message } = clientErrors[error.code ?? ''] ?? MALFORMED;
  const body = JSON.stringify(failure(Number.parseInt(status, 10), message));
  socket.end(
    `HTTP/1.1 ${status}\r\nContent-Type: application/json; charset=utf-8\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}
