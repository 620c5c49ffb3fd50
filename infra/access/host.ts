/**
 * The role of the hosts: the ECS agent, logs, images, the host release, and SSM for people. Tasks
 * cannot reach it (infra/host/bin/firewall).
 */
import {
  allow,
  DISK_TAG,
  getAtt,
  here,
  onlyIf,
  names,
  policy,
  ref,
  releaseBucket,
  sub,
  trust,
  when,
  type Statement,
} from './statement.ts';

export const hostTrust = trust('ec2.amazonaws.com', false);

/** AWS Batch creates one cluster for each compute environment, and names it itself. */
const CLUSTERS = here('ecs', 'cluster/*');
const CONTAINER_INSTANCES = here('ecs', 'container-instance/*');

const tagged = (kind: 'Request' | 'Resource'): Statement['Condition'] => ({
  StringEquals: { [`aws:${kind}Tag/${DISK_TAG}`]: ref('AWS::StackName') },
});
const VOLUMES = here('ec2', 'volume/*');

/** Of packages/disk, in the mode elastic: five actions, on what has the tag of this stack. */
export const diskPolicy = policy([
  // This one has no resource types.
  allow('SeeVolumes', ['ec2:DescribeVolumes'], '*'),
  allow('CreateVolumes', ['ec2:CreateVolume'], VOLUMES, tagged('Request')),
  allow('TagNewVolumes', ['ec2:CreateTags'], VOLUMES, {
    StringEquals: {
      'ec2:CreateAction': 'CreateVolume',
      [`aws:RequestTag/${DISK_TAG}`]: ref('AWS::StackName'),
    },
  }),
  allow('DeleteVolumes', ['ec2:DeleteVolume'], VOLUMES, tagged('Resource')),
  allow(
    'UseVolumes',
    ['ec2:AttachVolume', 'ec2:DetachVolume', 'ec2:ModifyInstanceAttribute'],
    [VOLUMES, here('ec2', 'instance/*')],
    tagged('Resource'),
  ),
  onlyIf(
    names.kms,
    allow(
      'EncryptVolumes',
      ['kms:CreateGrant', 'kms:DescribeKey', 'kms:GenerateDataKeyWithoutPlaintext'],
      ref('KmsKeyArn'),
      { StringEquals: { 'kms:ViaService': sub('ec2.${AWS::Region}.${AWS::URLSuffix}') } },
    ),
  ),
]);

export const hostPolicy = policy([
  // This one has no resource types.
  allow('FindEcs', ['ecs:DiscoverPollEndpoint'], '*'),
  allow(
    'JoinCluster',
    [
      'ecs:RegisterContainerInstance',
      'ecs:DeregisterContainerInstance',
      'ecs:SubmitContainerStateChange',
      'ecs:SubmitTaskStateChange',
      'ecs:SubmitAttachmentStateChanges',
    ],
    CLUSTERS,
  ),
  allow(
    'RunTasks',
    ['ecs:Poll', 'ecs:StartTelemetrySession', 'ecs:UpdateContainerInstancesState'],
    CONTAINER_INSTANCES,
  ),
  allow('LogInToRegistry', ['ecr:GetAuthorizationToken'], '*'),
  allow(
    'PullImages',
    ['ecr:BatchCheckLayerAvailability', 'ecr:BatchGetImage', 'ecr:GetDownloadUrlForLayer'],
    sub('arn:${AWS::Partition}:ecr:*:${AWS::AccountId}:repository/*'),
  ),
  allow(
    'WriteLogs',
    ['logs:CreateLogStream', 'logs:PutLogEvents'],
    [
      getAtt('TaskLogGroup'),
      getAtt('HostLogGroup'),
      when(names.moreLogGroups, here('logs', 'log-group:${MoreLogGroups}:*'), ref('AWS::NoValue')),
    ],
  ),
  allow('FetchRelease', ['s3:GetObject'], releaseBucket('/releases/*')),
  onlyIf(names.kms, allow('ReadRelease', ['kms:Decrypt'], ref('KmsKeyArn'))),
  // SSM Session Manager instead of SSH. These have no resource types, except the first.
  allow(
    'ReportToSsm',
    ['ssm:UpdateInstanceInformation'],
    [sub('arn:${AWS::Partition}:ec2:${AWS::Region}:${AWS::AccountId}:instance/*')],
  ),
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
