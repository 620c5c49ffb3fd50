/** Workers scale by how long messages wait and how many there are. CPU is not a signal: they wait for AWS. */
import { Fn } from 'aws-cdk-lib';
import { CfnScalableTarget, CfnScalingPolicy } from 'aws-cdk-lib/aws-applicationautoscaling';
import type { ServiceParts } from './parts.ts';

/** Messages of poll are delayed and do not wait. */
const STAGES = ['cache-check', 'stage-script', 'submit', 'finalize'];

type Metric = CfnScalingPolicy.TargetTrackingMetricDataQueryProperty;

const ofStages = (metricName: string): Metric[] =>
  STAGES.map((stage, at) => ({
    id: `m${at}`,
    returnData: false,
    metricStat: {
      stat: 'Maximum',
      metric: {
        namespace: Fn.sub('Batchwell/${AWS::StackName}'),
        metricName,
        dimensions: [{ name: 'Stage', value: stage }],
      },
    },
  }));

const ALL = `[${STAGES.map((_, at) => `m${at}`).join(',')}]`;

/** ECS writes one sample of CPU per task and minute: their number is the number of tasks. */
const WORKERS: Metric = {
  id: 'workers',
  returnData: false,
  metricStat: {
    stat: 'SampleCount',
    metric: {
      namespace: 'AWS/ECS',
      metricName: 'CPUUtilization',
      dimensions: [
        { name: 'ClusterName', value: Fn.ref('Cluster') },
        { name: 'ServiceName', value: Fn.getAtt('WorkerService', 'Name').toString() },
      ],
    },
  },
};

export function addScaling({ stack, parameters: p }: ServiceParts): void {
  new CfnScalableTarget(stack, 'WorkerScaling', {
    serviceNamespace: 'ecs',
    scalableDimension: 'ecs:service:DesiredCount',
    resourceId: Fn.sub('service/${Cluster}/${WorkerService.Name}'),
    minCapacity: 1,
    maxCapacity: p.WorkerMax.valueAsNumber,
  });
  const policy = (id: string, targetValue: number, metrics: Metric[]): void => {
    new CfnScalingPolicy(stack, id, {
      policyName: Fn.sub(`\${AWS::StackName}-${id}`),
      policyType: 'TargetTrackingScaling',
      scalingTargetId: Fn.ref('WorkerScaling'),
      targetTrackingScalingPolicyConfiguration: {
        targetValue,
        scaleOutCooldown: 60,
        scaleInCooldown: 300,
        customizedMetricSpecification: { metrics },
      },
    });
  };
  policy('WorkerAge', p.WorkerTargetAge.valueAsNumber, [
    ...ofStages('OldestMessageAge'),
    { id: 'oldest', returnData: true, expression: `MAX(${ALL})` },
  ]);
  policy('WorkerBacklog', p.WorkerTargetBacklog.valueAsNumber, [
    ...ofStages('MessagesWaiting'),
    WORKERS,
    { id: 'backlog', returnData: true, expression: `SUM(${ALL}) / FILL(workers, 1)` },
  ]);
}
