/** The role of the pipeline itself: it reads its source, starts its builds, and hands artifacts over. */
import { allow, here, onlyIf, policy, ref, sub, trust } from './statement.ts';

export const pipelineTrust = trust('codepipeline.amazonaws.com');

export const pipelineNames = {
  s3: 'HasS3Source',
  ownSource: 'CreatesSourceBucket',
  connection: 'HasConnection',
  codeCommit: 'HasCodeCommit',
  kms: 'HasKey',
  approval: 'HasApproval',
  image: 'BuildsImage',
} as const;

/** Where the zip of the sources is. */
export const sourceBucketName = {
  'Fn::If': [pipelineNames.ownSource, ref('SourceBucket'), ref('SourceBucketName')],
};

const sourceBucket = (key = '') => ({
  'Fn::Sub': [`arn:\${AWS::Partition}:s3:::\${Bucket}${key}`, { Bucket: sourceBucketName }],
});

export const useKey = onlyIf(
  pipelineNames.kms,
  allow('UseKey', ['kms:Decrypt', 'kms:GenerateDataKey'], ref('KmsKeyArn')),
);

export const pipelinePolicy = policy([
  allow('HandOverArtifacts', ['s3:GetObject', 's3:PutObject'], sub('${ArtifactBucket.Arn}/*')),
  allow(
    'RunBuilds',
    ['codebuild:StartBuild', 'codebuild:BatchGetBuilds'],
    here('codebuild', 'project/${AWS::StackName}-*'),
  ),
  onlyIf(
    pipelineNames.s3,
    allow('ReadSource', ['s3:GetObject', 's3:GetObjectVersion'], sourceBucket('/${SourceKey}')),
  ),
  onlyIf(
    pipelineNames.s3,
    allow('LookAtSource', ['s3:GetBucketVersioning', 's3:ListBucket'], sourceBucket()),
  ),
  onlyIf(
    pipelineNames.connection,
    // The prefix must match that of the ARN, and older connections have the older one.
    allow(
      'UseConnection',
      ['codeconnections:UseConnection', 'codestar-connections:UseConnection'],
      ref('ConnectionArn'),
    ),
  ),
  onlyIf(
    pipelineNames.codeCommit,
    allow(
      'ReadRepository',
      [
        'codecommit:GetBranch',
        'codecommit:GetCommit',
        'codecommit:GetUploadArchiveStatus',
        'codecommit:UploadArchive',
        'codecommit:CancelUploadArchive',
      ],
      here('codecommit', '${RepositoryName}'),
    ),
  ),
  onlyIf(pipelineNames.approval, allow('AskPeople', ['sns:Publish'], ref('ApprovalTopic'))),
  useKey,
]);

/** EventBridge starts the pipeline when the source changes. */
export const startTrust = trust('events.amazonaws.com');

export const startPolicy = policy([
  allow(
    'StartPipeline',
    ['codepipeline:StartPipelineExecution'],
    here('codepipeline', '${Pipeline}'),
  ),
]);
