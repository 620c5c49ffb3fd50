/**
 * What a parameter of a template is: type, default, unit and reason. The descriptions in CloudFormation's
 * console are made from it. The parameters of each template are in parameters/; what several have is here.
 */

export interface Parameter {
  /** CloudFormation's type; String by default. */
  type?: string;
  /** Absent: the parameter must be given. */
  fallback?: string | number;
  unit?: string;
  /** What it does, and why the default is what it is. */
  reason: string;
  allowed?: readonly string[];
  pattern?: string;
  range?: readonly [number, number];
  /** CloudFormation does not show the value. */
  secret?: true;
}

export type Parameters = Readonly<Record<string, Parameter>>;

const SUBNETS = 'List<AWS::EC2::Subnet::Id>';
export const LIST = 'CommaDelimitedList';
export const ARN_OR_NONE = '^$|^arn:aws[a-z-]*:.+$';
export const SWITCH = ['on', 'off'] as const;

export const vpcAndSubnets = {
  VpcId: { type: 'AWS::EC2::VPC::Id', reason: 'The VPC. The template network creates one.' },
  SubnetIds: {
    type: SUBNETS,
    reason:
      'Private subnets with a route to S3, ECS, ECR and CloudWatch Logs, through NAT or endpoints. ' +
      'Use two zones or more: Spot capacity differs between zones.',
  },
} satisfies Parameters;

export const logRetention = {
  LogRetentionDays: {
    type: 'Number',
    fallback: 30,
    unit: 'days',
    reason: 'How long CloudWatch keeps the logs. The logs of tasks are in S3 as well.',
  },
} satisfies Parameters;
