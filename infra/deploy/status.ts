/** What the status of a stack means (source: "Stack status codes" of the CloudFormation user guide). */

/** What to do about a stack before a change set can be made for it. */
export type Step =
  | { do: 'create' }
  | { do: 'update' }
  | { do: 'follow' }
  | { do: 'delete'; why: string }
  | { do: 'continue-rollback'; why: string }
  | { do: 'refuse' };

const UPDATABLE = new Set([
  'CREATE_COMPLETE',
  'UPDATE_COMPLETE',
  'UPDATE_ROLLBACK_COMPLETE',
  'IMPORT_COMPLETE',
  'IMPORT_ROLLBACK_COMPLETE',
  // A failed update whose parts were kept.
  'UPDATE_FAILED',
]);

/** No task ever ran on these, and no other status may end in a deletion. */
const DELETABLE: Readonly<Record<string, string>> = {
  CREATE_FAILED: 'it was never created completely',
  ROLLBACK_COMPLETE: 'it was never created completely',
  ROLLBACK_FAILED: 'it was never created completely',
  DELETE_FAILED: 'an earlier deletion did not finish',
};

/** `undefined`: there is no such stack. */
export function decideStep(status: string | undefined): Step {
  if (status === undefined || status === 'REVIEW_IN_PROGRESS' || status === 'DELETE_COMPLETE')
    return { do: 'create' };
  if (UPDATABLE.has(status)) return { do: 'update' };
  if (isInProgress(status)) return { do: 'follow' };
  if (status === 'UPDATE_ROLLBACK_FAILED')
    return { do: 'continue-rollback', why: 'an earlier update could not be rolled back' };
  const why = DELETABLE[status];
  return why === undefined ? { do: 'refuse' } : { do: 'delete', why };
}

/** A change set that was not executed leaves REVIEW_IN_PROGRESS, in which nothing progresses. */
export const isInProgress = (status: string): boolean =>
  status.endsWith('_IN_PROGRESS') && status !== 'REVIEW_IN_PROGRESS';

/** The status in which an operation that worked ends. */
export const isGood = (status: string): boolean =>
  status === 'CREATE_COMPLETE' || status === 'UPDATE_COMPLETE' || status === 'IMPORT_COMPLETE';
