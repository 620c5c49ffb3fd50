/** What a hit says where its logs would be, when the task whose outputs it has is no longer known. */

/** Of an entry that is no longer used because nothing has used it for long. */
export const RETIRED = 'It was not used for longer than entries are kept.';

export interface LostSource {
  /** When that task ran, in epoch milliseconds. */
  ranMs: number;
}

export const sayLostSource = ({ ranMs }: LostSource): string =>
  `The outputs come from a task that ran on ${new Date(ranMs).toISOString().slice(0, 10)} (UTC). ` +
  'That task and its logs were deleted since then, because ended tasks are kept for a limited time.';
