/** Whether an attempt that ran to its end succeeded: what finalize does with its task. */
import { meaningOfExit } from '../retry/command-exit.ts';
import { failureOf, type Failure } from '../retry/failures.ts';
import { judgeStager } from '../retry/stager-reasons.ts';
import { listNames } from './list-names.ts';
import type { ResultRecord } from './result.ts';
import { shorten } from './stored-record.ts';

export type FinishDecision =
  | { do: 'finish'; warnings: string[] }
  /** The warnings are those of the stager: what it ended, and what changed while it was read. */
  | { do: 'fail'; failure: Failure; warnings: string[] };

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
  if (failure) return { do: 'fail', failure, warnings: facts.result.warnings ?? [] };
  return {
    do: 'finish',
    warnings: [
      ...(facts.result.warnings ?? []),
      ...(facts.result.leftOut ?? []),
      ...missingPaths(facts).map((path) => `The declared output ${path} was not written.`),
    ],
  };
}

function failureBefore({ result: { error } }: FinishFacts): Failure | undefined {
  return error && error.kind !== 'output' ? judgeStager(error) : undefined;
}

function failureOfExecutor({ result, ignoreErrors }: FinishFacts): Failure | undefined {
  const failure = executorFailure(result, ignoreErrors);
  return failure && failureOf('executor-failed', failure.fact, failure.advice);
}

/** The first executor that failed and whose failure is not ignored. */
export function executorFailure(
  { executors }: ResultRecord,
  ignoreErrors: readonly boolean[],
): { exitCode: number; fact: string; advice: string } | undefined {
  const failed = executors.findIndex(
    ({ exitCode }, position) => exitCode !== 0 && !ignoreErrors[position],
  );
  const exitCode = executors[failed]?.exitCode;
  if (exitCode === undefined) return undefined;
  const which = ignoreErrors.length > 1 ? `Executor ${failed}` : 'The command';
  const { brief, advice } = meaningOfExit(exitCode);
  const meant = brief === undefined ? '' : ` (${brief})`;
  return { exitCode, fact: `${which} exited with code ${exitCode}${meant}.`, advice };
}

function failureOfOutputs(facts: FinishFacts): Failure | undefined {
  const { error, leftOut = [] } = facts.result;
  if (error) return judgeStager(error);
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
