/** What an attempt used, from what its executors did. */
import type { ExecutorResult } from './result.ts';

export interface UsedByExecutor {
  wallMs: number;
  /** Absent where nobody could measure it. */
  peakMemoryBytes?: number;
  cpuMs?: number;
  readBytes?: number;
  writtenBytes?: number;
}

export const usedBy = ({ startedMs, endedMs, usage }: ExecutorResult): UsedByExecutor => {
  const { peakMemoryBytes, ...rest } = usage ?? {};
  return {
    wallMs: Math.max(0, endedMs - startedMs),
    ...rest,
    // 0: it ended before anybody looked.
    ...(peakMemoryBytes && { peakMemoryBytes }),
  };
};

/** Of executors that ran one after another; what one of them lacks is left out. */
export function usedByAll(executors: readonly ExecutorResult[]): UsedByExecutor | undefined {
  const used = executors.map(usedBy);
  if (used.length === 0) return undefined;
  const sum = (key: 'cpuMs' | 'readBytes' | 'writtenBytes'): number | undefined =>
    used.reduce<number | undefined>(
      (total, { [key]: one }) =>
        total === undefined || one === undefined ? undefined : total + one,
      0,
    );
  const peaks = used.flatMap(({ peakMemoryBytes }) => peakMemoryBytes ?? []);
  const [cpuMs, readBytes, writtenBytes] = [sum('cpuMs'), sum('readBytes'), sum('writtenBytes')];
  return {
    wallMs: used.reduce((total, { wallMs }) => total + wallMs, 0),
    ...(peaks.length > 0 && { peakMemoryBytes: peaks.reduce((most, one) => Math.max(most, one)) }),
    ...(cpuMs !== undefined && { cpuMs }),
    ...(readBytes !== undefined && { readBytes }),
    ...(writtenBytes !== undefined && { writtenBytes }),
  };
}
