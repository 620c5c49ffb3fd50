/**
 * core: buckets, roles, log groups, launch template, compute environments, queues and events. It is
 * enough for `batchwell up --aws` on a laptop.
 */
import { Fn, Tags, type App, type Stack } from 'aws-cdk-lib';
import { coreParameters } from '../parameters/core.ts';
import { addAccess } from './core/access.ts';
import { addBuckets } from './core/buckets.ts';
import { addCompute } from './core/compute.ts';
import { addEvents } from './core/events.ts';
import { addHosts } from './core/hosts.ts';
import { releaseBucketName, workBucketName } from '../access/statement.ts';
import { addConditions, addRules } from './core/conditions.ts';
import { createStack, declare, output } from './template.ts';

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

/** Names of outputs cannot be those of resources. */
function addOutputs(stack: Stack): void {
  const taskRole = Fn.conditionIf(
    'CreatesTaskRole',
    Fn.getAtt('TaskRole', 'Arn'),
    Fn.ref('TaskRoleArn'),
  );
  output(stack, 'Bucket', 'BATCHWELL_BUCKET', workBucketName);
  output(stack, 'Releases', 'Bucket of the host releases', releaseBucketName);
  output(stack, 'JobQueue', 'BATCHWELL_JOB_QUEUE: Spot, then On-Demand', { Ref: 'DefaultQueue' });
  output(stack, 'SteadyJobQueue', 'On-Demand only', { Ref: 'SteadyQueue' });
  output(stack, 'JobRole', 'BATCHWELL_JOB_ROLE', taskRole);
  output(stack, 'LogGroup', 'BATCHWELL_LOG_GROUP', { Ref: 'TaskLogGroup' });
  output(stack, 'HostLogs', 'Why hosts gave up', { Ref: 'HostLogGroup' });
  output(stack, 'EventsUrl', 'BATCHWELL_JOB_EVENTS_URL', { Ref: 'EventsQueue' });
  output(stack, 'EventsName', 'Name of the events queue', Fn.getAtt('EventsQueue', 'QueueName'));
  output(stack, 'WorkerPolicyArn', 'Permissions of the workers', { Ref: 'WorkerPolicy' });
  output(stack, 'ApiPolicyArn', 'Permissions of the API', { Ref: 'ApiPolicy' });
  output(stack, 'Repository', 'Repository of the service image', { Ref: 'ImageRepository' });
}
