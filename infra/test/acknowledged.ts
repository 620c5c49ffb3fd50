/** Findings of cdk-nag that stay: the start of the finding, and the reason. */

const ACCESS_LOGS =
  'Access logs would double the requests to be paid. Who needs them turns on data events of CloudTrail, for all buckets.';
const KEYS =
  'The keys below this prefix are drawn at run time; the bucket and the prefix are named.';
const NO_RESOURCE_TYPES = 'These actions have no resource types: IAM accepts only *.';
const NAMED_BY_BATCH = 'AWS Batch draws the names of its clusters, their instances and its jobs.';
const IMAGES = 'Tasks name their images; the account is named.';

const wildcard = (owner: string, resource: string, reason: string, stack = 'core') => ({
  finding: `${stack}/${owner} AwsSolutions-IAM5[Resource::${resource}`,
  reason,
});
const ofPipeline = (owner: string, resource: string, reason: string) =>
  wildcard(owner, resource, reason, 'pipeline');
const HERE = '<AWS::Region>:<AWS::AccountId>';

const EVERY_OBJECT = '["arn:${AWS::Partition}:s3:::${Bucket}/*"';
const batch = (name: string) => `arn:<AWS::Partition>:batch:<AWS::Region>:<AWS::AccountId>:${name}`;
const REPOSITORIES = 'arn:<AWS::Partition>:ecr:*:<AWS::AccountId>:repository/*]';

