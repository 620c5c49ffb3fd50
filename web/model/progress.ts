/** The progress of a scatter, as segments of a bar, with its rate and the time left. Pure. */
import type { ScatterReply } from '../../packages/client/client.ts';

type Tone = 'done' | 'hit' | 'failed' | 'cancelled' | 'running' | 'waiting' | 'preparing';

export interface Segment {
  tone: Tone;
  label: string;
  tasks: number;
}

type Counts = Pick<ScatterReply, 'places' | 'states' | 'cache_hits' | 'size'>;

/** In the order in which they are drawn: what ended first. Empty ones are left out. */
export function segmentsOf({ places, states, cache_hits: hits }: Counts): Segment[] {
  const ended = Math.min(hits, places.done);
  const running = states.RUNNING;
  const inBatch = Math.max(0, places.poll - Math.max(0, running - places.finalize));
  const all: Segment[] = [
    { tone: 'hit', label: 'cache hits', tasks: ended },
    { tone: 'done', label: 'done', tasks: places.done - ended },
    { tone: 'failed', label: 'failed', tasks: places.failed },
    { tone: 'cancelled', label: 'cancelled', tasks: places.cancelled },
    { tone: 'running', label: 'running', tasks: running },
    { tone: 'waiting', label: 'waiting in Batch', tasks: inBatch },
    {
      tone: 'preparing',
      label: 'in preparation',
      tasks: places['cache-check'] + places['stage-script'] + places.submit,
    },
  ];
  return all.filter(({ tasks }) => tasks > 0);
}

export const endedOf = ({ places }: Pick<Counts, 'places'>): number =>
  places.done + places.failed + places.cancelled;

export interface Sample {
  atMs: number;
  ended: number;
}

const WINDOW_MS = 60_000;
const MOST_SAMPLES = 200;
const LEAST_SPAN_MS = 2000;

export function addSample(samples: readonly Sample[], sample: Sample): Sample[] {
  const kept = samples.filter(({ atMs }) => atMs > sample.atMs - WINDOW_MS);
  // The newest one outside keeps the window full.
  const before = samples.filter(({ atMs }) => atMs <= sample.atMs - WINDOW_MS).at(-1);
  return [...(before ? [before] : []), ...kept, sample].slice(-MOST_SAMPLES);
}

export interface Pace {
  perMinute: number;
  /** Until the last task ends; absent while none ends. */
  leftMs?: number;
}

/** Undefined while too little was seen. */
export function paceOf(samples: readonly Sample[], size: number): Pace | undefined {
  const [first, last] = [samples[0], samples.at(-1)];
  if (!first || !last || last.atMs - first.atMs < LEAST_SPAN_MS) return undefined;
  const perMs = (last.ended - first.ended) / (last.atMs - first.atMs);
  const left = size - last.ended;
  return {
    perMinute: Math.max(0, perMs * WINDOW_MS),
    ...(perMs > 0 && { leftMs: left / perMs }),
  };
}
