/** How a command ends, and what it says when it ends badly. */
import { BatchwellError, type Problem } from '../packages/client/client.ts';
import { ConfigError } from '../config.ts';

export const exitCodes = {
  ok: 0,
  /** The task, or a task of the scatter, did not end well; or a part of the stack failed. */
  failed: 1,
  /** Wrong use, or an input that was refused. */
  refused: 2,
  /** The service cannot be reached, or does not work. */
  unreachable: 3,
  /** As shells say it of Ctrl-C. */
  interrupted: 130,
} as const;
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

export const exitHelp = `
Exit codes:
  0  all is well
  1  a task failed or was cancelled, or a part of the stack ended
  2  wrong use, or an input that was refused; each problem stands on its own line
  3  the service cannot be reached, or does not work`;

/** The caller's mistake, found before anything was sent. Each problem is a line. */
export class WrongUse extends Error {
  override readonly name = 'WrongUse';
  readonly problems: readonly string[];

  constructor(sentence: string, problems: readonly string[] = []) {
    super(sentence);
    this.problems = problems;
  }
}

export interface ErrorReport {
  code: ExitCode;
  lines: string[];
}

/** Failures of a part of the stack: their message says it all, the end of its log too. By name, so that they need not be loaded. */
const plainFailures = new Set(['MissingProgram', 'ServerNotReady']);

/** What to print and how to end. A surprise keeps its stack: it is a defect that somebody has to find. */
export function reportError(error: unknown): ErrorReport {
  if (error instanceof WrongUse)
    return {
      code: exitCodes.refused,
      lines: [error.message, ...error.problems.map((line) => `  ${line}`)],
    };
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
    return `${message} Is it running (\`batchwell up\`)? Another address goes with --url or BATCHWELL_URL.`;
  return status === 401 ? `${message} Give a token with --token or BATCHWELL_TOKEN.` : message;
}

/** The problems themselves where they are told; the sentence would only say the first of them again. */
function describeRefusal(error: BatchwellError): string[] {
  const { problems, moreProblems } = error;
  if (problems.length === 0) return [withAdvice(error)];
  const count = problems.length + moreProblems;
  const lines = problems.map((problem) => `  ${describeProblem(problem)}`);
  return [
    `Refused, nothing was accepted: ${count} ${count === 1 ? 'problem' : 'problems'}.`,
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
  return `${where === '' ? 'the body' : where}: expected ${expected ?? 'something else'}${got === undefined ? '' : `, got ${got}`}`;
}
