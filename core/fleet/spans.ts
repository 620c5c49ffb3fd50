/** The spans of a task that ran, for the fleet's histogram. The timeline of one task has more. */

export const runSpans = [
  'accepted-submitted',
  'submitted-started',
  'started-ended',
  'ended-seen',
  'seen-done',
] as const;
export type RunSpan = (typeof runSpans)[number];

export interface RunTimes {
  /** Undefined where the task was submitted before. */
  acceptedMs: number | undefined;
  submittedMs: number | undefined;
  /** By the clock of the host, as is the next one. */
  startedMs: number;
  endedMs: number;
  seenMs: number;
}

/** Up to the moment at which the end was seen. None is negative, whatever the clock of the host. */
export function spansOfRun(times: RunTimes): { span: RunSpan; ms: number }[] {
  const marks = [
    ['accepted-submitted', times.acceptedMs, times.submittedMs],
    ['submitted-started', times.submittedMs, times.startedMs],
    ['started-ended', times.startedMs, times.endedMs],
    ['ended-seen', times.endedMs, times.seenMs],
  ] as const;
  return marks.flatMap(([span, fromMs, toMs]) =>
    fromMs === undefined || toMs === undefined ? [] : [{ span, ms: Math.max(0, toMs - fromMs) }],
  );
}
