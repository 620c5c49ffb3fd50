/** watch: alarms, a dashboard, a budget, and the topic that people subscribe to. */
import { Fn, Tags, type App, type Stack } from 'aws-cdk-lib';
import { CfnBudget } from 'aws-cdk-lib/aws-budgets';
import { CfnDashboard } from 'aws-cdk-lib/aws-cloudwatch';
import { CfnRule } from 'aws-cdk-lib/aws-events';
import { CfnMetricFilter } from 'aws-cdk-lib/aws-logs';
import { CfnSubscription, CfnTopic, CfnTopicPolicy } from 'aws-cdk-lib/aws-sns';
import { watchParameters } from '../parameters/watch.ts';
import { alarm, MINUTE, runbook, type Alarm, type Watch } from './watch/alarm.ts';
import { addUnusedVolumes } from './watch/unused-volumes.ts';
import {
  condition,
  createStack,
  declare,
  imported,
  isSet,
  only,
  output,
  refuse,
} from './template.ts';

/** As host/bin/give-up writes it. */
const GAVE_UP = 'batchwell-host-gave-up';
const service = (name: string): string => imported('ServiceStack', name);
const STAGES = ['cache-check', 'stage-script', 'submit', 'finalize'];

export function createWatch(app: App): Stack {
  const stack = createStack(app, 'watch', 'Batchwell watch: alarms, dashboard and budget.');
  const parameters = declare(stack, watchParameters);
  refuse(
    stack,
    'BudgetNeedsEmail',
    Fn.conditionNot(Fn.conditionEquals(parameters.MonthlyBudgetUsd.valueAsString, '0')),
    isSet(parameters.Email),
    'MonthlyBudgetUsd needs Email.',
  );
  const watch: Watch = {
    stack,
    parameters,
    hasService: condition(stack, 'HasService', isSet(parameters.ServiceStack)),
  };
  addTopic(watch);
  addHostAlarm(watch);
  addDiskAlarms(watch);
  addMessageAlarm(watch);
  addServiceAlarms(watch);
  addDashboard(watch);
  addBudget(watch);
  output(stack, 'TopicArn', 'Where alarms go', Fn.ref('Topic'));
  Tags.of(stack).add('Application', 'batchwell');
  return stack;
}

function addTopic({ stack, parameters: p }: Watch): void {
  const hasEmail = condition(stack, 'HasEmail', isSet(p.Email));
  new CfnTopic(stack, 'Topic', { displayName: 'Batchwell' });
  new CfnTopicPolicy(stack, 'TopicPolicy', {
    topics: [Fn.ref('Topic')],
    policyDocument: {
      Version: '2012-10-17',
      Statement: [
        {
          Sid: 'AlarmsAndEvents',
          Effect: 'Allow',
          Principal: { Service: ['cloudwatch.amazonaws.com', 'events.amazonaws.com'] },
          Action: 'sns:Publish',
          Resource: Fn.ref('Topic'),
          Condition: { StringEquals: { 'aws:SourceAccount': Fn.ref('AWS::AccountId') } },
        },
        {
          Sid: 'OnlyTls',
          Effect: 'Deny',
          Principal: '*',
          Action: 'sns:Publish',
          Resource: Fn.ref('Topic'),
          Condition: { Bool: { 'aws:SecureTransport': 'false' } },
        },
      ],
    },
  });
  only(
    hasEmail,
    new CfnSubscription(stack, 'Subscription', {
      topicArn: Fn.ref('Topic'),
      protocol: 'email',
      endpoint: p.Email.valueAsString,
    }),
  );
  // Batch says so when the job at the head of a queue cannot start.
  new CfnRule(stack, 'QueueBlocked', {
    description: 'Batch Job Queue Blocked',
    state: 'ENABLED',
    eventPattern: {
      source: ['aws.batch'],
      'detail-type': ['Batch Job Queue Blocked'],
      detail: {
        jobQueue: [imported('CoreStack', 'JobQueue'), imported('CoreStack', 'SteadyJobQueue')],
      },
    },
    targets: [{ id: 'topic', arn: Fn.ref('Topic') }],
  });
}

function addHostAlarm(watch: Watch): void {
  const namespace = Fn.sub('Batchwell/${AWS::StackName}');
  new CfnMetricFilter(watch.stack, 'GaveUpFilter', {
    logGroupName: imported('CoreStack', 'HostLogs'),
    filterPattern: `"${GAVE_UP}"`,
    metricTransformations: [
      {
        metricNamespace: namespace,
        metricName: 'HostsGaveUp',
        metricValue: '1',
        defaultValue: 0,
      },
    ],
  });
  alarm(watch, 'HostsGaveUp', {
    alarmDescription: runbook('HostsGaveUp', 'A host could not be set up and shut itself down.'),
    namespace,
    metricName: 'HostsGaveUp',
    statistic: 'Sum',
    threshold: 0,
    evaluationPeriods: 1,
  });
  alarm(watch, 'EventsNotReceived', {
    alarmDescription: runbook('EventsNotReceived', 'No worker receives the events of Batch.'),
    namespace: 'AWS/SQS',
    metricName: 'ApproximateAgeOfOldestMessage',
    dimensions: [{ name: 'QueueName', value: imported('CoreStack', 'EventsName') }],
    threshold: 300,
  });
}