export const acknowledged: readonly { finding: string; reason: string }[] = [
  { finding: 'core/WorkBucket AwsSolutions-S1', reason: ACCESS_LOGS },
  { finding: 'core/ReleaseBucket AwsSolutions-S1', reason: ACCESS_LOGS },
  {
    finding: 'core/EventsQueue AwsSolutions-SQS3',
    reason: 'An old event carries no information: the fleet looks at Batch all the same.',
  },
  wildcard('TaskRole', '["arn:${AWS::Partition}:s3:::${Bucket}/scripts/*"', KEYS),
  wildcard('TaskRole', '["arn:${AWS::Partition}:s3:::${Bucket}/submissions/*"', KEYS),
  wildcard('HostRole', '["arn:${AWS::Partition}:s3:::${Bucket}/releases/*"', KEYS),
  wildcard('HostRole', '*]', NO_RESOURCE_TYPES),
  wildcard(
    'HostRole',
    'arn:<AWS::Partition>:ecs:<AWS::Region>:<AWS::AccountId>:cluster/*',
    NAMED_BY_BATCH,
  ),
  wildcard(
    'HostRole',
    'arn:<AWS::Partition>:ecs:<AWS::Region>:<AWS::AccountId>:container-instance/*',
    NAMED_BY_BATCH,
  ),
  wildcard(
    'HostRole',
    'arn:<AWS::Partition>:ec2:<AWS::Region>:<AWS::AccountId>:instance/*',
    NAMED_BY_BATCH,
  ),
  wildcard('HostRole', REPOSITORIES, IMAGES),
  wildcard('DiskPolicy', '*]', NO_RESOURCE_TYPES),
  ...['volume/*', 'instance/*'].map((name) =>
    wildcard(
      'DiskPolicy',
      `arn:<AWS::Partition>:ec2:<AWS::Region>:<AWS::AccountId>:${name}`,
      'EC2 draws the names; a tag of the stack is required.',
    ),
  ),
  wildcard('HostRole', '{"Fn::If":["HasMoreLogGroups"', 'The streams of groups that are named.'),
  wildcard('WorkerPolicy', '*]', NO_RESOURCE_TYPES),
  wildcard('WorkerPolicy', REPOSITORIES, IMAGES),
  wildcard(
    'WorkerPolicy',
    batch('job-definition/batchwell-*'),
    'Names are made from the content; ours begin so.',
  ),
  wildcard('WorkerPolicy', batch('job-queue/<AWS::StackName>*'), 'The two queues of this stack.'),
  wildcard('WorkerPolicy', batch('job/*'), NAMED_BY_BATCH),
  wildcard('WorkerPolicy', EVERY_OBJECT, 'The whole work bucket is the fleet’s.'),
  wildcard('ApiPolicy', '*]', NO_RESOURCE_TYPES),
  wildcard('ApiPolicy', REPOSITORIES, IMAGES),
  wildcard('ApiPolicy', EVERY_OBJECT, 'Logs are below keys that are drawn at run time.'),
  {
    finding: 'network/Vpc AwsSolutions-VPC7',
    reason:
      'Flow logs are charged per GB, and tasks move terabytes. Turn them on where policy asks.',
  },
  {
    finding: 'network/EndpointSecurityGroup AwsSolutions-EC23',
    reason: 'The rule cannot read a parameter: the source is the block of the VPC.',
  },
  {
    finding: 'service/LoadBalancerGroup AwsSolutions-EC23',
    reason: 'The rule cannot read a parameter: CallerCidr, which refuses 0.0.0.0/0.',
  },
  { finding: 'service/ExecutionRole AwsSolutions-IAM5[Resource::*]', reason: NO_RESOURCE_TYPES },
  {
    finding: 'service/Cluster AwsSolutions-ECS4',
    reason: 'Container Insights are charged per metric; the fleet tells what scaling needs.',
  },
  ...['TokenSecret', 'WebhookSecret', 'RedisSecret', 'TokensSecret'].map((id) => ({
    finding: `service/${id} AwsSolutions-SMG4`,
    reason: 'A rotation restarts processes and signs out callers: docs/aws.md says how to do it.',
  })),
  {
    finding: 'service/DatabaseCluster AwsSolutions-RDS6',
    reason: 'Passwords are in Secrets Manager and rotated by RDS; connections are pooled.',
  },
  {
    finding: 'service/DatabaseCluster AwsSolutions-RDS11',
    reason: 'The port is no secret: the security group admits the service only.',
  },
  {
    finding: 'service/DatabaseCluster AwsSolutions-RDS14',
    reason: 'Backtrack is not offered with Serverless v2 in every Region; backups are kept a week.',
  },
  { finding: 'service/LoadBalancer AwsSolutions-ELB2', reason: ACCESS_LOGS },
  {
    finding: 'watch/VolumesRole AwsSolutions-IAM5[Resource::*]',
    reason: NO_RESOURCE_TYPES,
  },
  ...['SF1', 'SF2'].map((rule) => ({
    finding: `watch/Volumes AwsSolutions-${rule}`,
    reason: 'Two requests an hour: a failure shows as missing counts, and in its history.',
  })),
  ...['ApiTask', 'HelloTask', 'WorkerTask'].map((id) => ({
    finding: `service/${id} AwsSolutions-ECS2`,
    reason: 'The variables are names and URLs; every credential comes from Secrets Manager.',
  })),
  { finding: 'pipeline/ArtifactBucket AwsSolutions-S1', reason: ACCESS_LOGS },
  { finding: 'pipeline/SourceBucket AwsSolutions-S1', reason: ACCESS_LOGS },
  ...['Build', 'Image', 'Publish', 'Deploy'].flatMap((name) => [
    ofPipeline(
      `${name}Role`,
      `arn:<AWS::Partition>:logs:${HERE}:log-group:/batchwell/<AWS::StackName>/${name.toLowerCase()}:*`,
      'The streams of one log group.',
    ),
    ofPipeline(`${name}Role`, '<ArtifactBucket.Arn>/*', 'CodePipeline draws the keys.'),
  ]),
  ofPipeline('PipelineRole', '<ArtifactBucket.Arn>/*', 'CodePipeline draws the keys.'),
  ofPipeline(
    'PipelineRole',
    `arn:<AWS::Partition>:codebuild:${HERE}:project/<AWS::StackName>-*`,
    'The projects of this stack.',
  ),
  ...['ImageRole', 'PublishRole', 'DeployRole'].map((role) =>
    ofPipeline(role, '*]', NO_RESOURCE_TYPES),
  ),
  ofPipeline('PublishRole', '["arn:${AWS::Partition}:s3:::${Bucket}/releases/*"', KEYS),
  ...['PublishRole', 'DeployRole'].map((role) =>
    ofPipeline(
      role,
      `arn:<AWS::Partition>:cloudformation:${HERE}:stack/<CoreStack>/*`,
      'CloudFormation draws the end of the ARN; the stack is named.',
    ),
  ),
  ...[`ec2:${HERE}:launch-template`, `batch:${HERE}:compute-environment`].map((kind) =>
    ofPipeline(
      'DeployRole',
      `arn:<AWS::Partition>:${kind}/*`,
      'AWS draws the names; a condition asks for the tag of Batchwell.',
    ),
  ),
  ofPipeline(
    'DeployRole',
    'arn:<AWS::Partition>:iam::<AWS::AccountId>:role/<CoreStack>-HostRole-*',
    'CloudFormation draws the end of the name; the stack and the role are named.',
  ),
  ...['CheckX86', 'CheckArm', 'HostX86', 'HostArm', 'BuildImageProject'].map((id) => ({
    finding: `pipeline/${id} AwsSolutions-CB5`,
    reason:
      'The rule cannot read a parameter or a condition. The builders run a public image of Node by default, the image builder one of CodeBuild.',
  })),
  wildcard('ServerRole', 'arn:<AWS::Partition>:s3:::<Bucket>/<Prefix>/*', KEYS, 'cromwell'),
  wildcard('ServerRole', '*]', NO_RESOURCE_TYPES, 'cromwell'),
  wildcard('ServerRole', REPOSITORIES, 'ImageUri names the repository.', 'cromwell'),
  wildcard(
    'ServerRole',
    `arn:<AWS::Partition>:ec2:${HERE}:instance/*`,
    'The group draws the names; a condition asks for the tag.',
    'cromwell',
  ),
  {
    finding: 'cromwell/ServerGroup AwsSolutions-EC23',
    reason: 'The rule cannot read a parameter: CallerCidr, without which there is no rule.',
  },
  {
    finding: 'cromwell/Server AwsSolutions-AS3',
    reason: 'Notifications of a group of one: its console log says what it does, and it restarts.',
  },
];
