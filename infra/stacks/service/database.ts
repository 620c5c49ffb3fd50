/**
 * Aurora MySQL 3, Serverless v2. The cluster stays when the stack is deleted, and with it what it is
 * made of, else the deletion would fail there.
 */
import { Fn } from 'aws-cdk-lib';
import {
  CfnDBCluster,
  CfnDBClusterParameterGroup,
  CfnDBInstance,
  CfnDBSubnetGroup,
} from 'aws-cdk-lib/aws-rds';
import { choose, keep, only } from '../template.ts';
import type { ServiceParts } from './parts.ts';

const BACKUP_DAYS = 7;

export function addDatabase({ stack, parameters: p, conditions }: ServiceParts): void {
  const { createsDatabase } = conditions;
  const subnets = new CfnDBSubnetGroup(stack, 'DatabaseSubnets', {
    dbSubnetGroupDescription: 'Batchwell',
    subnetIds: p.SubnetIds.valueAsList,
  });
  const settings = new CfnDBClusterParameterGroup(stack, 'DatabaseParameters', {
    description: 'Batchwell: TLS only',
    family: 'aurora-mysql8.0',
    parameters: { require_secure_transport: 'ON', time_zone: 'UTC' },
  });
  for (const part of [subnets, settings]) keep(only(createsDatabase, part));
  const cluster = only(
    createsDatabase,
    new CfnDBCluster(stack, 'DatabaseCluster', {
      engine: 'aurora-mysql',
      engineVersion: p.DatabaseVersion.valueAsString,
      databaseName: 'batchwell',
      masterUsername: 'batchwell',
      manageMasterUserPassword: true,
      masterUserSecret: choose(conditions.hasKey, { kmsKeyId: p.KmsKeyArn.valueAsString }),
      storageEncrypted: true,
      kmsKeyId: choose(conditions.hasKey, p.KmsKeyArn.valueAsString),
      dbSubnetGroupName: Fn.ref('DatabaseSubnets'),
      dbClusterParameterGroupName: Fn.ref('DatabaseParameters'),
      vpcSecurityGroupIds: [Fn.getAtt('DatabaseGroup', 'GroupId').toString()],
      serverlessV2ScalingConfiguration: {
        minCapacity: p.DatabaseMinAcu.valueAsNumber,
        maxCapacity: p.DatabaseMaxAcu.valueAsNumber,
      },
      backupRetentionPeriod: BACKUP_DAYS,
      copyTagsToSnapshot: true,
      deletionProtection: true,
      enableCloudwatchLogsExports: ['error'],
    }),
  );
  keep(cluster);
  for (const [id, when] of [
    ['DatabaseInstance1', createsDatabase],
    ['DatabaseInstance2', conditions.createsReplica],
  ] as const)
    keep(
      only(
        when,
        new CfnDBInstance(stack, id, {
          engine: 'aurora-mysql',
          dbClusterIdentifier: Fn.ref('DatabaseCluster'),
          dbInstanceClass: 'db.serverless',
          autoMinorVersionUpgrade: true,
          publiclyAccessible: false,
        }),
      ),
    );
}
