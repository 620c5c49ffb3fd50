/** What a doctor finds: one line each, with one line of advice where something is to be done. */

/**
 * - ok: as it should be.
 * - note: works, and could be better.
 * - wrong: does not work, or will not for long.
 * - unknown: could not be asked.
 */
type FindingStatus = 'ok' | 'note' | 'wrong' | 'unknown';

export interface Finding {
  /** What was looked at. */
  check: string;
  status: FindingStatus;
  found: string;
  advice?: string;
}

export const fine = (check: string, found: string): Finding => ({ check, status: 'ok', found });

export const wrong = (check: string, found: string, advice: string): Finding => ({
  check,
  status: 'wrong',
  found,
  advice,
});

export const note = (check: string, found: string, advice: string): Finding => ({
  check,
  status: 'note',
  found,
  advice,
});

export const unknown = (check: string, why: string, advice?: string): Finding => ({
  check,
  status: 'unknown',
  found: `could not be asked: ${why}`,
  ...(advice !== undefined && { advice }),
});

/** Whether anything is wrong. */
export const isIll = (findings: readonly Finding[]): boolean =>
  findings.some(({ status }) => status === 'wrong');
