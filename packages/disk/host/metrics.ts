/** Metrics as lines in the embedded metric format of CloudWatch: no permission beyond that for logs. */
import type { FileSystem } from '../rules/facts.ts';
import type { Journal } from '../rules/journal.ts';

type Counts = Journal['counts'];

const NOT_OFTENER_MS = 60_000;
/** An idle host writes nothing. */
const WORTH_A_LINE = 0.01;

const METRICS = [
  ['DiskSizeBytes', 'Bytes'],
  ['DiskUsedBytes', 'Bytes'],
  ['DiskGrowths', 'Count'],
  ['DiskBrakeSeconds', 'Seconds'],
  ['DiskCalls', 'Count'],
  ['DiskGiveUps', 'Count'],
] as const;

export interface DiskMetrics {
  /** A line, where there is something new to say. */
  lineOf(fileSystem: FileSystem, counts: Counts, nowMs: number): string | undefined;
}

export function diskMetrics(stack: string, counted: Counts): DiskMetrics {
  let last = { counts: counted, usedShare: -1, atMs: -Infinity };
  return {
    lineOf: ({ sizeBytes, freeBytes }, counts, nowMs) => {
      const usedShare = (sizeBytes - freeBytes) / sizeBytes;
      const isNew =
        counts.growths !== last.counts.growths ||
        counts.giveUps !== last.counts.giveUps ||
        counts.brakeMs !== last.counts.brakeMs ||
        Math.abs(usedShare - last.usedShare) >= WORTH_A_LINE;
      if (!isNew || nowMs - last.atMs < NOT_OFTENER_MS) return undefined;
      const values = {
        DiskSizeBytes: sizeBytes,
        DiskUsedBytes: sizeBytes - freeBytes,
        DiskGrowths: counts.growths - last.counts.growths,
        DiskBrakeSeconds: (counts.brakeMs - last.counts.brakeMs) / 1000,
        DiskCalls: counts.calls - last.counts.calls,
        DiskGiveUps: counts.giveUps - last.counts.giveUps,
      };
      last = { counts, usedShare, atMs: nowMs };
      return JSON.stringify({
        _aws: {
          Timestamp: nowMs,
          CloudWatchMetrics: [
            {
              Namespace: `Batchwell/${stack}`,
              Dimensions: [[]],
              Metrics: METRICS.map(([Name, Unit]) => ({ Name, Unit })),
            },
          ],
        },
        ...values,
      });
    },
  };
}
