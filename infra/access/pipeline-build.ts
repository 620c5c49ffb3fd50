/**
 * The roles of the four kinds of builds. What runs the sources (tests, host release, image) can neither
 * publish nor deploy.
 */
import { useKey } from './pipeline.ts';
import { allow, here, policy, sub, trust, type Optional, type Value } from './statement.ts';

export const buildTrust = trust('codebuild.amazonaws.com');

export const imported = (output: string): Value => ({
  'Fn::ImportValue': { 'Fn::Sub': `\${CoreStack}-${output}` },
});

/** Each project writes its own log group. */
const base = (project: string): readonly Optional[] => [
  allow(
    'WriteLogs',
    ['logs:CreateLogStream', 'logs:PutLogEvents'],
    here('logs', `log-group:/batchwell/\${AWS::StackName}/${project}:*`),
  ),
  allow('Artifacts', ['s3:GetObject', 's3:PutObject'], sub('${ArtifactBucket.Arn}/*')),
  useKey,
];

export const buildPolicy = policy(base('build'));

export const imagePolicy = policy([
  ...base('image'),
  allow('LogInToRegistry', ['ecr:GetAuthorizationToken'], '*'),
  allow(
    'PushImage',
    [
      'ecr:BatchCheckLayerAvailability',
      'ecr:BatchGetImage',
      'ecr:CompleteLayerUpload',
      'ecr:DescribeImages',
      'ecr:GetDownloadUrlForLayer',
      'ecr:InitiateLayerUpload',
      'ecr:PutImage',
      'ecr:UploadLayerPart',
    ],
    {
      'Fn::Sub': [
        'arn:${AWS::Partition}:ecr:${AWS::Region}:${AWS::AccountId}:repository/${Name}',
        { Name: imported('Repository') },
      ],
    },
  ),
]);

const core = here('cloudformation', 'stack/${CoreStack}/*');
const releases = (key: string): Value => ({
  'Fn::Sub': [`arn:\${AWS::Partition}:s3:::\${Bucket}${key}`, { Bucket: imported('Releases') }],
});

/** The template core tags them. */
const ours = { StringEquals: { 'aws:ResourceTag/Application': 'batchwell' } };

/** CloudFormation checks parameters that name a VPC and its subnets with the rights of the caller. */
const lookAtNetwork = allow('CheckParameters', ['ec2:DescribeSubnets', 'ec2:DescribeVpcs'], '*');

export const publishPolicy = policy([
  ...base('publish'),
  allow('PutRelease', ['s3:PutObject', 's3:GetObject'], releases('/releases/*')),
  allow('LookForRelease', ['s3:ListBucket'], releases('')),
  allow(
    'MakeChangeSet',
    [
      'cloudformation:CreateChangeSet',
      'cloudformation:DescribeChangeSet',
      'cloudformation:DescribeStacks',
    ],
    core,
  ),
  lookAtNetwork,
]);

/**
 * CloudFormation acts with the rights of who executes the change set, so these are all that a new host
 * release needs: a version of the launch template and an update of the environments. Any other change
 * of the template fails and rolls back; people make it with aws:deploy. A role of its own for
 * CloudFormation would stay with the stack, and bind people to it too.
 */
export const deployPolicy = policy([
  ...base('deploy'),
  allow(
    'ExecuteChangeSet',
    [
      'cloudformation:DescribeStackEvents',
      'cloudformation:DescribeStacks',
      'cloudformation:ExecuteChangeSet',
    ],
    core,
  ),
  lookAtNetwork,
  // These have no resource types.
  allow(
    'LookAtTemplates',
    ['ec2:DescribeLaunchTemplates', 'ec2:DescribeLaunchTemplateVersions'],
    '*',
  ),
  allow(
    'ChangeLaunchTemplate',
    ['ec2:CreateLaunchTemplateVersion', 'ec2:ModifyLaunchTemplate'],
    here('ec2', 'launch-template/*'),
    ours,
  ),
  allow('LookAtEnvironments', ['batch:DescribeComputeEnvironments'], '*'),
  allow(
    'RollHosts',
    ['batch:UpdateComputeEnvironment'],
    here('batch', 'compute-environment/*'),
    ours,
  ),
  allow(
    'PassHostRole',
    ['iam:PassRole'],
    sub('arn:${AWS::Partition}:iam::${AWS::AccountId}:role/${CoreStack}-HostRole-*'),
    {
      StringEquals: { 'iam:PassedToService': 'ec2.amazonaws.com' },
    },
  ),
]);
