/** The role with which ECS starts the service's tasks: it pulls the image and reads the secrets. */
import { allow, getAtt, onlyIf, policy, sub, trust, when, type Value } from './statement.ts';

export const executionTrust = trust('ecs-tasks.amazonaws.com');

const imported = (output: string): Value => ({
  'Fn::ImportValue': { 'Fn::Sub': `\${CoreStack}-${output}` },
});

export const executionPolicy = policy([
  allow('LogInToRegistry', ['ecr:GetAuthorizationToken'], '*'),
  allow(
    'PullImage',
    ['ecr:BatchCheckLayerAvailability', 'ecr:BatchGetImage', 'ecr:GetDownloadUrlForLayer'],
    {
      'Fn::Sub': [
        'arn:${AWS::Partition}:ecr:${AWS::Region}:${AWS::AccountId}:repository/${Name}',
        { Name: imported('Repository') },
      ],
    },
  ),
  allow('WriteLogs', ['logs:CreateLogStream', 'logs:PutLogEvents'], getAtt('ServiceLogGroup')),
  allow(
    'ReadSecrets',
    ['secretsmanager:GetSecretValue'],
    [
      when(
        'CreatesDatabase',
        getAtt('DatabaseCluster', 'MasterUserSecret.SecretArn'),
        sub('${DatabaseSecretArn}'),
      ),
      when('CreatesRedis', { Ref: 'RedisSecret' }, sub('${RedisSecretArn}')),
      { Ref: 'TokenSecret' },
      { Ref: 'TokensSecret' },
      { Ref: 'WebhookSecret' },
    ],
  ),
  onlyIf('HasSettings', allow('ReadSettings', ['s3:GetObject'], sub('${SettingsFileArn}'))),
  onlyIf(
    'HasSettings',
    allow('FindSettings', ['s3:GetBucketLocation'], {
      'Fn::Select': [0, { 'Fn::Split': ['/', sub('${SettingsFileArn}')] }],
    }),
  ),
  onlyIf('HasKey', allow('UseKey', ['kms:Decrypt'], sub('${KmsKeyArn}'))),
]);
