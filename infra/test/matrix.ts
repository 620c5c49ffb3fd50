/** Parameters in the combinations that customers use. */
import type { ParameterValues } from './evaluate.ts';

const KEY = 'arn:aws:kms:eu-west-1:111122223333:key/1';

export const matrix: Record<string, Record<string, ParameterValues>> = {
  core: {
    'nothing but the network': {},
    'a KMS key': { Encryption: 'KMS', KmsKeyArn: KEY },
    'buckets, group and role of the customer': {
      WorkBucketName: 'lab-work',
      ReleaseBucketName: 'lab-releases',
      SecurityGroupId: 'sg-1',
      TaskRoleMode: 'given',
      TaskRoleArn: 'arn:aws:iam::111122223333:role/lab',
    },
    'one zone': { SubnetIds: 'subnet-a' },
    'arm64 with Container Insights': { Architecture: 'arm64', ContainerInsights: 'enhanced' },
    'an AMI and types of the customer, no Spot': {
      ImageId: 'ami-1',
      InstanceTypes: 'r7i.large,g5',
      EntrypointWrapper: 'off',
      SpotMaxVcpus: '0',
    },
    'data buckets and more roles': {
      InputBucketArns: 'arn:aws:s3:::reads,arn:aws:s3:::references',
      OutputBucketArns: 'arn:aws:s3:::results',
      MoreTaskRoleArns: 'arn:aws:iam::111122223333:role/a,arn:aws:iam::111122223333:role/b',
      Encryption: 'KMS',
      KmsKeyArn: KEY,
    },
    'the disk mode fixed': { DiskMode: 'fixed', DiskGiB: '2000' },
  },
};
