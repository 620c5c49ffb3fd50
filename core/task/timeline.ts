/** Where the time of a task went, from the times that its rows and its result record hold. */

export interface TaskTimes {
  createdMs: number;
  /** When the call cache had been asked. */
  checkedMs?: number | undefined;
  /** When its script lay in S3; of a hit never. */
  stagedMs?: number | undefined;
  isHit: boolean;
  endedMs?: number | undefined;
  /** First attempt first. */
  attempts: readonly AttemptTimes[];
}

export interface AttemptTimes {
  number: number;
  /** When it was packed into a submission. */
  createdMs: number;
  submittedMs?: number | undefined;
  /** When any container of its submission was first seen running. */
  runningMs?: number | undefined;
  /** By the clock of its host: from the container's start to its last act. */
  ran?: { startedMs: number; endedMs: number } | undefined;
  /** When its end was written down. */
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
export type SpanName = (typeof spanNames)[number];

export interface Span {
  what: SpanName;
  /** Of an attempt, its number; absent for what is before and after all of them. */
  attempt?: number;
  fromMs: number;
  /** Absent while it lasts. */
  toMs?: number;
}

/**
 * The spans of a task's life, one after the other. Where a host's clock disagrees with ours a span
 * may be empty, never negative.
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
      endMs: attempt.ran?.startedMs ?? attempt.runningMs ?? attempt.endedMs,
    });
    // Of an attempt without a record only its job's start is known.
    if (attempt.ran || attempt.runningMs !== undefined)
      marks.push({ what: 'ran', attempt: number, endMs: attempt.ran?.endedMs ?? attempt.endedMs });
    if (attempt.ran) marks.push({ what: 'end-unseen', attempt: number, endMs: attempt.endedMs });
  });
  marks.push({ what: 'finalized', endMs: endedMs });

  const spans: Span[] = [];
  let fromMs = createdMs;
  for (const { endMs, ...span } of marks) {
    // What has not ended lasts; a task that ended (it was cancelled, say) ends everything.
    const toMs = endMs ?? endedMs;
    spans.push({ ...span, fromMs, ...(toMs !== undefined && { toMs: Math.max(fromMs, toMs) }) });
    if (toMs === undefined || endMs === undefined) break;
    fromMs = Math.max(fromMs, endMs);
  }
  return spans;
}
