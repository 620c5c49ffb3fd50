/** What a hit says where its logs would be, when the task whose outputs it has is no longer known. */

/** Of an entry that is no longer used because nothing has used it for long. */
export const RETIRED = 'It was not used for longer than entries are kept.';

export interface LostSource {
  /** When that task ran, in epoch milliseconds; null when that is no longer known. */
  ranMs: number | null;
}

const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

export const sayLostSource = ({ ranMs }: LostSource): string =>
  `The outputs come from ${ranMs === null ? 'an earlier task' : `a task that ran on ${dayOf(ranMs)} (UTC)`}. ` +
  'That task and its logs were deleted since then, because ended tasks are kept for a limited time.';
