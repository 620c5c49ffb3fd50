/** What a failed copy within S3 means for the hit that asked for it, and how long a hit waits. */

export interface FailedCopy {
  /** HTTP status; 0 when S3 gave no answer. */
  status: number;
  /** S3's error code, or the name of the connection's error. */
  code: string;
  message: string;
  /** What the SDK refuses before it sends a request: a URL or a bucket name that is not valid. */
  isBadName: boolean;
}

export type CopyTrouble =
  /** A retry can help. */
  | 'transient'
  | 'source-gone'
  /** It is not what it was when the copy was decided. */
  | 'source-changed'
  | 'source-denied'
  /** It is in an archive: it must be restored before it can be read. */
  | 'source-archived'
  | 'destination-refused'
  /** Access is denied, and S3 does not say to which of the two. */
  | 'denied';

const TRANSIENT_CODES =
  /RequestTimeout|SlowDown|Expired|InvalidToken|TokenRefresh|RequestTimeTooSkewed|NoSuchUpload|OperationAborted|Conflict/;

const BY_CODE: Readonly<Record<string, CopyTrouble>> = {
  NoSuchKey: 'source-gone',
  NotFound: 'source-gone',
  NoSuchVersion: 'source-gone',
  // The source was seen just before: its bucket exists.
  NoSuchBucket: 'destination-refused',
  InvalidObjectState: 'source-archived',
  BadDigest: 'source-changed',
  NotImplemented: 'destination-refused',
};

export function judgeFailedCopy({ status, code, message, isBadName }: FailedCopy): CopyTrouble {
  if (isBadName) return 'destination-refused';
  if (status === 412) return 'source-changed';
  const byCode = BY_CODE[code];
  if (byCode !== undefined) return byCode;
  const isAnswer = status >= 300 && status < 500 && ![408, 409, 429].includes(status);
  if (!isAnswer || TRANSIENT_CODES.test(code)) return 'transient';
  return status === 403 ? deniedSide(message) : 'destination-refused';
}

/** IAM names the action that it did not allow (source: IAM user guide, "Troubleshoot access denied error messages"). */
function deniedSide(message: string): CopyTrouble {
  if (/s3:Get|kms:Decrypt/.test(message)) return 'source-denied';
  if (/s3:(?:Put|Abort)|kms:GenerateDataKey/.test(message)) return 'destination-refused';
  return 'denied';
}

const FIRST_WAIT_MS = 2_000;
const LONGEST_WAIT_MS = 60_000;

export type WaitDecision = { do: 'wait'; waitMs: number } | { do: 'run' };

/** How long a hit whose copies fail waits before the next try: longer each time, within its budget. */
export function decideCopyRetry(facts: { waitedMs: number; budgetMs: number }): WaitDecision {
  const leftMs = facts.budgetMs - facts.waitedMs;
  if (leftMs <= 0) return { do: 'run' };
  const waitMs = Math.min(LONGEST_WAIT_MS, Math.max(FIRST_WAIT_MS, facts.waitedMs));
  return { do: 'wait', waitMs: Math.min(waitMs, Math.max(leftMs, 100)) };
}

/** A source that could not be read, as it is noted for all hits of its owner and role. */
export interface Denial {
  sinceMs: number;
  /** When a hit tried last. */
  probedMs: number;
}

/** At 10 minutes, one probe a minute. */
const PROBES_PER_WAIT = 10;

export const probeEveryMs = (waitMs: number): number =>
  Math.max(1, Math.floor(waitMs / PROBES_PER_WAIT));

export type DenialDecision = WaitDecision | { do: 'probe' };

/** What a hit does whose source is noted as denied. A probe is one for all: it must be claimed. */
export function decideDenied({
  denial: { sinceMs, probedMs },
  nowMs,
  waitMs,
}: {
  denial: Denial;
  nowMs: number;
  waitMs: number;
}): DenialDecision {
  const nextProbeMs = probedMs + probeEveryMs(waitMs);
  if (nowMs >= nextProbeMs) return { do: 'probe' };
  const endMs = sinceMs + waitMs;
  return nowMs >= endMs
    ? { do: 'run' }
    : { do: 'wait', waitMs: Math.max(1, Math.min(nextProbeMs, endMs) - nowMs) };
}

/** Why a task runs although an entry holds its outputs; the entry stays valid. */
export const hitRefusals = [
  'source-denied',
  'source-archived',
  'copies-failed',
  'urls-exchanged',
  'copy-unproven',
] as const;
export type HitRefusal = (typeof hitRefusals)[number];
