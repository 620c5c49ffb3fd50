/** What the template pipeline promises. */
import { describe, expect, it } from 'vitest';
import type { ParameterValues } from './evaluate.ts';
import { matrix } from './matrix.ts';
import {
  deploy,
  ofType,
  policiesOf,
  propertiesOf,
  wordsOf,
  type PolicyStatement,
} from './world.ts';

interface Action {
  Name: string;
  ActionTypeId: { Category: string; Provider: string };
  Configuration: Record<string, unknown>;
  InputArtifacts?: { Name: string }[];
}

const stages = (parameters: ParameterValues = {}): { Name: string; Actions: Action[] }[] =>
  propertiesOf(deploy('pipeline', parameters), 'Pipeline')['Stages'] as never;
const named = (title: string): ParameterValues => matrix['pipeline']?.[title] ?? {};
const COMMIT = named('CodeCommit without approval and image');
const CONNECTION = named('a connection, and a person to ask');

const statementsOf = (role: string, parameters: ParameterValues = {}): PolicyStatement[] =>
  policiesOf(deploy('pipeline', parameters)).find(({ id }) => id === role)?.statements ?? [];
const actionsOf = (role: string, parameters: ParameterValues = {}): string[] =>
  statementsOf(role, parameters).flatMap(({ Action: action }) => [...wordsOf(action)]);

it('It checks and builds on both architectures, publishes, asks, and deploys.', () => {
  expect(
    stages().map(({ Name: name, Actions: actions }) => [name, actions.map((one) => one.Name)]),
  ).toEqual([
    ['Source', ['Source']],
    ['Check', ['X86', 'Arm']],
    ['Build', ['X86', 'Arm', 'Image']],
    ['Publish', ['Publish']],
    ['Approve', ['Approve']],
    ['Deploy', ['Deploy']],
  ]);
  const deployed = deploy('pipeline');
  expect(propertiesOf(deployed, 'Pipeline')).toMatchObject({
    PipelineType: 'V2',
    ExecutionMode: 'QUEUED',
  });
  const kinds = ['CheckArm', 'HostArm', 'CheckX86', 'HostX86'].map(
    (id) => (propertiesOf(deployed, id)['Environment'] as { Type: string }).Type,
  );
  expect(kinds).toEqual(['ARM_CONTAINER', 'ARM_CONTAINER', 'LINUX_CONTAINER', 'LINUX_CONTAINER']);
});

it('Approval and image can be turned off, and then nothing of them is there.', () => {
  expect(stages(COMMIT).map(({ Name: name }) => name)).not.toContain('Approve');
  expect(stages(COMMIT)[2]?.Actions).toHaveLength(2);
  const ids = Object.keys(deploy('pipeline', COMMIT).resources);
  expect(ids.filter((id) => /Image|Approval/.test(id))).toEqual([]);
});

describe('the source', () => {
  it.each([
    ['S3', {}, 'S3', ['NewZip']],
    ['CodeConnections', CONNECTION, 'CodeStarSourceConnection', []],
    ['CodeCommit', COMMIT, 'CodeCommit', ['NewCommit']],
  ])('%s has its provider, and what starts the pipeline.', (_, parameters, provider, rules) => {
    const [source] = stages(parameters)[0]?.Actions ?? [];
    expect(source?.ActionTypeId.Provider).toBe(provider);
    expect(Object.keys(ofType(deploy('pipeline', parameters), 'AWS::Events::Rule'))).toEqual(rules);
    // Polling is charged, and late.
    expect(source?.Configuration['PollForSourceChanges']).not.toBe('true');
  });

  it('The bucket of the zip keeps versions, tells EventBridge, and stays with the stack deleted.', () => {
    const deployed = deploy('pipeline');
    expect(propertiesOf(deployed, 'SourceBucket')).toMatchObject({
      VersioningConfiguration: { Status: 'Enabled' },
      NotificationConfiguration: { EventBridgeConfiguration: { EventBridgeEnabled: true } },
    });
    for (const id of ['SourceBucket', 'ArtifactBucket'])
      expect(deployed.resources[id]?.deletionPolicy).toBe('Retain');
  });

  it.each([
    ['Source=CodeConnections needs ConnectionArn', { ...CONNECTION, ConnectionArn: '' }],
    ['Source=CodeConnections needs RepositoryName', { ...CONNECTION, RepositoryName: '' }],
    ['Source=CodeCommit needs RepositoryName', { ...COMMIT, RepositoryName: '' }],
    ['ConnectionArn is only used with', { ...CONNECTION, Source: 'S3' }],
    ['SourceBucketName is only used with', { ...COMMIT, SourceBucketName: 'lab-sources' }],
  ])('CloudFormation refuses: %s', (sentence, parameters) => {
    const { refusals } = deploy('pipeline', parameters);
    expect(refusals).toHaveLength(1);
    expect(refusals[0]).toContain(sentence);
  });
});

