/** Roles of tasks and hosts, and the permissions of the API and the workers as managed policies. */
import { CfnInstanceProfile, CfnManagedPolicy, CfnPolicy, CfnRole } from 'aws-cdk-lib/aws-iam';
import { apiPolicy } from '../../access/api.ts';
import { diskPolicy, hostPolicy, hostTrust } from '../../access/host.ts';
import { taskPolicy, taskTrust } from '../../access/task.ts';
import { workerPolicy } from '../../access/worker.ts';
import type { Core } from './conditions.ts';

export function addAccess({ stack, conditions }: Core): void {
  new CfnRole(stack, 'TaskRole', {
    description: 'What the commands of tasks can do.',
    assumeRolePolicyDocument: taskTrust,
    policies: [{ policyName: 'task', policyDocument: taskPolicy }],
  }).cfnOptions.condition = conditions.createsTaskRole;
  const host = new CfnRole(stack, 'HostRole', {
    description: 'ECS agent, logs, images, host release, and SSM. Tasks cannot reach it.',
    assumeRolePolicyDocument: hostTrust,
    policies: [{ policyName: 'host', policyDocument: hostPolicy }],
  });
  new CfnPolicy(stack, 'DiskPolicy', {
    policyName: 'disk',
    policyDocument: diskPolicy,
    roles: [host.ref],
  }).cfnOptions.condition = conditions.isElastic;
  new CfnInstanceProfile(stack, 'HostProfile', { roles: [host.ref] });
  new CfnManagedPolicy(stack, 'WorkerPolicy', {
    description: 'What the workers of Batchwell do.',
    policyDocument: workerPolicy,
  });
  new CfnManagedPolicy(stack, 'ApiPolicy', {
    description: 'What the API of Batchwell does.',
    policyDocument: apiPolicy,
  });
}
