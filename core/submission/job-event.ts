/** EventBridge's events of Batch jobs (source: AWS Batch user guide, "Batch Job State Change"). */

export interface JobEvent {
  jobId: string;
  /** ARN. */
  jobQueue: string;
  status: string;
}

/** Undefined for a message that is not such an event. */
export function parseJobEvent(body: string): JobEvent | undefined {
  try {
    const { detail, ...envelope } = JSON.parse(body) as {
      'detail-type'?: unknown;
      detail?: Partial<Record<keyof JobEvent, unknown>>;
    };
    if (envelope['detail-type'] !== 'Batch Job State Change' || !detail) return undefined;
    const { jobId, jobQueue, status } = detail;
    return typeof jobId === 'string' && typeof jobQueue === 'string' && typeof status === 'string'
      ? { jobId, jobQueue, status }
      : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a queue, as its tasks name it, is the one of an ARN. */
export const isQueue = (named: string, arn: string): boolean =>
  named === arn || arn.endsWith(`:job-queue/${named}`);

/** Whether an attempt ran to its end, so that there is something to read. */
export const saysEnded = ({ status }: JobEvent): boolean =>
  status === 'SUCCEEDED' || status === 'FAILED';
