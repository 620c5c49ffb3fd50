/** The attempt of a task that decides its state. */
import type { TesTaskFull, TesTaskLog } from './types.generated.ts';

const attemptOf = (log: TesTaskLog): number => Number(log.metadata?.['attempt'] ?? 0);

/**
 * The log of the task's latest attempt; undefined in view MINIMAL. It may be first or last in
 * `logs`: TES appends attempts, and some clients get the latest one first.
 */
export const finalLog = (task: Pick<Partial<TesTaskFull>, 'logs'>): TesTaskLog | undefined =>
  task.logs?.reduce<TesTaskLog | undefined>(
    (latest, log) => (latest === undefined || attemptOf(log) > attemptOf(latest) ? log : latest),
    undefined,
  );
