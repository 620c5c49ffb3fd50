/** How the attempts of a submission went, for its line in the log. */
import type { AttemptOutcome } from '../retry/attempt-outcomes.ts';

interface Spread {
  count: number;
  sumMs: number;
  mostMs: number;
}

export interface SubmissionStats {
  outcomes: Partial<Record<AttemptOutcome, number>>;
  /** From the submission to the start of a container. */
  waits: Spread;
  runs: Spread;
}

const none = (): Spread => ({ count: 0, sumMs: 0, mostMs: 0 });

export const newStats = (): SubmissionStats => ({ outcomes: {}, waits: none(), runs: none() });

function add(spread: Spread, ms: number): void {
  spread.count += 1;
  spread.sumMs += Math.max(0, ms);
  spread.mostMs = Math.max(spread.mostMs, ms);
}

/** @param ran by the clock of its host; absent where the attempt left no record */
export function countEnd(
  stats: SubmissionStats,
  outcome: AttemptOutcome,
  {
    submittedMs,
    ran,
  }: { submittedMs: number | null; ran?: { startedMs: number; endedMs: number } | undefined },
): void {
  stats.outcomes[outcome] = (stats.outcomes[outcome] ?? 0) + 1;
  if (!ran) return;
  add(stats.runs, ran.endedMs - ran.startedMs);
  if (submittedMs !== null) add(stats.waits, ran.startedMs - submittedMs);
}

const mean = ({ count, sumMs }: Spread): number => (count === 0 ? 0 : Math.round(sumMs / count));

/** What one process saw of it: another one may have seen the rest. */
export const spellStats = ({ outcomes, waits, runs }: SubmissionStats) => ({
  ...outcomes,
  ...(runs.count > 0 && {
    waitMeanMs: mean(waits),
    waitMostMs: waits.mostMs,
    runMeanMs: mean(runs),
    runMostMs: runs.mostMs,
  }),
});
