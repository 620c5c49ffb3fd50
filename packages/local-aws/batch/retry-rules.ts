/**
 * AWS Batch's rules for another attempt, as its user guide gives them ("Automated job retries").
 * Pure.
 */
import type { AttemptOutcome, ExitRule, RetryStrategy } from './jobs.ts';

/** Patterns may end in `*`; case is ignored. A missing exit code matches nothing. */
function matches(pattern: string | undefined, value: string | undefined): boolean {
  if (pattern === undefined) return true;
  if (value === undefined) return false;
  const wanted = pattern.toLowerCase();
  const found = value.toLowerCase();
  return wanted.endsWith('*') ? found.startsWith(wanted.slice(0, -1)) : found === wanted;
}

function concerns(rule: ExitRule, outcome: AttemptOutcome): boolean {
  return (
    matches(rule.onStatusReason, outcome.statusReason) &&
    // AWS's own spot recipe ends in `onReason: *` for everything else, so a missing reason is an
    // empty text.
    matches(rule.onReason, outcome.reason ?? '') &&
    matches(rule.onExitCode, outcome.exitCode?.toString())
  );
}

/**
 * Whether a failed attempt is retried. The first matching rule decides; without one, it is retried.
 */
export function isRetried(
  strategy: RetryStrategy,
  outcome: AttemptOutcome,
  attemptsMade: number,
): boolean {
  if (!outcome.retriable || attemptsMade >= strategy.attempts) return false;
  const rule = strategy.evaluateOnExit.find((candidate) => concerns(candidate, outcome));
  return rule === undefined || rule.action === 'RETRY';
}
