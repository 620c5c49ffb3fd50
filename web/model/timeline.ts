/** The spans of a task's life as bars on one scale. Pure. */
import type { Timeline } from '../../packages/client/client.ts';

type Span = Timeline['spans'][number];

export interface Bar {
  label: string;
  /** Who has the task: Batchwell, AWS Batch, or the task itself. */
  by: 'us' | 'batch' | 'task';
  ms: number;
  /** In percent of the whole. */
  from: number;
  width: number;
  open: boolean;
}

const names: Record<Span['what'], { label: string; by: Bar['by'] }> = {
  'cache-check': { label: 'Cache check', by: 'us' },
  'stage-script': { label: 'Script written', by: 'us' },
  'waited-for-company': { label: 'Waited to be packed', by: 'us' },
  'waited-for-retry': { label: 'Waited for the retry', by: 'us' },
  packed: { label: 'Submitted', by: 'us' },
  'in-batch': { label: 'Waited in AWS Batch', by: 'batch' },
  ran: { label: 'Ran', by: 'task' },
  'end-unseen': { label: 'End not yet seen', by: 'us' },
  finalized: { label: 'Finalized', by: 'us' },
};

/** A bar is at least this wide, so that short spans can be seen. */
const THINNEST = 0.4;

export function barsOf(spans: readonly Span[]): Bar[] {
  const [first] = spans;
  if (!first) return [];
  const startMs = Date.parse(first.from);
  const endMs = spans.reduce(
    (latest, span) => Math.max(latest, Date.parse(span.from) + span.ms),
    startMs,
  );
  const wholeMs = Math.max(1, endMs - startMs);
  const several = new Set(spans.map(({ attempt }) => attempt ?? 0)).size > 2;
  return spans.map((span) => {
    const from = ((Date.parse(span.from) - startMs) / wholeMs) * 100;
    const { label, by } = names[span.what];
    return {
      label: several && span.attempt !== undefined ? `${label} (attempt ${span.attempt})` : label,
      by,
      ms: span.ms,
      from: Math.min(from, 100 - THINNEST),
      width: Math.max(THINNEST, (span.ms / wholeMs) * 100),
      open: span.to === undefined,
    };
  });
}

/** The step that took longest. */
export const longestOf = (bars: readonly Bar[]): Bar | undefined =>
  bars.toSorted((one, other) => other.ms - one.ms)[0];
