/**
 * `bench/` measures what a fleet costs and how fast it is, with every part in its own process. This
 * file lists the benchmarks.
 */
import { cache } from './cache.ts';
import { counts } from './counts.ts';
import { drain } from './drain.ts';
import { events } from './events.ts';
import { flights } from './flights.ts';
import { hits } from './hits.ts';
import { memory } from './memory.ts';
import { indexes } from './indexes.ts';
import type { BenchOptions } from './options.ts';
import type { Rows } from './report.ts';
import { sequential } from './sequential.ts';
import { saturate } from './saturate.ts';
import { scale } from './scale.ts';
import { scatter } from './scatter.ts';
import { singles } from './singles.ts';
import { soak } from './soak.ts';
import { submit } from './submit.ts';
import { watch } from './watch.ts';

export interface Bench {
  run(options: BenchOptions): Promise<Rows>;
  /** Widths to run by default. */
  tasks: number[];
}

export const benches = {
  scatter: { run: scatter, tasks: [1000, 10_000] },
  counts: { run: counts, tasks: [1000] },
  singles: { run: singles, tasks: [0] },
  /** Requests of each kind. */
  sequential: { run: sequential, tasks: [1000] },
  hits: { run: hits, tasks: [10_000] },
  flights: { run: flights, tasks: [10_000] },
  /** Entries; hits are measured at up to 10,000. */
  cache: { run: cache, tasks: [1_000_000] },
  watch: { run: watch, tasks: [10_000] },
  /** Shapes, not tasks. */
  submit: { run: submit, tasks: [500] },
  scale: { run: scale, tasks: [10_000] },
  memory: { run: memory, tasks: [100_000] },
  drain: { run: drain, tasks: [10_000, 100_000] },
  events: { run: events, tasks: [1000] },
  indexes: { run: indexes, tasks: [10_000] },
  /** In flight at once: what saturates first. */
  saturate: { run: saturate, tasks: [1_000_000] },
  soak: { run: soak, tasks: [200_000] },
} satisfies Record<string, Bench>;

export type BenchName = keyof typeof benches;

export const isBenchName = (name: string): name is BenchName => Object.hasOwn(benches, name);