/** packages/disk/host/metrics.ts writes them, with the name of the core stack. */
function addDiskAlarms(watch: Watch): void {
  const ofHosts = {
    namespace: Fn.sub('Batchwell/${CoreStack}'),
    statistic: 'Sum',
    evaluationPeriods: 1,
    threshold: 0,
  };
  alarm(watch, 'DiskGaveUp', {
    ...ofHosts,
    alarmDescription: runbook('DiskGaveUp', 'The disk of a host could not grow.'),
    metricName: 'DiskGiveUps',
  });
  alarm(watch, 'TasksHeld', {
    ...ofHosts,
    alarmDescription: runbook('TasksHeld', 'Tasks were held until their disk had grown.'),
    metricName: 'DiskBrakeSeconds',
    period: 300,
    threshold: 60,
  });
  addUnusedVolumes(watch);
}

function addMessageAlarm(watch: Watch): void {
  only(
    watch.hasService,
    alarm(watch, 'MessagesWait', {
      alarmDescription: runbook('MessagesWait', 'The oldest message waits for too long.'),
      threshold: watch.parameters.OldestMessageSeconds.valueAsNumber,
      metrics: [
        ...STAGES.map((stage, at) => ({
          id: `m${at}`,
          returnData: false,
          metricStat: {
            stat: 'Maximum',
            period: MINUTE,
            metric: {
              namespace: service('MetricsNamespace'),
              metricName: 'OldestMessageAge',
              dimensions: [{ name: 'Stage', value: stage }],
            },
          },
        })),
        { id: 'oldest', expression: 'MAX(METRICS())', returnData: true },
      ],
    }),
  );
}

function addServiceAlarms(watch: Watch): void {
  const { hasService } = watch;
  const whereService = (id: string, properties: Alarm) =>
    only(hasService, alarm(watch, id, properties));
  whereService('RedisMemory', {
    alarmDescription: runbook(
      'RedisMemory',
      'Valkey has used 70 % of its memory; full, it refuses.',
    ),
    namespace: 'AWS/ElastiCache',
    metricName: 'DatabaseMemoryUsagePercentage',
    dimensions: [{ name: 'ReplicationGroupId', value: service('RedisId') }],
    threshold: 70,
  });
  whereService('DatabaseCapacity', {
    alarmDescription: runbook('DatabaseCapacity', 'Aurora is near DatabaseMaxAcu.'),
    namespace: 'AWS/RDS',
    metricName: 'ACUUtilization',
    dimensions: [{ name: 'DBClusterIdentifier', value: service('DatabaseId') }],
    threshold: 90,
  });
  whereService('ApiNotHealthy', {
    alarmDescription: runbook('ApiNotHealthy', 'No task of the API is healthy.'),
    namespace: 'AWS/ApplicationELB',
    metricName: 'HealthyHostCount',
    dimensions: [
      { name: 'LoadBalancer', value: service('LoadBalancerName') },
      { name: 'TargetGroup', value: service('TargetGroupName') },
    ],
    comparisonOperator: 'LessThanThreshold',
    threshold: 1,
    treatMissingData: 'breaching',
  });
  whereService('ApiErrors', {
    alarmDescription: runbook('ApiErrors', 'The API answers with 5xx.'),
    namespace: 'AWS/ApplicationELB',
    metricName: 'HTTPCode_Target_5XX_Count',
    dimensions: [{ name: 'LoadBalancer', value: service('LoadBalancerName') }],
    statistic: 'Sum',
    threshold: 10,
  });
}

const widget = (x: number, title: string, metrics: unknown[]) => ({
  type: 'metric',
  x,
  y: 0,
  width: 8,
  height: 6,
  properties: { title, region: '${AWS::Region}', period: MINUTE, stat: 'Maximum', metrics },
});
const ofStages = (metric: string) =>
  STAGES.map((stage) => ['${Namespace}', metric, 'Stage', stage]);

function addDashboard({ stack, hasService }: Watch): void {
  const body = {
    widgets: [
      widget(0, 'Age of the oldest message, seconds', ofStages('OldestMessageAge')),
      widget(8, 'Messages that wait', ofStages('MessagesWaiting')),
      widget(16, 'Hosts that gave up', [['Batchwell/${AWS::StackName}', 'HostsGaveUp']]),
    ],
  };
  only(
    hasService,
    new CfnDashboard(stack, 'Dashboard', {
      dashboardName: Fn.sub('${AWS::StackName}'),
      dashboardBody: Fn.sub(JSON.stringify(body), {
        Namespace: imported('ServiceStack', 'MetricsNamespace'),
      }),
    }),
  );
}

function addBudget({ stack, parameters: p }: Watch): void {
  const hasBudget = condition(
    stack,
    'HasBudget',
    Fn.conditionNot(Fn.conditionEquals(p.MonthlyBudgetUsd.valueAsString, '0')),
  );
  const told = (threshold: number, notificationType: string) => ({
    notification: { comparisonOperator: 'GREATER_THAN', notificationType, threshold },
    subscribers: [{ subscriptionType: 'EMAIL', address: p.Email.valueAsString }],
  });
  only(
    hasBudget,
    new CfnBudget(stack, 'Budget', {
      budget: {
        budgetType: 'COST',
        timeUnit: 'MONTHLY',
        budgetLimit: { amount: p.MonthlyBudgetUsd.valueAsNumber, unit: 'USD' },
        costFilters: { TagKeyValue: ['user:Application$batchwell'] },
      },
      notificationsWithSubscribers: [told(80, 'ACTUAL'), told(100, 'FORECASTED')],
    }),
  );
}
