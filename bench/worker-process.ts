/** A worker, as in production, which records when its counters changed. */
import { readConfig } from '../config.ts';
import type { Stage } from '../core/places.ts';
import { startWorkers, type Workers } from '../workers/main.ts';
import { serveParent } from './child.ts';

interface MovedInStage {
  stage: string;
  move: string;
  tasks: number;
  /**
   * When the first and the last of them were seen to have moved, epoch ms. As precise as the
   * sampling.
   */
  firstMs: number;
  lastMs: number;
}

export interface WorkerMeters {
  moved: MovedInStage[];
  /** By stage: messages handled, and seconds spent on them. */
  messages: Record<string, { count: number; seconds: number }>;
  heapMb: number;
}

/** Reading two counters takes about 20 µs. */
const SAMPLE_MS = 20;

let workers: Workers | undefined;
let sampling: NodeJS.Timeout | undefined;
const seen = new Map<string, MovedInStage & { base: number }>();
let bases = new Map<string, { count: number; seconds: number }>();

async function sample(): Promise<void> {
  const counted = await workers?.runtime.metrics.stageMoved.get();
  const nowMs = Date.now();
  for (const { labels, value } of counted?.values ?? []) {
    const key = `${labels.stage}/${labels.move}`;
    const known = seen.get(key) ?? {
      stage: String(labels.stage),
      move: String(labels.move),
      tasks: 0,
      firstMs: 0,
      lastMs: 0,
      base: 0,
    };
    seen.set(key, known);
    const tasks = value - known.base;
    if (tasks === known.tasks) continue;
    if (known.tasks === 0) known.firstMs = nowMs;
    known.tasks = tasks;
    known.lastMs = nowMs;
  }
}

async function readMessages(): Promise<Map<string, { count: number; seconds: number }>> {
  const read = new Map<string, { count: number; seconds: number }>();
  const counted = await workers?.runtime.metrics.messageSeconds.get();
  for (const { labels, value, metricName } of counted?.values ?? []) {
    const stage = String((labels as { stage?: string }).stage);
    const known = read.get(stage) ?? { count: 0, seconds: 0 };
    read.set(stage, known);
    if (metricName?.endsWith('_count')) known.count = value;
    if (metricName?.endsWith('_sum')) known.seconds = value;
  }
  return read;
}

serveParent(
  {
    async start({ stages, concurrency }: { stages?: Stage[]; concurrency?: number }) {
      workers = await startWorkers(readConfig(), {
        ...(stages ? { stages } : {}),
        ...(concurrency === undefined ? {} : { concurrency }),
      });
      sampling = setInterval(() => void sample(), SAMPLE_MS);
    },
    async meters(): Promise<WorkerMeters> {
      await sample();
      const messages = Object.fromEntries(
        [...(await readMessages())].map(([stage, { count, seconds }]) => {
          const base = bases.get(stage) ?? { count: 0, seconds: 0 };
          return [stage, { count: count - base.count, seconds: seconds - base.seconds }];
        }),
      );
      return {
        moved: [...seen.values()].filter(({ tasks }) => tasks > 0),
        messages,
        heapMb: process.memoryUsage().heapUsed / 2 ** 20,
      };
    },
    async reset() {
      await sample();
      for (const known of seen.values())
        Object.assign(known, { base: known.base + known.tasks, tasks: 0, firstMs: 0, lastMs: 0 });
      bases = await readMessages();
    },
  },
  async () => {
    clearInterval(sampling);
    await workers?.close();
  },
);
