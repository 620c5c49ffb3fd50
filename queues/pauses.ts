/**
 * Which stages operators paused. BullMQ keeps a pause in Redis; beside it is a note of who paused the
 * stage and when, so that a Redis that lost its data is told from a stage that was resumed.
 */
import { stages, type Stage } from '../core/places.ts';
import { readClockMs } from './job-counts.ts';
import type { Queues } from './queues.ts';

export interface Pause {
  stage: Stage;
  sinceMs: number;
  /** The owner of the token that asked for it. */
  by: string;
}

const keyOf = ({ byStage }: Pick<Queues, 'byStage'>): string =>
  `${byStage.poll.opts.prefix}:pauses`;
/** A field that stays when no stage is paused: without it, the notes are lost. */
const KEPT = 'kept';

/** No worker of the fleet takes a message of a paused stage. Messages that are being worked on end. */
export async function setPaused(
  queues: Queues,
  stage: Stage,
  paused: boolean,
  { by = '', sinceMs }: { by?: string; sinceMs?: number } = {},
): Promise<void> {
  const { redis, byStage } = queues;
  const key = keyOf(queues);
  if (paused) {
    await redis.hset(key, KEPT, '1', stage, `${sinceMs ?? (await readClockMs(redis))} ${by}`);
    await byStage[stage].pause();
    return;
  }
  await byStage[stage].resume();
  await redis.multi().hset(key, KEPT, '1').hdel(key, stage).exec();
}

export async function pausedStages(queues: Pick<Queues, 'byStage'>): Promise<Set<Stage>> {
  const found = await Promise.all(
    stages.map(async (stage) => ((await queues.byStage[stage].isPaused()) ? [stage] : [])),
  );
  return new Set(found.flat());
}

/** Undefined where nobody ever paused a stage, or where Redis has lost it. */
export async function readPauses(queues: Queues): Promise<Pause[] | undefined> {
  const notes = await queues.redis.hgetall(keyOf(queues));
  if (notes[KEPT] === undefined) return undefined;
  return stages.flatMap((stage) => {
    const note = notes[stage];
    if (note === undefined) return [];
    const space = note.indexOf(' ');
    return [{ stage, sinceMs: Number(note.slice(0, space)), by: note.slice(space + 1) }];
  });
}
