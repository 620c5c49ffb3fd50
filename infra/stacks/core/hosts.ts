/** The launch template: disk, metadata, security group, and the user data that makes a host whole. */
import { CfnLaunchTemplate, CfnSecurityGroup } from 'aws-cdk-lib/aws-ec2';
import { Fn, Token } from 'aws-cdk-lib';
import { releaseBucketName } from '../../access/statement.ts';
import { userDataTemplate } from '../../host/user-data.ts';
import { DISK_TAG } from '../../access/statement.ts';
import { choose } from '../template.ts';
import type { Core } from './conditions.ts';

/** Of the system, the agent, and the logs. */
const ROOT_GIB = 30;
/** In the mode elastic. */
const FIRST_GIB = 100;

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
      blockDeviceMappings: volumesOf(p, conditions),
      // Tasks are kept away from the metadata by a firewall: they run in host network mode.
      metadataOptions: {
        httpEndpoint: 'enabled',
        httpTokens: 'required',
        httpPutResponseHopLimit: 1,
        httpProtocolIpv6: 'disabled',
        // For the tags of volumes that the host adds.
        instanceMetadataTags: choose(conditions.isElastic, 'enabled', 'disabled'),
      },
      instanceInitiatedShutdownBehavior: 'terminate',
      tagSpecifications: [
        // What the permissions on volumes and instances are bound to.
        {
          resourceType: 'instance',
          tags: [...tags, { key: DISK_TAG, value: Fn.ref('AWS::StackName') }],
        },
        { resourceType: 'volume', tags },
      ],
      userData: Fn.base64(
        Fn.sub(userDataTemplate(), {
          ReleaseBucketOfHosts: releaseBucketName as string,
          FirstGiB: Token.asString(choose(conditions.hasDataVolume, firstGiB(p, conditions), 0)),
        }),
      ),
    },
  });
}

const firstGiB = (p: Core['parameters'], { isFixed }: Core['conditions']): number =>
  choose(isFixed, p.DiskGiB.valueAsNumber, FIRST_GIB);

/** The root volume, and one for tasks where the types may have no NVMe disks. */
function volumesOf(p: Core['parameters'], conditions: Core['conditions']) {
  const volume = {
    volumeType: 'gp3',
    encrypted: true,
    kmsKeyId: choose(conditions.usesKms, p.KmsKeyArn.valueAsString),
    deleteOnTermination: true,
  };
  const ofTasks = {
    deviceName: '/dev/xvdcz',
    ebs: {
      ...volume,
      volumeSize: firstGiB(p, conditions),
      iops: p.DiskIops.valueAsNumber,
      throughput: p.DiskThroughput.valueAsNumber,
    },
  };
  return [
    { deviceName: p.RootDeviceName.valueAsString, ebs: { ...volume, volumeSize: ROOT_GIB } },
    choose<CfnLaunchTemplate.BlockDeviceMappingProperty>(conditions.hasDataVolume, ofTasks),
  ];
}
