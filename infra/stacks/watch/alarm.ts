/** An alarm that goes to the topic and names its chapter of the runbook. */
import { Fn, type CfnCondition, type Stack } from 'aws-cdk-lib';
import { CfnAlarm, type CfnAlarmProps } from 'aws-cdk-lib/aws-cloudwatch';
import type { watchParameters } from '../../parameters/watch.ts';
import type { Declared } from '../template.ts';

export interface Watch {
  stack: Stack;
  parameters: Declared<typeof watchParameters>;
  hasService: CfnCondition;
}

export const MINUTE = 60;

export type Alarm = Pick<CfnAlarmProps, 'threshold' | 'alarmDescription'> &
  Omit<Partial<CfnAlarmProps>, 'alarmActions'>;

export const alarm = ({ stack }: Watch, id: string, properties: Alarm): CfnAlarm =>
  new CfnAlarm(stack, id, {
    comparisonOperator: 'GreaterThanThreshold',
    evaluationPeriods: 5,
    period: properties.metrics ? undefined : MINUTE,
    statistic: properties.metrics ? undefined : 'Maximum',
    treatMissingData: 'notBreaching',
    alarmActions: [Fn.ref('Topic')],
    okActions: [Fn.ref('Topic')],
    ...properties,
  });

export const runbook = (id: string, what: string): string =>
  `${what} Runbook: docs/runbook.md, ${id}.`;
