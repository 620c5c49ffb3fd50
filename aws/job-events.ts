/**
 * Batch's job events, which EventBridge sends to an SQS queue: at least once, in no order.
 * core/submission/job-event.ts interprets them.
 */
import { DeleteMessageBatchCommand, ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import type { Metrics } from '../telemetry/metrics.ts';
import { observeRequests } from './observe.ts';

export interface EventMessage {
  body: string;
  receipt: string;
}

export interface JobEvents {
  /**
   * Waits up to 20 s for the first message and returns up to 10. Empty if none came or the signal
   * aborted.
   */
  receive(signal: AbortSignal): Promise<EventMessage[]>;
  /** A message that cannot be removed is delivered again. */
  remove(messages: readonly EventMessage[]): Promise<void>;
  close(): void;
}

/** SQS's limits. */
const MOST_AT_ONCE = 10;
const LONGEST_WAIT_SECONDS = 20;

export function openJobEvents({
  queueUrl,
  metrics,
}: {
  queueUrl: string;
  metrics: Metrics;
}): JobEvents {
  const client = new SQSClient({
    maxAttempts: 3,
    requestHandler: {
      requestTimeout: (LONGEST_WAIT_SECONDS + 10) * 1000,
      throwOnRequestTimeout: true,
      connectionTimeout: 5000,
    },
  });
  observeRequests(client, 'sqs', metrics);
  return {
    async receive(signal) {
      try {
        const { Messages = [] } = await client.send(
          new ReceiveMessageCommand({
            QueueUrl: queueUrl,
            MaxNumberOfMessages: MOST_AT_ONCE,
            WaitTimeSeconds: LONGEST_WAIT_SECONDS,
          }),
          { abortSignal: signal },
        );
        return Messages.map(({ Body = '', ReceiptHandle = '' }) => ({
          body: Body,
          receipt: ReceiptHandle,
        }));
      } catch (error) {
        if (signal.aborted) return [];
        throw error;
      }
    },
    async remove(messages) {
      if (messages.length > 0)
        await client.send(
          new DeleteMessageBatchCommand({
            QueueUrl: queueUrl,
            Entries: messages.map(({ receipt }, position) => ({
              Id: String(position),
              ReceiptHandle: receipt,
            })),
          }),
        );
    },
    close: () => client.destroy(),
  };
}