describe('access', () => {
  it('What runs the sources can neither publish nor deploy.', () => {
    expect(new Set(actionsOf('BuildRole'))).toEqual(
      new Set(['logs:CreateLogStream', 'logs:PutLogEvents', 's3:GetObject', 's3:PutObject']),
    );
    for (const role of ['BuildRole', 'ImageRole']) {
      const resources = statementsOf(role).flatMap(({ Resource: resource }) => wordsOf(resource));
      expect(resources.filter((one) => /Releases|stack\//.test(one))).toEqual([]);
    }
  });

  it('The commands that publish and deploy are in the template and not in the sources.', () => {
    const deployed = deploy('pipeline');
    for (const [id, { properties }] of Object.entries(
      ofType(deployed, 'AWS::CodeBuild::Project'),
    )) {
      const { BuildSpec: text, Type: type } = properties['Source'] as Record<string, string>;
      expect(type).toBe('CODEPIPELINE');
      const isInline = id === 'Publish' || id === 'Deploy';
      expect(text, id).toMatch(isInline ? /^version: 0\.2$/m : /^infra\/pipeline\/[\w-]+\.yml$/);
    }
  });

  it('Whoever publishes cannot execute, and whoever executes cannot publish.', () => {
    expect(actionsOf('PublishRole')).not.toContain('cloudformation:ExecuteChangeSet');
    expect(actionsOf('DeployRole')).not.toContain('cloudformation:CreateChangeSet');
    const published = statementsOf('PublishRole').find(({ Sid: sid }) => sid === 'PutRelease');
    expect(published?.Resource).toBe('arn:aws:s3:::<import batchwell-Releases>/releases/*');
  });

  it('A deployment changes launch templates and environments of Batchwell, and passes the role of hosts only.', () => {
    const changes = statementsOf('DeployRole').filter(({ Action: action }) =>
      wordsOf(action).some((one) => /^(ec2|batch|iam):(?!Describe)/.test(one)),
    );
    expect(changes.map(({ Sid: sid }) => sid)).toEqual([
      'ChangeLaunchTemplate',
      'RollHosts',
      'PassHostRole',
    ]);
    for (const { Condition: condition } of changes) expect(condition).toBeDefined();
    // The tag that the conditions ask for is on the resources.
    const core = deploy('core');
    expect(JSON.stringify(propertiesOf(core, 'LaunchTemplate')['TagSpecifications'])).toContain(
      '"Application"',
    );
    expect(propertiesOf(core, 'SpotEnvironment')['Tags']).toEqual({ Application: 'batchwell' });
  });

  it('Only the image is built with Docker, in a builder of the architecture of the image.', () => {
    const privileged = (parameters: ParameterValues) =>
      Object.entries(ofType(deploy('pipeline', parameters), 'AWS::CodeBuild::Project')).flatMap(
        ([id, { properties }]) => {
          const { PrivilegedMode: mode, Type: type } = properties['Environment'] as Record<
            string,
            unknown
          >;
          return mode === true ? [`${id} ${String(type)}`] : [];
        },
      );
    expect(privileged({})).toEqual(['BuildImageProject ARM_CONTAINER']);
    expect(privileged(CONNECTION)).toEqual(['BuildImageProject LINUX_CONTAINER']);
  });
});
