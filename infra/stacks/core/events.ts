/** Ends of jobs, by EventBridge and SQS. An event is a nudge, so old ones are worth nothing. */
import { Fn } from 'aws-cdk-lib';
import { CfnRule } from 'aws-cdk-lib/aws-events';
import { CfnQueue, CfnQueuePolicy } from 'aws-cdk-lib/aws-sqs';
import type { Core } from './conditions.ts';

const RETENTION_SECONDS = 600;

export function addEvents({ stack }: Core): void {
  const queue = new CfnQueue(stack, 'EventsQueue', {
    messageRetentionPeriod: RETENTION_SECONDS,
    receiveMessageWaitTimeSeconds: 20,
    sqsManagedSseEnabled: true,
  });
  const rule = new CfnRule(stack, 'EventsRule', {
    description: 'Jobs of the two queues that have ended',
    state: 'ENABLED',
    eventPattern: {
      source: ['aws.batch'],
      'detail-type': ['Batch Job State Change'],
      detail: {
        status: ['SUCCEEDED', 'FAILED'],
        jobQueue: [Fn.ref('DefaultQueue'), Fn.ref('SteadyQueue')],
      },
    },
    targets: [{ id: 'queue', arn: queue.attrArn }],
  });
  new CfnQueuePolicy(stack, 'EventsQueuePolicy', {
    queues: [queue.ref],
    policyDocument: {
      Version: '2012-10-17',
      Statement: [
        {
          Sid: 'FromOurRule',
          Effect: 'Allow',
          Principal: { Service: 'events.amazonaws.com' },
          Action: 'sqs:SendMessage',
          Resource: queue.attrArn,
          Condition: { ArnEquals: { 'aws:SourceArn': rule.attrArn } },
        },
        {
          Sid: 'OnlyTls',
          Effect: 'Deny',
          Principal: '*',
          Action: 'sqs:*',
          Resource: queue.attrArn,
          Condition: { Bool: { 'aws:SecureTransport': 'false' } },
        },
      ],
    },
  });
}
