/**
 * Where a task is, and every legal move. The types, the guards in SQL and the picture in
 * ARCHITECTURE.md come from this table.
 */

export const stages = ['cache-check', 'stage-script', 'submit', 'poll', 'finalize'] as const;
export type Stage = (typeof stages)[number];

export const endPlaces = ['done', 'failed', 'cancelled'] as const;
export type EndPlace = (typeof endPlaces)[number];

export const places = [...stages, ...endPlaces] as const;
export type Place = (typeof places)[number];

export const isEnd = (place: Place): place is EndPlace =>
  (endPlaces as readonly Place[]).includes(place);

export interface Move {
  /** No move leaves an end. */
  from: readonly Stage[];
  to: Place;
  /** Why a task makes this move; shown in the picture. */
  when: string;
  /** The columns that keep the time of the move, for the timeline. */
  kept?: readonly ('checked_ms' | 'staged_ms')[];
  /** Callers are notified: their view of the task changes, and not only until the next move. */
  told?: true;
}

export const moves = {
  hit: {
    from: ['cache-check'],
    to: 'finalize',
    when: 'a cache entry holds its outputs',
    kept: ['checked_ms'],
  },
  miss: {
    from: ['cache-check'],
    to: 'stage-script',
    when: 'no entry, or caching is off',
    kept: ['checked_ms'],
  },
  'miss-staged': {
    from: ['cache-check'],
    to: 'submit',
    when: 'the same, and its script is in S3 already',
    kept: ['checked_ms', 'staged_ms'],
  },
  staged: {
    from: ['stage-script'],
    to: 'submit',
    when: 'its script is in S3',
    kept: ['staged_ms'],
  },
  submitted: { from: ['submit'], to: 'poll', when: 'Batch returned a job ID' },
  ended: { from: ['poll'], to: 'finalize', when: 'its result record was read' },
  again: {
    from: ['poll'],
    to: 'submit',
    when: 'host loss or fault, out of memory or a transient error, within its budget',
    told: true,
  },
  'hit-lost': {
    from: ['finalize'],
    to: 'cache-check',
    when: 'the outputs of the entry cannot be used',
  },
  finish: {
    from: ['finalize'],
    to: 'done',
    when: 'every executor succeeded and the outputs are in place',
    told: true,
  },
  fail: { from: [...stages], to: 'failed', when: 'a failure that a retry cannot fix', told: true },
  cancel: { from: [...stages], to: 'cancelled', when: 'its caller cancelled it', told: true },
} as const satisfies Record<string, Move>;

export type MoveName = keyof typeof moves;
export type ToldMove = {
  [M in MoveName]: (typeof moves)[M] extends { told: true } ? M : never;
}[MoveName];

/** See `Move.kept`. */
export const keptBy = (move: MoveName): NonNullable<Move['kept']> =>
  (moves[move] as Move).kept ?? [];

export const isTold = (move: MoveName): move is ToldMove => 'told' in moves[move];
