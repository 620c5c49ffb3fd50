/**
 * The content of messages: ids, never specs. A message is a nudge to look at rows. Delivered twice,
 * late or never, it changes only when something happens.
 */
import { append } from '../core/append.ts';
import type { Stage } from '../core/places.ts';

export interface Messages {
  'cache-check': { tasks: number[] };
  'stage-script': { tasks: number[] };
  /**
   * A shape (hex) whose ready attempts are to be packed, or submissions that are packed already.
   */
  submit: { shape: string } | { submissions: number[] };
  /** A Batch job queue to poll. */
  poll: { queue: string };
  finalize: { tasks: number[] };
}

export type Nudge = { [S in Stage]: { stage: S; message: Messages[S] } }[Stage];

/** Divides task ids into messages of at most `chunkSize` ids. */
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

/** The same nudges in as few messages as possible. */
export function joinNudges(nudges: readonly Nudge[], chunkSize: number): Nudge[] {
  const joined: Nudge[] = [];
  for (const stage of ['cache-check', 'stage-script', 'finalize'] as const) {
    append(
      joined,
      taskNudges(
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

/** A message with this many tasks or more counts as part of a wide scatter. */
const WIDE = 100;

/**
 * BullMQ's priority; 0 goes first, so that a few tasks do not wait behind the hundreds of messages
 * of a huge scatter. Wide messages keep their order. A steady stream of small messages delays them
 * only while it keeps every worker busy.
 */
export const priorityOf = (nudge: Nudge): number =>
  'tasks' in nudge.message && nudge.message.tasks.length >= WIDE ? 1 : 0;

/**
 * Messages about a shape to pack or a queue to poll exist once: they keep this id until they are
 * finished. BullMQ does not allow ':' in it.
 */
export function deduplicationId(nudge: Nudge): string | undefined {
  if (nudge.stage === 'poll') return `poll-${nudge.message.queue.replaceAll(':', '_')}`;
  if (nudge.stage === 'submit' && 'shape' in nudge.message) return `pack-${nudge.message.shape}`;
  return undefined;
}
