/**
 * pipeline: from the sources to hosts. Checks and builds on both architectures, publishes the host
 * release under its SHA-256, and deploys it by a change set on core, after approval.
 */
import { Fn, Tags, type App, type Stack } from 'aws-cdk-lib';
import { CfnPipeline } from 'aws-cdk-lib/aws-codepipeline';
import { CfnRule } from 'aws-cdk-lib/aws-events';
import { CfnRole } from 'aws-cdk-lib/aws-iam';
import { CfnSubscription, CfnTopic, CfnTopicPolicy } from 'aws-cdk-lib/aws-sns';
import {
  pipelinePolicy,
  pipelineTrust,
  sourceBucketName,
  startPolicy,
  startTrust,
} from '../access/pipeline.ts';
import { pipelineParameters } from '../settings.ts';
import { addBuckets } from './pipeline/buckets.ts';
import type { PipelineParts } from './pipeline/parts.ts';
import { addProjects } from './pipeline/projects.ts';
import {
  choose,
  condition,
  createStack,
  declare,
  is,
  isEmpty,
  isSet,
  not,
  only,
  output,
  refuse,
} from './template.ts';

export function createPipeline(app: App): Stack {
  const stack = createStack(app, 'pipeline', 'Batchwell pipeline: host release and image.');
  const parameters = declare(stack, pipelineParameters);
  const pipeline = { stack, parameters, conditions: addConditions(stack, parameters) };
  addRules(stack, parameters);
  addBuckets(pipeline);
  addProjects(pipeline);
  addTopic(pipeline);
  new CfnRole(stack, 'PipelineRole', {
    assumeRolePolicyDocument: pipelineTrust,
    policies: [{ policyName: 'pipeline', policyDocument: pipelinePolicy }],
  });
  addStages(pipeline);
  addStart(pipeline);
  output(stack, 'SourceBucketInUse', 'Put the zip of the sources here', sourceBucketName, {
    when: pipeline.conditions.hasS3Source,
  });
  output(stack, 'PipelineName', 'Name of the pipeline', Fn.ref('Pipeline'));
  Tags.of(stack).add('Application', 'batchwell');
  return stack;
}

type Given = PipelineParts['parameters'];

function addConditions(stack: Stack, p: Given): PipelineParts['conditions'] {
  const isS3 = is(p.Source, 'S3');
  return {
    hasS3Source: condition(stack, 'HasS3Source', isS3),
    createsSourceBucket: condition(
      stack,
      'CreatesSourceBucket',
      Fn.conditionAnd(isS3, isEmpty(p.SourceBucketName)),
    ),
    hasConnection: condition(stack, 'HasConnection', is(p.Source, 'CodeConnections')),
    hasCodeCommit: condition(stack, 'HasCodeCommit', is(p.Source, 'CodeCommit')),
    hasKey: condition(stack, 'HasKey', isSet(p.KmsKeyArn)),
    hasApproval: condition(stack, 'HasApproval', is(p.Approval, 'on')),
    hasEmail: condition(
      stack,
      'HasEmail',
      Fn.conditionAnd(is(p.Approval, 'on'), isSet(p.ApprovalEmail)),
    ),
    buildsImage: condition(stack, 'BuildsImage', not(is(p.Image, 'off'))),
    buildsArmImage: condition(stack, 'BuildsArmImage', is(p.Image, 'arm64')),
    hasRegistry: condition(stack, 'HasRegistry', isSet(p.NpmRegistry)),
  };
}

function addRules(stack: Stack, p: Given): void {
  for (const [source, needed] of [
    ['CodeConnections', 'ConnectionArn'],
    ['CodeConnections', 'RepositoryName'],
    ['CodeCommit', 'RepositoryName'],
  ] as const)
    refuse(
      stack,
      `${source}Needs${needed}`,
      is(p.Source, source),
      isSet(p[needed]),
      `Source=${source} needs ${needed}.`,
    );
  refuse(
    stack,
    'ConnectionNeedsSource',
    isSet(p.ConnectionArn),
    is(p.Source, 'CodeConnections'),
    'ConnectionArn is only used with Source=CodeConnections.',
  );
  refuse(
    stack,
    'SourceBucketNeedsSource',
    isSet(p.SourceBucketName),
    is(p.Source, 'S3'),
    'SourceBucketName is only used with Source=S3.',
  );
}

function addTopic({ stack, parameters: p, conditions }: PipelineParts): void {
  only(conditions.hasApproval, new CfnTopic(stack, 'ApprovalTopic', { displayName: 'Batchwell' }));
  only(
    conditions.hasApproval,
    new CfnTopicPolicy(stack, 'ApprovalTopicPolicy', {
      topics: [Fn.ref('ApprovalTopic')],
      policyDocument: {
        Version: '2012-10-17',
        Statement: [
          {
            Sid: 'OnlyTls',
            Effect: 'Deny',
            Principal: '*',
            Action: 'sns:Publish',
            Resource: Fn.ref('ApprovalTopic'),
            Condition: { Bool: { 'aws:SecureTransport': 'false' } },
          },
        ],
      },
    }),
  );
  only(
    conditions.hasEmail,
    new CfnSubscription(stack, 'ApprovalSubscription', {
      topicArn: Fn.ref('ApprovalTopic'),
      protocol: 'email',
      endpoint: p.ApprovalEmail.valueAsString,
    }),
  );
}

type Action = CfnPipeline.ActionDeclarationProperty;

const SOURCE = [{ name: 'Source' }];

