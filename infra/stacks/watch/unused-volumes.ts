/**
 * Counts the volumes of hosts that nobody uses, each hour and without code: hosts delete them when they
 * start, but where none starts any more, nobody else would see them.
 */
import { Fn } from 'aws-cdk-lib';
import { CfnRole } from 'aws-cdk-lib/aws-iam';
import { CfnSchedule } from 'aws-cdk-lib/aws-scheduler';
import { CfnStateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import { DISK_TAG } from '../../access/statement.ts';
import { alarm, runbook, type Watch } from './alarm.ts';

const METRIC = 'UnusedVolumes';

/** `available` for an hour: a host that is just about to attach one is younger. */
const COUNT = '{% $count($states.result.Volumes[$toMillis(CreateTime) < $millis() - 3600000]) %}';

const definition = {
  QueryLanguage: 'JSONata',
  StartAt: 'Look',
  States: {
    Look: {
      Type: 'Task',
      Resource: 'arn:${AWS::Partition}:states:::aws-sdk:ec2:describeVolumes',
      Arguments: {
        Filters: [
          { Name: `tag:${DISK_TAG}`, Values: ['${CoreStack}'] },
          { Name: 'status', Values: ['available'] },
        ],
      },
      Assign: { count: COUNT },
      Retry: [{ ErrorEquals: ['States.ALL'], IntervalSeconds: 60, MaxAttempts: 3, BackoffRate: 2 }],
      Next: 'Tell',
    },
    Tell: {
      Type: 'Task',
      Resource: 'arn:${AWS::Partition}:states:::aws-sdk:cloudwatch:putMetricData',
      Arguments: {
        Namespace: 'Batchwell/${CoreStack}',
        MetricData: [{ MetricName: METRIC, Unit: 'Count', Value: '{% $count %}' }],
      },
      End: true,
    },
  },
};

export function addUnusedVolumes(watch: Watch): void {
  const { stack } = watch;
  new CfnRole(stack, 'VolumesRole', {
    description: 'Counts the volumes that no host uses.',
    assumeRolePolicyDocument: trustOf('states.amazonaws.com'),
    policies: [{ policyName: 'count', policyDocument: policyOf(COUNTING) }],
  });
  new CfnStateMachine(stack, 'Volumes', {
    roleArn: Fn.getAtt('VolumesRole', 'Arn').toString(),
    definitionString: Fn.sub(JSON.stringify(definition)),
  });
  new CfnRole(stack, 'ScheduleRole', {
    description: 'Starts the count of volumes.',
    assumeRolePolicyDocument: trustOf('scheduler.amazonaws.com'),
    policies: [
      {
        policyName: 'start',
        policyDocument: policyOf([
          { Action: 'states:StartExecution', Resource: Fn.ref('Volumes') },
        ]),
      },
    ],
  });
  new CfnSchedule(stack, 'VolumesHourly', {
    scheduleExpression: 'rate(1 hour)',
    flexibleTimeWindow: { mode: 'FLEXIBLE', maximumWindowInMinutes: 15 },
    target: { arn: Fn.ref('Volumes'), roleArn: Fn.getAtt('ScheduleRole', 'Arn').toString() },
  });
  alarm(watch, METRIC, {
    alarmDescription: runbook(
      METRIC,
      'Volumes that no host uses are left and cost money. Run batchwell-disk sweep.',
    ),
    namespace: Fn.sub('Batchwell/${CoreStack}'),
    metricName: METRIC,
    threshold: 0,
    period: 3600,
    // A host that starts within the hour deletes them.
    evaluationPeriods: 2,
  });
}

/** Neither action has resource types; CloudWatch can be bound to the namespace. */
const COUNTING = [
  { Action: 'ec2:DescribeVolumes', Resource: '*' },
  {
    Action: 'cloudwatch:PutMetricData',
    Resource: '*',
    Condition: { StringEquals: { 'cloudwatch:namespace': Fn.sub('Batchwell/${CoreStack}') } },
  },
];

const policyOf = (statements: readonly object[]) => ({
  Version: '2012-10-17',
  Statement: statements.map((statement) => ({ Effect: 'Allow', ...statement })),
});

const trustOf = (service: string) =>
  policyOf([
    {
      Action: 'sts:AssumeRole',
      Principal: { Service: service },
      Condition: { StringEquals: { 'aws:SourceAccount': Fn.ref('AWS::AccountId') } },
    },
  ]);
