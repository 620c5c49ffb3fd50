/** The role of a Cromwell server: its root in S3, its volume, the image of the proxy, one token, and SSM. */
import { allow, here, onlyIf, policy, ref, sub, trust, when } from './statement.ts';

export const cromwellTrust = trust('ec2.amazonaws.com', false);

export const cromwellNames = { kms: 'HasKey', token: 'HasToken' } as const;

export const tokenSecret = when(cromwellNames.token, ref('TokenSecretArn'), {
  'Fn::ImportValue': { 'Fn::Sub': '${ServiceStack}-TokenSecretArn' },
});

export const cromwellPolicy = policy([
  allow(
    'Files',
    ['s3:GetObject', 's3:PutObject', 's3:AbortMultipartUpload'],
    sub('arn:${AWS::Partition}:s3:::${Bucket}/${Prefix}/*'),
  ),
  allow('ListFiles', ['s3:ListBucket'], sub('arn:${AWS::Partition}:s3:::${Bucket}'), {
    StringLike: { 's3:prefix': [sub('${Prefix}/*')] },
  }),
  onlyIf(
    cromwellNames.kms,
    allow('UseKey', ['kms:Decrypt', 'kms:GenerateDataKey'], ref('KmsKeyArn')),
  ),
  // It has no resource types.
  allow('FindVolume', ['ec2:DescribeVolumes'], '*'),
  allow('AttachVolume', ['ec2:AttachVolume'], here('ec2', 'volume/${DataVolume}')),
  allow('AttachToServer', ['ec2:AttachVolume'], here('ec2', 'instance/*'), {
    StringEquals: { 'aws:ResourceTag/Application': 'batchwell-cromwell' },
  }),
  allow('ReadToken', ['secretsmanager:GetSecretValue'], tokenSecret),
  allow('LogInToRegistry', ['ecr:GetAuthorizationToken'], '*'),
  allow(
    'PullImage',
    ['ecr:BatchCheckLayerAvailability', 'ecr:BatchGetImage', 'ecr:GetDownloadUrlForLayer'],
    sub('arn:${AWS::Partition}:ecr:*:${AWS::AccountId}:repository/*'),
  ),
  allow('ReportToSsm', ['ssm:UpdateInstanceInformation'], here('ec2', 'instance/*')),
  allow(
    'OpenSsmSessions',
    [
      'ssmmessages:CreateControlChannel',
      'ssmmessages:CreateDataChannel',
      'ssmmessages:OpenControlChannel',
      'ssmmessages:OpenDataChannel',
    ],
    '*',
  ),
]);
