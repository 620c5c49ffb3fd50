/** The two ways in which a deployment ends early, and what AWS says in its errors. */

/** What the person can mend: a sentence that names the option or the resource. */
export class Refusal extends Error {}

/** Ctrl-C: what AWS has begun goes on there. */
export class Interrupted extends Error {}

export const nameOf = (error: unknown): string => (error instanceof Error ? error.name : '');
export const messageOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);
