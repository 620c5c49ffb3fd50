/**
 * What AWS refuses in both SubmitJob and RegisterJobDefinition: retries, timeouts, tags, names.
 */
import type { BatchContext } from '../context.ts';
import { clientException, executionError, type Refusal } from '../errors.ts';
import type { ExitRule } from '../jobs.ts';

export interface RetryRequest {
  attempts?: number;
  evaluateOnExit?: ExitRule[];
}

export interface TimeoutRequest {
  attemptDurationSeconds?: number;
}

const PATTERN_LIMIT = 512;
const EXIT_CODE_PATTERN = /^\d*\*?$/;
const MOST_RULES = 5;
const MOST_ATTEMPTS = 10;

/**
 * AWS documents letters, numbers, `.`, `:` and spaces; it accepts others too, such as `(`, so only
 * the position of the asterisk is checked.
 */
function isPattern(text: string | undefined): boolean {
  return text === undefined || !text.slice(0, -1).includes('*');
}

function refuseRule(rule: ExitRule): Refusal | undefined {
  const { onStatusReason, onReason, onExitCode } = rule;
  if (onStatusReason === undefined && onReason === undefined && onExitCode === undefined) {
    return executionError(
      'evaluateOnExit requires at least one of onStatusReason, onReason or onExitCode',
    );
  }
  for (const pattern of [onStatusReason, onReason]) {
    if ((pattern?.length ?? 0) > PATTERN_LIMIT)
      return executionError(
        `evaluateOnExit patterns can contain up to ${PATTERN_LIMIT} characters`,
      );
    if (!isPattern(pattern))
      return executionError(
        `evaluateOnExit pattern ${JSON.stringify(pattern)} can only have an asterisk at its end`,
      );
  }
  if (onExitCode !== undefined && !EXIT_CODE_PATTERN.test(onExitCode)) {
    return executionError(
      `evaluateOnExit onExitCode ${JSON.stringify(onExitCode)} can contain only numbers ` +
        'and can end with an asterisk',
    );
  }
  return undefined;
}

export function refuseRetry(retry: RetryRequest | undefined): Refusal | undefined {
  if (retry === undefined) return undefined;
  const { attempts, evaluateOnExit = [] } = retry;
  if (attempts !== undefined && (attempts < 1 || attempts > MOST_ATTEMPTS))
    return executionError(`Retry attempts must be between 1 and ${MOST_ATTEMPTS}`);
  if (evaluateOnExit.length > MOST_RULES)
    return executionError(`evaluateOnExit can contain up to ${MOST_RULES} rules`);
  if (evaluateOnExit.length > 0 && attempts === undefined)
    return executionError('attempts must be specified when evaluateOnExit is specified');
  for (const rule of evaluateOnExit) {
    const refusal = refuseRule(rule);
    if (refusal !== undefined) return refusal;
  }
  return undefined;
}

export function refuseTimeout(
  { minTimeoutSeconds }: BatchContext,
  timeout: TimeoutRequest | undefined,
): Refusal | undefined {
  const seconds = timeout?.attemptDurationSeconds;
  if (seconds === undefined || seconds >= minTimeoutSeconds) return undefined;
  return executionError(`attemptDurationSeconds must be at least ${minTimeoutSeconds} seconds`);
}

const MOST_TAGS = 50;
const KEY_LIMIT = 128;
const VALUE_LIMIT = 256;

export function refuseTags(tags: Record<string, string> | undefined): Refusal | undefined {
  const entries = Object.entries(tags ?? {});
  if (entries.length > MOST_TAGS)
    return clientException(`Too many tags: ${entries.length}, at most ${MOST_TAGS} are allowed`);
  for (const [key, value] of entries) {
    if (key === '' || key.length > KEY_LIMIT || value.length > VALUE_LIMIT)
      return clientException(`Tag ${JSON.stringify(key)} is too long or empty`);
    if (key.toLowerCase().startsWith('aws:'))
      return clientException(`Tag keys cannot start with aws: (${key})`);
  }
  return undefined;
}
