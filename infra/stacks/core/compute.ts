/** Two compute environments that change in place, and the two job queues. */
import { CfnComputeEnvironment, CfnJobQueue } from 'aws-cdk-lib/aws-batch';
import { Fn, type CfnCondition } from 'aws-cdk-lib';
import { choose } from '../template.ts';
import type { Core } from './conditions.ts';

const NVME_FAMILIES = { x86_64: ['c6id', 'm6id', 'r6id'], arm64: ['c6gd', 'm6gd', 'r6gd'] };

/** Jobs that can never start. Want of capacity is not among them: it passes. */
const NEVER_STARTS = [
  'MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE',
  'MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT',
];

export function addCompute(core: Core): void {
  const { SpotMaxVcpus, OnDemandMaxVcpus } = core.parameters;
  addEnvironment(core, 'SpotEnvironment', {
    type: 'SPOT',
    allocationStrategy: 'SPOT_PRICE_CAPACITY_OPTIMIZED',
    maxvCpus: SpotMaxVcpus.valueAsNumber,
  }).cfnOptions.condition = core.conditions.hasSpot;
  addEnvironment(core, 'OnDemandEnvironment', {
    type: 'EC2',
    allocationStrategy: 'BEST_FIT_PROGRESSIVE',
    maxvCpus: OnDemandMaxVcpus.valueAsNumber,
  });
  addQueue(core, 'DefaultQueue', '${AWS::StackName}', core.conditions.hasSpot);
  addQueue(core, 'SteadyQueue', '${AWS::StackName}-steady');
}

function addEnvironment(
  { stack, parameters: p, conditions }: Core,
  id: string,
  kind: { type: string; allocationStrategy: string; maxvCpus: number },
): CfnComputeEnvironment {
  const families = choose(conditions.isArm, NVME_FAMILIES.arm64, NVME_FAMILIES.x86_64);
  const environment = new CfnComputeEnvironment(stack, id, {
    type: 'MANAGED',
    state: 'ENABLED',
    // With the service-linked role and this, a new launch template rolls the hosts in place.
    replaceComputeEnvironment: false,
    updatePolicy: {
      terminateJobsOnUpdate: false,
      jobExecutionTimeoutMinutes: p.JobTimeoutMinutes.valueAsNumber,
    },
    computeResources: {
      ...kind,
      minvCpus: 0,
      instanceTypes: choose(conditions.choosesTypes, families, p.InstanceTypes.valueAsList),
      subnets: p.SubnetIds.valueAsList,
      securityGroupIds: [
        choose(
          conditions.createsSecurityGroup,
          Fn.ref('HostSecurityGroup'),
          p.SecurityGroupId.valueAsString,
        ),
      ],
      instanceRole: Fn.getAtt('HostProfile', 'Arn').toString(),
      ec2Configuration: [
        {
          imageType: 'ECS_AL2023',
          imageIdOverride: choose(conditions.hasImage, p.ImageId.valueAsString),
        },
      ],
      launchTemplate: {
        launchTemplateId: Fn.ref('LaunchTemplate'),
        version: Fn.getAtt('LaunchTemplate', 'LatestVersionNumber').toString(),
      },
      updateToLatestImageVersion: true,
      tags: { Name: Fn.sub('${AWS::StackName}-host'), Application: 'batchwell' },
    },
  });
  // Insights cannot be unset once they were set, so the property is absent unless asked for.
  environment.addPropertyOverride(
    'EcsSettings',
    choose(conditions.hasInsights, {
      ContainerInsights: { Ref: 'ContainerInsights' },
    }),
  );
  return environment;
}

const onDemand = (order: number) => ({ order, computeEnvironment: Fn.ref('OnDemandEnvironment') });

function addQueue({ stack }: Core, id: string, name: string, spot?: CfnCondition): void {
  const both = [{ order: 1, computeEnvironment: Fn.ref('SpotEnvironment') }, onDemand(2)];
  new CfnJobQueue(stack, id, {
    jobQueueName: Fn.sub(name),
    priority: 1,
    state: 'ENABLED',
    computeEnvironmentOrder: spot ? choose(spot, both, [onDemand(1)]) : [onDemand(1)],
    jobStateTimeLimitActions: NEVER_STARTS.map((reason) => ({
      action: 'CANCEL',
      maxTimeSeconds: 3600,
      reason,
      state: 'RUNNABLE',
    })),
  });
}
