/** Whether a hit copies the earlier outputs to its own URLs, or returns the URLs of the earlier ones. */

export type HitMode = 'copy' | 'reference';

export interface HitModeFacts {
  setting: HitMode;
  /** Some clients look for outputs at their own URLs only. */
  needsCopies: boolean;
  /** Whether an output that its bucket keeps no versions of may be referenced. */
  allowsUnpinned: boolean;
  versionIds: readonly (string | null)[];
}

/** S3 calls the version of an object from before versioning was on `null`; that one can be overwritten. */
export const isPinned = (versionId: string | null): boolean =>
  versionId !== null && versionId !== 'null';

/**
 * The URL of another task can be overwritten by a later one: only a version stays what it is. Without versions, the
 * outputs are copied.
 */
export function decideHitMode(facts: HitModeFacts): { mode: HitMode; isPinned: boolean } {
  const pinned = facts.versionIds.every(isPinned);
  const refers =
    facts.setting === 'reference' && !facts.needsCopies && (pinned || facts.allowsUnpinned);
  return { mode: refers ? 'reference' : 'copy', isPinned: pinned };
}
