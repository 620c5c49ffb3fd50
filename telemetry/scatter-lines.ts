/** The line about a scatter that has ended. */
import type { ScatterSummary } from '../core/scatter/scatter-view.ts';
import type { Log } from './log.ts';

export function logScatterEnd(
  log: Log,
  { owner, summary, tookMs }: { owner: string; summary: ScatterSummary; tookMs: number },
): void {
  const { done, failed, cancelled } = summary.places;
  const counts = { tasks: summary.size, done, failed, cancelled, hits: summary.cache_hits };
  log.info(
    { event: 'scatter-ended', scatter: summary.id, owner, ...counts, tookMs },
    'scatter-ended',
  );
}
