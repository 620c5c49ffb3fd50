/** What the files of the template service share. */
import type { CfnCondition, Stack } from 'aws-cdk-lib';
import type { serviceParameters } from '../../parameters/service.ts';
import type { Declared } from '../template.ts';

export type ServiceParameters = Declared<typeof serviceParameters>;

export interface ServiceParts {
  stack: Stack;
  parameters: ServiceParameters;
  conditions: Record<
    | 'isPublic'
    | 'hasCertificate'
    | 'hasLoadBalancerSubnets'
    | 'createsDatabase'
    | 'createsReplica'
    | 'createsRedis'
    | 'isProduction'
    | 'hasKey'
    | 'hasSettings',
    CfnCondition
  >;
}

export const API_PORT = 8000;
export const METRICS_PORT = 9464;
export const MYSQL_PORT = 3306;
export const REDIS_PORT = 6379;
