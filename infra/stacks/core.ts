/**
 * core: buckets, roles, log groups, launch template, compute environments, queues and events. It is
 * enough for `batchwell up --aws` on a laptop.
 */
import { Aws, CfnOutput, Fn, Tags, type App, type Stack } from 'aws-cdk-lib';
import { coreParameters } from '../settings.ts';
import { addAccess } from './core/access.ts';
import { addBuckets } from './core/buckets.ts';
import { addCompute } from './core/compute.ts';
import { addEvents } from './core/events.ts';
import { addHosts } from './core/hosts.ts';
import { releaseBucketName, workBucketName } from '../access/statement.ts';
import { addConditions, addRules } from './core/conditions.ts';
import { createStack, declare } from './template.ts';

export function createCore(app: App): Stack {
  const stack = createStack(app, 'core', 'Batchwell core: AWS Batch, buckets, roles and events.');
  const parameters = declare(stack, coreParameters);
  addRules(stack, parameters);
  const conditions = addConditions(stack, parameters);
  const core = { stack, parameters, conditions };
  addBuckets(core);
  addAccess(core);
  addHosts(core);
  addCompute(core);
  addEvents(core);
  addOutputs(stack);
  Tags.of(stack).add('Application', 'batchwell');
  return stack;
}

function addOutputs(stack: Stack): void {
  const outputs: Record<string, [description: string, value: unknown]> = {
    WorkBucketOutput: ['BATCHWELL_BUCKET', workBucketName],
    ReleaseBucketOutput: ['Where host releases are', releaseBucketName],
    JobQueue: ['BATCHWELL_JOB_QUEUE: Spot, then On-Demand', { Ref: 'DefaultQueue' }],
    SteadyJobQueue: ['For tasks that must not be interrupted: On-Demand', { Ref: 'SteadyQueue' }],
    TaskRoleOutput: [
      'BATCHWELL_JOB_ROLE',
      Fn.conditionIf('CreatesTaskRole', Fn.getAtt('TaskRole', 'Arn'), Fn.ref('TaskRoleArn')),
    ],
    TaskLogGroupOutput: ['BATCHWELL_LOG_GROUP', { Ref: 'TaskLogGroup' }],
    HostLogGroupOutput: ['Why hosts gave up', { Ref: 'HostLogGroup' }],
    EventsQueueUrl: ['BATCHWELL_JOB_EVENTS_URL', { Ref: 'EventsQueue' }],
    WorkerPolicyArn: ['Permissions of the workers', { Ref: 'WorkerPolicy' }],
    ApiPolicyArn: ['Permissions of the API', { Ref: 'ApiPolicy' }],
    Region: ['AWS_REGION', Aws.REGION],
  };
  for (const [name, [description, value]] of Object.entries(outputs))
    new CfnOutput(stack, name, { description, value: value as string });
}
