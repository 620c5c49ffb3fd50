/** The attempt of a task that counts. */
import type { TesTaskFull, TesTaskLog } from './types.generated.ts';

const attemptOf = (log: TesTaskLog): number => Number(log.metadata?.['attempt'] ?? 0);

/** The log of the latest attempt, wherever it stands: TES appends attempts, and some clients get the latest first. Undefined in view MINIMAL. */
export const finalLog = (task: Pick<Partial<TesTaskFull>, 'logs'>): TesTaskLog | undefined =>
  task.logs?.reduce<TesTaskLog | undefined>(
    (latest, log) => (latest === undefined || attemptOf(log) > attemptOf(latest) ? log : latest),
    undefined,
  );
