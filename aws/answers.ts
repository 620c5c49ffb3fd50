/** What an error of the SDK means; the table is core/submission/batch-answer.ts. */
import { readAwsError, type AwsAnswer } from '../core/submission/batch-answer.ts';

interface SdkError {
  name?: string;
  message?: string;
  code?: string;
  cause?: unknown;
  $metadata?: { httpStatusCode?: number };
}

export function readError(error: unknown): { name: string; message: string; answer: AwsAnswer } {
  const { name = 'Error', message = String(error), code, $metadata } = error as SdkError;
  const status = $metadata?.httpStatusCode ?? 0;
  // An error of the connection has its code beside a name that says nothing.
  const called = status === 0 && code !== undefined ? code : name;
  return { name: called, message, answer: readAwsError({ name: called, message, status }) };
}

export interface Denial {
  service: 'batch' | 's3';
  /** AWS's own words; of S3 with the object. */
  words: string;
}

/** Batch knows no job queue of the name or ARN in the request. */
export const isQueueUnknown = (error: unknown): boolean =>
  readError(error).answer === 'queue-unknown';

/**
 * What AWS denied, if an operator has to correct a permission, credentials or the name of the
 * bucket; undefined for any other error. Errors of the object store have AWS's as their cause.
 */
export function denialOf(error: unknown): Denial | undefined {
  const { name, message, answer } = readError(error);
  if (answer === 'denied') return { service: 'batch', words: `${name}: ${message}` };
  const { cause } = error as SdkError;
  return cause !== undefined && readError(cause).answer === 'denied'
    ? { service: 's3', words: message }
    : undefined;
}
