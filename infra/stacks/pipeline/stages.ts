/** The stages: source, checks, builds, publishing, approval, deployment. */
import { Fn } from 'aws-cdk-lib';
import { CfnPipeline } from 'aws-cdk-lib/aws-codepipeline';
import { sourceBucketName } from '../../access/pipeline.ts';
import { choose } from '../template.ts';
import type { PipelineParts } from './parts.ts';

type Action = CfnPipeline.ActionDeclarationProperty;

const SOURCE = [{ name: 'Source' }];

const action = (provider: string, configuration: object): Action => ({
  name: 'Source',
  actionTypeId: { category: 'Source', owner: 'AWS', provider, version: '1' },
  configuration,
  outputArtifacts: SOURCE,
});

function sourceAction({ parameters: p, conditions }: PipelineParts): Action {
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

const BOTH = [{ name: 'X86' }, { name: 'Arm' }];

const approval = (): CfnPipeline.StageDeclarationProperty => ({
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
});

const stagesOf = (pipeline: PipelineParts): CfnPipeline.StageDeclarationProperty[] => [
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
      build({ name: 'X86', project: 'HostX86', outputs: BOTH.slice(0, 1) }),
      build({ name: 'Arm', project: 'HostArm', outputs: BOTH.slice(1) }),
      choose(
        pipeline.conditions.buildsImage,
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
        inputs: [...BOTH, ...SOURCE],
        namespace: 'Publish',
        configuration: { PrimarySource: 'X86' },
      }),
    ],
  },
  choose(pipeline.conditions.hasApproval, approval()),
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
];

export function addStages(pipeline: PipelineParts): void {
  const { stack, parameters, conditions } = pipeline;
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
    stages: stagesOf(pipeline),
  });
}
