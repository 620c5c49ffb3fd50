/**
 * What travels through Redis: ids, never specs. A message is a nudge to look at rows; delivered twice, late or
 * never it changes nothing but time.
 */
import type { Stage } from '../core/places.ts';

export interface Messages {
  'cache-check': { tasks: number[] };
  'stage-script': { tasks: number[] };
  /** Ready attempts of a shape (hex) to pack, or submissions already packed to carry on with. */
  submit: { shape: string } | { submissions: number[] };
  /** A Batch job queue to look at. */
  poll: { queue: string };
  finalize: { tasks: number[] };
}

export type Nudge = { [S in Stage]: { stage: S; message: Messages[S] } }[Stage];

/** Cuts task ids into messages of at most `chunkSize`. */
export function taskNudges(
  stage: 'cache-check' | 'stage-script' | 'finalize',
  tasks: readonly number[],
  chunkSize: number,
): Nudge[] {
  const nudges: Nudge[] = [];
  for (let start = 0; start < tasks.length; start += chunkSize)
    nudges.push({ stage, message: { tasks: tasks.slice(start, start + chunkSize) } });
  return nudges;
}

/** The same nudges in as few messages as there can be. */
export function joinNudges(nudges: readonly Nudge[], chunkSize: number): Nudge[] {
  const joined: Nudge[] = [];
  for (const stage of ['cache-check', 'stage-script', 'finalize'] as const) {
    joined.push(
      ...taskNudges(
        stage,
        nudges.flatMap((nudge) => (nudge.stage === stage ? nudge.message.tasks : [])),
        chunkSize,
      ),
    );
  }
  const others = new Map(
    nudges.flatMap((nudge): [string, Nudge][] =>
      'tasks' in nudge.message ? [] : [[JSON.stringify(nudge), nudge]],
    ),
  );
  return [...joined, ...others.values()];
}

/** From so many tasks on a message is part of something wide. */
const WIDE = 100;

/**
 * BullMQ's priority: 0 goes first, so that a few tasks are not stuck behind the hundreds of messages of a huge scatter.
 * Wide ones keep their order among themselves. A steady stream of small messages can hold wide ones back only as long
 * as it fills every worker by itself.
 */
export const priorityOf = (nudge: Nudge): number =>
  'tasks' in nudge.message && nudge.message.tasks.length >= WIDE ? 1 : 0;

/**
 * Messages that watch something (a shape to pack, a queue to poll) exist once: the id is theirs until the message
 * is finished. BullMQ allows no ':' in it.
 */
export function deduplicationId(nudge: Nudge): string | undefined {
  if (nudge.stage === 'poll') return `poll-${nudge.message.queue.replaceAll(':', '_')}`;
  if (nudge.stage === 'submit' && 'shape' in nudge.message) return `pack-${nudge.message.shape}`;
  return undefined;
}
