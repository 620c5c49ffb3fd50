/**
 * pipeline: from the sources to hosts. Checks and builds on both architectures, publishes the host
 * release under its SHA-256, and deploys it by a change set on core, after approval.
 */
import { Fn, Tags, type App, type Stack } from 'aws-cdk-lib';
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
import { pipelineParameters } from '../parameters/pipeline.ts';
import { addBuckets } from './pipeline/buckets.ts';
import type { PipelineParts } from './pipeline/parts.ts';
import { addProjects } from './pipeline/projects.ts';
import { addStages } from './pipeline/stages.ts';
import {
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
