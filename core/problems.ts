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

/** A value as it may be shown in a sentence. */
export function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length <= LONGEST_SHOWN
    ? text
    : `${text.slice(0, LONGEST_SHOWN)}… (${text.length} characters)`;
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
