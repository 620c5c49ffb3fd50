/** How the API says no: always JSON, what was wrong, and what to do next. */
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { LISTED_PROBLEMS, type RowProblem } from '../../core/scatter/scatter.ts';
import { problemSentence } from '../../core/problems.ts';
import { isDatabaseAway } from '../../db/unavailable.ts';
import { ProviderUnavailable } from '../access/oidc.ts';
import { Overloaded } from '../coalesce-calls.ts';
import type { Log } from '../../telemetry/log.ts';

/** A problem of one of many: `line` counts from 1 as editors do, `row` from 0 as arrays do. */
export type ListedProblem = RowProblem & { line?: number };

export interface FailureBody {
  status_code: number;
  message: string;
  problems?: ListedProblem[];
  /** How many problems are not listed. */
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

/** 400 that names every field. `count` is given when more were found than are in the list. */
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
      first ? `${where(first)}${problemSentence(first)}${others}` : 'The request is malformed.',
    ),
    problems: listed,
    ...(count > listed.length && { more_problems: count - listed.length }),
  };
}

export const notFound = (what: string, id: string): FailureBody =>
  failure(404, `There is no ${what} ${JSON.stringify(id.slice(0, 80))}.`);

const RETRY_AFTER_SECONDS = 5;

/** What Fastify itself refuses, in our words. */
const ownWords: Record<string, string> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE:
    'The body’s Content-Type is not known here; send application/json (or application/x-ndjson for a scatter).',
  FST_ERR_CTP_BODY_TOO_LARGE: 'The body is too large.',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'The body is empty; JSON was expected.',
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

/** What may be over when the same request is made again. */
export function transientCause(error: unknown): { event: string; what: string } | undefined {
  if (error instanceof Overloaded)
    return { event: 'overloaded', what: 'Too many requests wait for the database' };
  if (error instanceof ProviderUnavailable)
    return {
      event: 'oidc-provider-away',
      what: 'The OpenID provider cannot be asked about this token',
    };
  return isDatabaseAway(error)
    ? { event: 'database-away', what: 'The database cannot be reached' }
    : undefined;
}

/** The error handler of the whole API: known refusals keep their code, an absent database is 503, the rest is a defect. */
export function answerErrors(log: Log) {
  return async (
    error: FastifyError,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<void> => {
    if (error.validation) return void (await reply.code(400).send(refusal(schemaProblems(error))));
    const status = error.statusCode ?? 500;
    // What is left of a body that is too large is not read, so nothing else can come on this connection.
    if (status === 413) reply.header('connection', 'close');
    if (status >= 400 && status < 500)
      return void (await reply
        .code(status)
        .send(failure(status, ownWords[error.code] ?? error.message)));
    const passing = transientCause(error);
    if (passing) {
      log.warn(
        { event: passing.event, route: request.routeOptions.url, error: error.message },
        passing.event,
      );
      const body = failure(503, `${passing.what}. Try again in ${RETRY_AFTER_SECONDS} s.`);
      return void (await reply.code(503).header('retry-after', RETRY_AFTER_SECONDS).send(body));
    }
    // Not the error itself: MySQL's carry the whole statement, and with it the tasks' variables.
    log.error(
      {
        event: 'request-failed',
        route: request.routeOptions.url,
        method: request.method,
        code: error.code,
        error: error.message,
        stack: error.stack,
      },
      'request-failed',
    );
    return void (await reply
      .code(500)
      .send(failure(500, 'A defect in Batchwell; its log has the cause.')));
  };
}