function sourceAction({ parameters: p, conditions }: PipelineParts): Action {
  const action = (provider: string, configuration: object): Action => ({
    name: 'Source',
    actionTypeId: { category: 'Source', owner: 'AWS', provider, version: '1' },
    configuration,
    outputArtifacts: SOURCE,
  });
  const branch = { BranchName: p.Branch.valueAsString };
  return choose(
    conditions.hasS3Source,
    action('S3', {
      S3Bucket: sourceBucketName,
      S3ObjectKey: p.SourceKey.valueAsString,
      PollForSourceChanges: 'false',
    }),
    choose(
      conditions.hasConnection,
      action('CodeStarSourceConnection', {
        ConnectionArn: p.ConnectionArn.valueAsString,
        FullRepositoryId: p.RepositoryName.valueAsString,
        DetectChanges: 'true',
        ...branch,
      }),
      action('CodeCommit', {
        RepositoryName: p.RepositoryName.valueAsString,
        PollForSourceChanges: 'false',
        ...branch,
      }),
    ),
  );
}

interface Build {
  name: string;
  project: string;
  inputs?: readonly { name: string }[];
  outputs?: readonly { name: string }[];
  namespace?: string;
  configuration?: object;
}

const build = ({ name, project, inputs = SOURCE, outputs = [], ...rest }: Build): Action => ({
  name,
  actionTypeId: { category: 'Build', owner: 'AWS', provider: 'CodeBuild', version: '1' },
  configuration: { ProjectName: Fn.ref(project), ...rest.configuration },
  inputArtifacts: [...inputs],
  ...(outputs.length > 0 && { outputArtifacts: [...outputs] }),
  ...(rest.namespace !== undefined && { namespace: rest.namespace }),
});

function addStages(pipeline: PipelineParts): void {
  const { stack, parameters, conditions } = pipeline;
  const approval = {
    name: 'Approve',
    actions: [
      {
        name: 'Approve',
        actionTypeId: { category: 'Approval', owner: 'AWS', provider: 'Manual', version: '1' },
        configuration: {
          NotificationArn: Fn.ref('ApprovalTopic'),
          CustomData: 'Host release #{Publish.RELEASE}, change set #{Publish.CHANGE_SET}',
        },
      },
    ],
  };
  const both = [{ name: 'X86' }, { name: 'Arm' }];
  new CfnPipeline(stack, 'Pipeline', {
    pipelineType: 'V2',
    // Two releases at once would each make a change set of the same stack.
    executionMode: 'QUEUED',
    roleArn: Fn.getAtt('PipelineRole', 'Arn').toString(),
    artifactStore: {
      type: 'S3',
      location: Fn.ref('ArtifactBucket'),
      encryptionKey: choose(conditions.hasKey, {
        id: parameters.KmsKeyArn.valueAsString,
        type: 'KMS',
      }),
    },
    stages: [
      { name: 'Source', actions: [sourceAction(pipeline)] },
      {
        name: 'Check',
        actions: [
          build({ name: 'X86', project: 'CheckX86' }),
          build({ name: 'Arm', project: 'CheckArm' }),
        ],
      },
      {
        name: 'Build',
        actions: [
          build({ name: 'X86', project: 'HostX86', outputs: both.slice(0, 1) }),
          build({ name: 'Arm', project: 'HostArm', outputs: both.slice(1) }),
          choose(
            conditions.buildsImage,
            build({ name: 'Image', project: 'BuildImageProject', namespace: 'Image' }),
          ),
        ],
      },
      {
        name: 'Publish',
        actions: [
          build({
            name: 'Publish',
            project: 'Publish',
            inputs: [...both, ...SOURCE],
            namespace: 'Publish',
            configuration: { PrimarySource: 'X86' },
          }),
        ],
      },
      choose(conditions.hasApproval, approval),
      {
        name: 'Deploy',
        actions: [
          build({
            name: 'Deploy',
            project: 'Deploy',
            configuration: {
              EnvironmentVariables: JSON.stringify([
                { name: 'CHANGE_SET', value: '#{Publish.CHANGE_SET}' },
              ]),
            },
          }),
        ],
      },
    ],
  });
}

/** CodeConnections starts the pipeline itself. */
function addStart({ stack, parameters: p, conditions }: PipelineParts): void {
  new CfnRole(stack, 'StartRole', {
    assumeRolePolicyDocument: startTrust,
    policies: [{ policyName: 'start', policyDocument: startPolicy }],
  });
  const targets = [
    {
      id: 'pipeline',
      arn: Fn.sub(
        'arn:${AWS::Partition}:codepipeline:${AWS::Region}:${AWS::AccountId}:${Pipeline}',
      ),
      roleArn: Fn.getAtt('StartRole', 'Arn').toString(),
    },
  ];
  only(
    conditions.hasS3Source,
    new CfnRule(stack, 'NewZip', {
      state: 'ENABLED',
      eventPattern: {
        source: ['aws.s3'],
        'detail-type': ['Object Created'],
        detail: {
          bucket: { name: [sourceBucketName] },
          object: { key: [p.SourceKey.valueAsString] },
        },
      },
      targets,
    }),
  );
  only(
    conditions.hasCodeCommit,
    new CfnRule(stack, 'NewCommit', {
      state: 'ENABLED',
      eventPattern: {
        source: ['aws.codecommit'],
        'detail-type': ['CodeCommit Repository State Change'],
        resources: [
          Fn.sub(
            'arn:${AWS::Partition}:codecommit:${AWS::Region}:${AWS::AccountId}:${RepositoryName}',
          ),
        ],
        detail: { referenceType: ['branch'], referenceName: [p.Branch.valueAsString] },
      },
      targets,
    }),
  );
}
