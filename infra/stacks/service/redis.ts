/** Valkey: two nodes without cluster mode, TLS and a password. A full one refuses and never evicts. */
import { Fn } from 'aws-cdk-lib';
import {
  CfnParameterGroup,
  CfnReplicationGroup,
  CfnSubnetGroup,
} from 'aws-cdk-lib/aws-elasticache';
import { choose, only } from '../template.ts';
import { REDIS_PORT, type ServiceParts } from './parts.ts';

export function addRedis({ stack, parameters: p, conditions }: ServiceParts): void {
  const { createsRedis } = conditions;
  only(
    createsRedis,
    new CfnSubnetGroup(stack, 'RedisSubnets', {
      description: 'Batchwell',
      subnetIds: p.SubnetIds.valueAsList,
    }),
  );
  only(
    createsRedis,
    new CfnParameterGroup(stack, 'RedisParameters', {
      description: 'Batchwell: noeviction',
      cacheParameterGroupFamily: 'valkey8',
      properties: { 'maxmemory-policy': 'noeviction' },
    }),
  );
  only(
    createsRedis,
    new CfnReplicationGroup(stack, 'RedisGroup', {
      replicationGroupDescription: 'Messages of Batchwell. MySQL has the truth.',
      engine: 'valkey',
      engineVersion: '8.0',
      cacheNodeType: p.RedisNodeType.valueAsString,
      numCacheClusters: 2,
      automaticFailoverEnabled: true,
      multiAzEnabled: true,
      transitEncryptionEnabled: true,
      transitEncryptionMode: 'required',
      atRestEncryptionEnabled: true,
      kmsKeyId: choose(conditions.hasKey, p.KmsKeyArn.valueAsString),
      authToken: Fn.sub('{{resolve:secretsmanager:${RedisSecret}}}'),
      port: REDIS_PORT,
      cacheParameterGroupName: Fn.ref('RedisParameters'),
      cacheSubnetGroupName: Fn.ref('RedisSubnets'),
      securityGroupIds: [Fn.getAtt('RedisGroupOfService', 'GroupId').toString()],
    }),
  );
}
