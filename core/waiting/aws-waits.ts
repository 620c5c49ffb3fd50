/** What AWS does with a submission so that its tasks wait. */

/**
 * - permission: a permission, or valid credentials, are missing.
 * - queue-disabled: an operator disabled the job queue.
 * - network: the request never left.
 * - throttling: too many requests.
 * - settling: Batch does not know the job definition, or the job queue, yet.
 * - misconfiguration: Batch says that no host can ever run it as it is.
 * - capacity: Batch has no room for it yet.
 */
export const awsWaits = [
  'permission',
  'queue-disabled',
  'network',
  'throttling',
  'settling',
  'misconfiguration',
  'capacity',
] as const;
export type AwsWait = (typeof awsWaits)[number];
