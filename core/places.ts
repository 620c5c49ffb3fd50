/** Where a task stands, and every legal move. The types, the guards in SQL and the README's picture come from this table. */

export const stages = ['cache-check', 'stage-script', 'submit', 'poll', 'finalize'] as const;
export type Stage = (typeof stages)[number];

export const endPlaces = ['done', 'failed', 'cancelled'] as const;
export type EndPlace = (typeof endPlaces)[number];

export const places = [...stages, ...endPlaces] as const;
export type Place = (typeof places)[number];

export const isEnd = (place: Place): place is EndPlace =>
  (endPlaces as readonly Place[]).includes(place);

interface Move {
  from: readonly Place[];
  to: Place;
  /** Why a task makes this move; shown in the picture. */
  when: string;
  /** The column that keeps when it was made, for the timeline. */
  kept?: 'checked_ms' | 'staged_ms';
  /** Callers are told of it: their view of the task changes, and not only for the moment until the next move. */
  told?: true;
}

export const moves = {
  hit: {
    from: ['cache-check'],
    to: 'finalize',
    when: 'an entry holds its outputs',
    kept: 'checked_ms',
  },
  miss: {
    from: ['cache-check'],
    to: 'stage-script',
    when: 'no entry, or caching is off',
    kept: 'checked_ms',
  },
  staged: {
    from: ['stage-script'],
    to: 'submit',
    when: 'its script lies in S3',
    kept: 'staged_ms',
  },
  submitted: { from: ['submit'], to: 'poll', when: 'Batch gave a job id' },
  ended: { from: ['poll'], to: 'finalize', when: 'a result record or a final failure was seen' },
  again: {
    from: ['poll'],
    to: 'submit',
    when: 'spot loss, want of memory or trouble that passes, within its budget',
    told: true,
  },
  'hit-lost': { from: ['finalize'], to: 'stage-script', when: 'the entry’s outputs were gone' },
  finish: {
    from: ['finalize'],
    to: 'done',
    when: 'every executor ended well and the outputs are in place',
    told: true,
  },
  fail: { from: [...stages], to: 'failed', when: 'a failure that no retry mends', told: true },
  cancel: { from: [...stages], to: 'cancelled', when: 'its caller asked', told: true },
} as const satisfies Record<string, Move>;

export type MoveName = keyof typeof moves;
export type ToldMove = {
  [M in MoveName]: (typeof moves)[M] extends { told: true } ? M : never;
}[MoveName];

/** See `Move.kept`. */
export const keptBy = (move: MoveName): Move['kept'] => (moves[move] as Move).kept;

export const isTold = (move: MoveName): move is ToldMove => 'told' in moves[move];
