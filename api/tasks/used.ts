/** What executors used, as the API shows it. */
import type { UsedByExecutor } from '../../core/result/usage.ts';

export const viewUsed = ({ wallMs, cpuMs, ...used }: UsedByExecutor) => ({
  wall_seconds: wallMs / 1000,
  ...(cpuMs !== undefined && { cpu_seconds: cpuMs / 1000 }),
  ...(used.peakMemoryBytes !== undefined && { peak_memory_bytes: used.peakMemoryBytes }),
  ...(used.readBytes !== undefined && { read_bytes: used.readBytes }),
  ...(used.writtenBytes !== undefined && { written_bytes: used.writtenBytes }),
});
