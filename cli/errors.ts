/** What a command prints when it fails, and the exit code that goes with it. */
import { BatchwellError, type Problem } from '../packages/client/client.ts';
import { ConfigError } from '../config.ts';
import { exitCodes, type ExitCode } from './exit-codes.ts';

/** The caller's mistake, found before anything was sent. Each problem is a line. */
export class WrongUse extends Error {
  override readonly name = 'WrongUse';
  readonly problems: readonly string[];

  constructor(sentence: string, problems: readonly string[] = []) {
    super(sentence);
    this.problems = problems;
  }
}

/** A command needs a server that does not answer. The message says which, and what to do. */
export class ServersMissing extends Error {
  override readonly name = 'ServersMissing';
}

export interface ErrorReport {
  code: ExitCode;
  lines: string[];
}

/**
 * Failures whose message is complete, including the end of a log. Matched by name, so that their
 * modules need not be loaded.
 */
const plainFailures = new Set(['MissingProgram', 'ServerNotReady', 'LeaseLost', 'RestoreRefused']);

/**
 * What to print and how to exit. An unexpected error keeps its stack trace: it is a defect to be
 * found.
 */
export function reportError(error: unknown): ErrorReport {
  if (error instanceof WrongUse)
    return {
      code: exitCodes.refused,
      lines: [error.message, ...error.problems.map((line) => `  ${line}`)],
    };
  if (error instanceof ServersMissing)
    return { code: exitCodes.unreachable, lines: [error.message] };
  if (error instanceof ConfigError) return { code: exitCodes.refused, lines: [error.message] };
  if (error instanceof BatchwellError)
    return isRefusal(error)
      ? { code: exitCodes.refused, lines: describeRefusal(error) }
      : { code: exitCodes.unreachable, lines: [withAdvice(error)] };
  if (error instanceof Error && plainFailures.has(error.name))
    return { code: exitCodes.failed, lines: [error.message] };
  return {
    code: exitCodes.failed,
    lines: [error instanceof Error ? (error.stack ?? error.message) : String(error)],
  };
}

const isRefusal = ({ status }: BatchwellError): boolean => status !== undefined && status < 500;

function withAdvice({ message, status }: BatchwellError): string {
  if (status === undefined)
    return (
      `${message} Start Batchwell with \`batchwell up\`, ` +
      'or set its address with --url or BATCHWELL_URL.'
    );
  return status === 401 ? `${message} Set a token with --token or BATCHWELL_TOKEN.` : message;
}

/**
 * The problems themselves where the service lists them; its sentence would only repeat the first
 * one.
 */
function describeRefusal(error: BatchwellError): string[] {
  const { problems, moreProblems } = error;
  if (problems.length === 0) return [withAdvice(error)];
  const count = problems.length + moreProblems;
  const counted = `${count} ${count === 1 ? 'problem' : 'problems'}`;
  const lines = problems.map((problem) => `  ${describeProblem(problem)}`);
  return [
    `The service refused the request and accepted nothing: ${counted}.`,
    ...lines,
    ...(moreProblems > 0 ? [`  and ${moreProblems} more`] : []),
  ];
}

/** `row 3, inputs[0].url: expected an s3:// URL, got "reads"`. Rows count from 0, lines from 1. */
function describeProblem({ line, row, field, expected, got }: Partial<Problem>): string {
  const where = [
    ...(line === undefined ? [] : [`line ${line}`]),
    ...(row === undefined ? [] : [`row ${row}`]),
    ...(field === undefined || field === '' ? [] : [field]),
  ].join(', ');
  const what = `expected ${expected ?? 'something else'}`;
  return `${where === '' ? 'the body' : where}: ${what}${got === undefined ? '' : `, got ${got}`}`;
}
