import { hideUrlSecrets } from './files/url-secrets.ts';

/** What is wrong with a request. All problems of one request are reported together. */
export interface Problem {
  /** Where, as a path: `executors[0].image`. */
  field: string;
  /** What was expected there. */
  expected: string;
  /**
   * What was there instead, shortened. Absent when nothing was there, or when it may be a secret.
   */
  got?: string;
}

const LONGEST_SHOWN = 60;
/** Limits the time for a hostile text. */
const LONGEST_LOOKED_AT = 4_096;

/** A value as it may be shown in a sentence: shortened, without the secrets of its URLs. */
export function shown(value: unknown): string {
  const whole = JSON.stringify(value) ?? String(value);
  const text = hideUrlSecrets(whole.slice(0, LONGEST_LOOKED_AT));
  const isCut = whole.length > LONGEST_LOOKED_AT;
  if (!isCut && text.length <= LONGEST_SHOWN) return text;
  const start = text.slice(0, LONGEST_SHOWN);
  // The '@' that would tell a password may be in what was not looked at.
  const safe = isCut ? start.replace(/:\/\/.*/s, '://') : start;
  return `${safe}… (${whole.length} characters)`;
}

export function problemAt(field: string, expected: string, value?: unknown): Problem {
  return value === undefined || value === null
    ? { field, expected }
    : { field, expected, got: shown(value) };
}

/** `executors[0].image: expected a string, got 5`. */
export const problemSentence = ({ field, expected, got }: Problem): string =>
  `${field || 'the body'}: expected ${expected}${got === undefined ? '' : `, got ${got}`}`;

/** The path of a member whose name the caller chose. */
export const memberPath = (parent: string, name: string): string => {
  if (/^[A-Za-z_][\w-]*$/.test(name)) return parent === '' ? name : `${parent}.${name}`;
  return `${parent}[${shown(name)}]`;
};
