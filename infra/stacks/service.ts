/** service: the API and the workers on Fargate, with Aurora MySQL and Valkey. */
import { Fn, Tags, type App, type CfnCondition, type Stack } from 'aws-cdk-lib';
import { CfnRole } from 'aws-cdk-lib/aws-iam';
import { CfnLogGroup } from 'aws-cdk-lib/aws-logs';
import { CfnCluster } from 'aws-cdk-lib/aws-ecs';
import { executionPolicy, executionTrust } from '../access/execution.ts';
import { trust } from '../access/statement.ts';
import { serviceParameters } from '../parameters/service.ts';
import { addDatabase } from './service/database.ts';
import { addLoadBalancer } from './service/load-balancer.ts';
import { addProcesses } from './service/processes.ts';
import { addRedis } from './service/redis.ts';
import { addScaling } from './service/scaling.ts';
import { addSecrets } from './service/secrets.ts';
import { addSecurityGroups } from './service/security-groups.ts';
import type { ServiceParts, ServiceParameters } from './service/parts.ts';
import {
  condition,
  createStack,
  declare,
  imported,
  is,
  isSet,
  not,
  output,
  refuse,
} from './template.ts';

export function createService(app: App): Stack {
  const stack = createStack(app, 'service', 'Batchwell service: API, workers, database and cache.');
  const parameters = declare(stack, serviceParameters);
  addRules(stack, parameters);
  const service: ServiceParts = { stack, parameters, conditions: addConditions(stack, parameters) };
  new CfnLogGroup(stack, 'ServiceLogGroup', {
    logGroupName: Fn.sub('/batchwell/${AWS::StackName}/service'),
    retentionInDays: parameters.LogRetentionDays.valueAsNumber,
  });
  new CfnCluster(stack, 'Cluster', {});
  addSecurityGroups(service);
  addSecrets(service);
  addDatabase(service);
  addRedis(service);
  addRoles(stack);
  addLoadBalancer(service);
  addProcesses(service);
  addScaling(service);
  addOutputs(stack, service.conditions.hasCertificate);
  Tags.of(stack).add('Application', 'batchwell');
  return stack;
}

function addConditions(stack: Stack, p: ServiceParameters): ServiceParts['conditions'] {
  return {
    isPublic: condition(stack, 'IsPublic', is(p.Public, 'yes')),
    hasCertificate: condition(stack, 'HasCertificate', isSet(p.CertificateArn)),
    hasLoadBalancerSubnets: condition(
      stack,
      'HasLoadBalancerSubnets',
      isSet(p.LoadBalancerSubnetIds),
    ),
    createsDatabase: condition(stack, 'CreatesDatabase', is(p.Database, 'create')),
    createsReplica: condition(
      stack,
      'CreatesReplica',
      Fn.conditionAnd(is(p.Database, 'create'), is(p.Size, 'production')),
    ),
    createsRedis: condition(stack, 'CreatesRedis', is(p.Redis, 'create')),
    isProduction: condition(stack, 'IsProduction', is(p.Size, 'production')),
    hasKey: condition(stack, 'HasKey', isSet(p.KmsKeyArn)),
    hasSettings: condition(stack, 'HasSettings', isSet(p.SettingsFileArn)),
  };
}

function addRules(stack: Stack, p: ServiceParameters): void {
  refuse(
    stack,
    'PublicNeedsCertificate',
    is(p.Public, 'yes'),
    isSet(p.CertificateArn),
    'Public=yes needs CertificateArn: tokens must not be readable on their way.',
  );
  refuse(
    stack,
    'PublicNeedsSubnets',
    is(p.Public, 'yes'),
    // Rules take fewer functions than conditions do.
    Fn.conditionNot(Fn.conditionContains(p.LoadBalancerSubnetIds.valueAsList, '')),
    'Public=yes needs LoadBalancerSubnetIds with a route to the internet.',
  );
  refuse(
    stack,
    'NotAllOfTheInternet',
    not(is(p.CallerCidr, '')),
    not(is(p.CallerCidr, '0.0.0.0/0')),
    'CallerCidr cannot be 0.0.0.0/0: name the addresses that may call the API.',
  );
  for (const [given, url, secret] of [
    ['Database', 'DatabaseUrl', 'DatabaseSecretArn'],
    ['Redis', 'RedisUrl', 'RedisSecretArn'],
  ] as const)
    for (const needed of [url, secret]) {
      refuse(
        stack,
        `Given${needed}`,
        is(p[given], 'given'),
        isSet(p[needed]),
        `${given}=given needs ${needed}.`,
      );
      refuse(
        stack,
        `Only${needed}`,
        isSet(p[needed]),
        is(p[given], 'given'),
        `${needed} is only used with ${given}=given.`,
      );
    }
}

function addRoles(stack: Stack): void {
  new CfnRole(stack, 'ExecutionRole', {
    description: 'Starts the tasks of the service.',
    assumeRolePolicyDocument: executionTrust,
    policies: [{ policyName: 'execution', policyDocument: executionPolicy }],
  });
  for (const [id, policy] of [
    ['ApiRole', 'ApiPolicyArn'],
    ['WorkerRole', 'WorkerPolicyArn'],
  ] as const)
    new CfnRole(stack, id, {
      description: `Permissions are in the template core: ${policy}.`,
      assumeRolePolicyDocument: trust('ecs-tasks.amazonaws.com'),
      managedPolicyArns: [imported('CoreStack', policy)],
    });
}

function addOutputs(stack: Stack, hasCertificate: CfnCondition): void {
  output(
    stack,
    'ApiUrl',
    'BATCHWELL_URL. With a certificate, use the name in it.',
    Fn.conditionIf(
      hasCertificate.logicalId,
      Fn.sub('https://${LoadBalancer.DNSName}'),
      Fn.sub('http://${LoadBalancer.DNSName}'),
    ),
  );
  output(stack, 'TokenSecretArn', 'Secret with the first token', Fn.ref('TokenSecret'));
  output(stack, 'ClusterName', 'ECS cluster', Fn.ref('Cluster'));
  output(stack, 'ApiServiceName', 'ECS service of the API', Fn.getAtt('ApiService', 'Name'));
  output(
    stack,
    'WorkerServiceName',
    'ECS service of the workers',
    Fn.getAtt('WorkerService', 'Name'),
  );
  output(stack, 'HelloTaskName', 'Submits one task: aws:deploy runs it', Fn.ref('HelloTask'));
  output(
    stack,
    'ServiceGroupId',
    'Security group of API and workers',
    Fn.getAtt('ServiceGroup', 'GroupId'),
  );
  output(stack, 'ServiceLogs', 'Logs of API and workers', Fn.ref('ServiceLogGroup'));
  output(
    stack,
    'LoadBalancerName',
    'As CloudWatch names it',
    Fn.getAtt('LoadBalancer', 'LoadBalancerFullName'),
  );
  output(
    stack,
    'TargetGroupName',
    'As CloudWatch names it',
    Fn.getAtt('TargetGroup', 'TargetGroupFullName'),
  );
  output(
    stack,
    'MetricsNamespace',
    'Namespace of the scaling signal',
    Fn.sub('Batchwell/${AWS::StackName}'),
  );
  const database = Fn.conditionIf('CreatesDatabase', Fn.ref('DatabaseCluster'), 'none');
  const redis = Fn.conditionIf('CreatesRedis', Fn.ref('RedisGroup'), 'none');
  output(stack, 'DatabaseId', 'Aurora cluster', database);
  output(stack, 'RedisId', 'Valkey group', redis);
}
