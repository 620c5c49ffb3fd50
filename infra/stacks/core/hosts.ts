/** The launch template: disk, metadata, security group, and the user data that makes a host whole. */
import { CfnLaunchTemplate, CfnSecurityGroup } from 'aws-cdk-lib/aws-ec2';
import { Fn } from 'aws-cdk-lib';
import { releaseBucketName } from '../../access/statement.ts';
import { userDataTemplate } from '../../host/user-data.ts';
import { choose } from '../template.ts';
import type { Core } from './conditions.ts';

export function addHosts({ stack, parameters: p, conditions }: Core): void {
  const group = new CfnSecurityGroup(stack, 'HostSecurityGroup', {
    groupDescription: 'Hosts of Batchwell: no ingress',
    vpcId: p.VpcId.valueAsString,
    securityGroupEgress: [
      { ipProtocol: '-1', cidrIp: '0.0.0.0/0', description: 'S3, ECS, logs, registries' },
    ],
  });
  group.cfnOptions.condition = conditions.createsSecurityGroup;

  const tags = [
    { key: 'Name', value: Fn.sub('${AWS::StackName}-host') },
    { key: 'Application', value: 'batchwell' },
  ];
  new CfnLaunchTemplate(stack, 'LaunchTemplate', {
    // The pipeline may change what has this tag.
    tagSpecifications: [
      { resourceType: 'launch-template', tags: [{ key: 'Application', value: 'batchwell' }] },
    ],
    launchTemplateData: {
      blockDeviceMappings: [
        {
          deviceName: p.RootDeviceName.valueAsString,
          ebs: {
            volumeType: 'gp3',
            volumeSize: p.DiskGiB.valueAsNumber,
            iops: p.DiskIops.valueAsNumber,
            throughput: p.DiskThroughput.valueAsNumber,
            encrypted: true,
            kmsKeyId: choose(conditions.usesKms, p.KmsKeyArn.valueAsString),
            deleteOnTermination: true,
          },
        },
      ],
      // Tasks are kept away from the metadata by a firewall: they run in host network mode.
      metadataOptions: {
        httpEndpoint: 'enabled',
        httpTokens: 'required',
        httpPutResponseHopLimit: 1,
        httpProtocolIpv6: 'disabled',
        instanceMetadataTags: 'disabled',
      },
      instanceInitiatedShutdownBehavior: 'terminate',
      tagSpecifications: [
        { resourceType: 'instance', tags },
        { resourceType: 'volume', tags },
      ],
      userData: Fn.base64(
        Fn.sub(userDataTemplate(), { ReleaseBucketOfHosts: releaseBucketName as string }),
      ),
    },
  });
}
