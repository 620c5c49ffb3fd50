/**
 * The role of the hosts: the ECS agent, logs, images, the host release, and SSM for people. Tasks
 * cannot reach it (infra/host/bin/firewall).
 */
import {
  allow,
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
} from './statement.ts';

export const hostTrust = trust('ec2.amazonaws.com', false);

/** AWS Batch creates one cluster for each compute environment, and names it itself. */
const CLUSTERS = here('ecs', 'cluster/*');
const CONTAINER_INSTANCES = here('ecs', 'container-instance/*');

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
