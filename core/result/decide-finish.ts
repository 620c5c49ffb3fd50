/** Whether an attempt that ran to its end succeeded: what finalize does with its task. */
import { failureOf, type Failure, type FailureKind } from '../retry/failures.ts';
import { listNames } from './list-names.ts';
import type { ResultRecord } from './result.ts';
import { shorten } from './stored-record.ts';

export type FinishDecision =
  | { do: 'finish'; warnings: string[] }
  | { do: 'fail'; failure: Failure };

export interface FinishFacts {
  result: ResultRecord;
  /** For each executor, whether its failure is ignored. */
  ignoreErrors: readonly boolean[];
  /** Container paths of the declared outputs. */
  outputPaths: readonly string[];
  missingOutputs: 'warn' | 'fail';
}

/** The executor's own failure comes before every failure of its outputs. */
export function decideFinish(facts: FinishFacts): FinishDecision {
  const failure = failureBefore(facts) ?? failureOfExecutor(facts) ?? failureOfOutputs(facts);
  if (failure) return { do: 'fail', failure };
  return {
    do: 'finish',
    warnings: [
      ...(facts.result.warnings ?? []),
      ...(facts.result.leftOut ?? []),
      ...missingPaths(facts).map((path) => `The declared output ${path} was not written.`),
    ],
  };
}

/** The system's own names for a disk that is full, where the stager tells the reason. */
const DISK_FULL = /: (ENOSPC|EDQUOT): /;

const ofStager = (kind: FailureKind, message: string): Failure =>
  failureOf(DISK_FULL.test(message) ? 'disk-full' : kind, message);

function failureBefore({ result: { error } }: FinishFacts): Failure | undefined {
  if (error?.kind === 'input') return ofStager('input-unreadable', error.message);
  if (error?.kind === 'script' || error?.kind === 'forged')
    return ofStager('script-unreadable', error.message);
  return undefined;
}

function failureOfExecutor({ result, ignoreErrors }: FinishFacts): Failure | undefined {
  const failure = executorFailure(result, ignoreErrors);
  return failure && failureOf('executor-failed', failure.fact);
}

/** The first executor that failed and whose failure is not ignored. */
export function executorFailure(
  { executors }: ResultRecord,
  ignoreErrors: readonly boolean[],
): { exitCode: number; fact: string } | undefined {
  const failed = executors.findIndex(
    ({ exitCode }, position) => exitCode !== 0 && !ignoreErrors[position],
  );
  const exitCode = executors[failed]?.exitCode;
  if (exitCode === undefined) return undefined;
  const which = ignoreErrors.length > 1 ? `Executor ${failed}` : 'The command';
  return { exitCode, fact: `${which} exited with code ${exitCode}${signalOf(exitCode)}.` };
}

function failureOfOutputs(facts: FinishFacts): Failure | undefined {
  const { error, leftOut = [] } = facts.result;
  if (error?.declared) return failureOf('output-refused', error.message);
  if (error) return ofStager('output-unwritable', error.message);
  if (facts.missingOutputs === 'warn') return undefined;
  const missing = missingPaths(facts);
  const left = shorten(leftOut.join(' '));
  if (missing.length === 0)
    return left === '' ? undefined : failureOf('output-missing', left, WRITE_FILES);
  const fact = `The command succeeded but did not write these declared outputs: ${listNames(missing)}.`;
  return failureOf('output-missing', left === '' ? fact : `${fact} ${left}`);
}

const WRITE_FILES =
  'Let the command write files, folders, and links to files of the task, with names in UTF-8, or use missing_outputs=warn.';

const missingPaths = ({ result, outputPaths }: FinishFacts): string[] =>
  result.missingOutputs.map((position) => outputPaths[position] ?? `output ${position}`);

const FIRST_SIGNAL_CODE = 128;
const SIGNALS: Record<number, string> = {
  1: 'SIGHUP',
  2: 'SIGINT',
  6: 'SIGABRT',
  9: 'SIGKILL',
  11: 'SIGSEGV',
  15: 'SIGTERM',
};

function signalOf(exitCode: number): string {
  const name = SIGNALS[exitCode - FIRST_SIGNAL_CODE];
  return name === undefined ? '' : ` (${name})`;
}
