/** How a task spent its time, from the times in its rows and its result record. */

export interface TaskTimes {
  createdMs: number;
  /** When the call cache had answered. */
  checkedMs?: number | undefined;
  /** When its script was in S3; never for a hit. */
  stagedMs?: number | undefined;
  isHit: boolean;
  endedMs?: number | undefined;
  /** First attempt first. */
  attempts: readonly AttemptTimes[];
}

interface AttemptTimes {
  number: number;
  /** When it was packed into a submission. */
  createdMs: number;
  submittedMs?: number | undefined;
  /** When its container started, as far as that was seen while it ran. */
  startedMs?: number | undefined;
  /** By the clock of its host: from the start of the container to its last action. */
  ran?: { startedMs: number; endedMs: number } | undefined;
  /** When its end was recorded. */
  endedMs?: number | undefined;
}

export const spanNames = [
  'cache-check',
  'stage-script',
  'waited-for-company',
  'waited-for-retry',
  'packed',
  'in-batch',
  'ran',
  'end-unseen',
  'finalized',
] as const;
type SpanName = (typeof spanNames)[number];

export interface Span {
  what: SpanName;
  /** Number of the attempt; absent for spans before and after all attempts. */
  attempt?: number;
  fromMs: number;
  /** Absent until it ends. */
  toMs?: number;
}

/**
 * The spans of a task's life, in order. When a host's clock differs from ours, a span may be empty
 * but never negative.
 */
export function timelineOf({
  createdMs,
  checkedMs,
  stagedMs,
  isHit,
  endedMs,
  attempts,
}: TaskTimes): Span[] {
  const marks: { what: SpanName; attempt?: number; endMs: number | undefined }[] = [
    { what: 'cache-check', endMs: checkedMs },
  ];
  if (!isHit)
    marks.push(
      { what: 'stage-script', endMs: stagedMs },
      { what: 'waited-for-company', endMs: attempts[0]?.createdMs },
    );
  attempts.forEach((attempt, position) => {
    const { number } = attempt;
    if (position > 0)
      marks.push({ what: 'waited-for-retry', attempt: number, endMs: attempt.createdMs });
    marks.push({ what: 'packed', attempt: number, endMs: attempt.submittedMs });
    marks.push({
      what: 'in-batch',
      attempt: number,
      endMs: attempt.ran?.startedMs ?? attempt.startedMs ?? attempt.endedMs,
    });
    // For an attempt without a record, only the start of its job is known.
    if (attempt.ran || attempt.startedMs !== undefined)
      marks.push({ what: 'ran', attempt: number, endMs: attempt.ran?.endedMs ?? attempt.endedMs });
    if (attempt.ran) marks.push({ what: 'end-unseen', attempt: number, endMs: attempt.endedMs });
  });
  marks.push({ what: 'finalized', endMs: endedMs });

  const spans: Span[] = [];
  let fromMs = createdMs;
  for (const { endMs, ...span } of marks) {
    // A span without an end is still open, unless the task itself has ended (it was cancelled, for
    // example).
    const toMs = endMs ?? endedMs;
    spans.push({ ...span, fromMs, ...(toMs !== undefined && { toMs: Math.max(fromMs, toMs) }) });
    if (toMs === undefined || endMs === undefined) break;
    fromMs = Math.max(fromMs, endMs);
  }
  return spans;
}
