/**
 * The builds. Those that run the sources take their commands from them (infra/pipeline); those that
 * publish and deploy have theirs in the template, so that no commit can use their roles otherwise.
 */
import { Fn, type CfnCondition } from 'aws-cdk-lib';
import { CfnProject, type CfnProjectProps } from 'aws-cdk-lib/aws-codebuild';
import { CfnRole } from 'aws-cdk-lib/aws-iam';
import { CfnLogGroup } from 'aws-cdk-lib/aws-logs';
import { readFileSync } from 'node:fs';
import {
  buildPolicy,
  buildTrust,
  deployPolicy,
  imagePolicy,
  imported,
  publishPolicy,
} from '../../access/pipeline-build.ts';
import { choose } from '../template.ts';
import type { PipelineParts } from './parts.ts';

/** Has the AWS CLI; the image of the builders has not. */
const AWS_IMAGE = 'aws/codebuild/amazonlinux-x86_64-standard:5.0';
const AWS_IMAGE_ARM = 'aws/codebuild/amazonlinux-aarch64-standard:3.0';

const LONGEST_DEPLOYMENT_MINUTES = 480;
const LOOK_SECONDS = 30;

interface Project {
  id: string;
  /** In the name of the project. */
  name: string;
  /** Role and log group. */
  role: 'build' | 'image' | 'publish' | 'deploy';
  buildSpec: string;
  environment: CfnProject.EnvironmentProperty;
  minutes: number;
  when?: CfnCondition;
}

const variable = (name: string, value: unknown): CfnProject.EnvironmentVariableProperty => ({
  name,
  value: value as string,
});

/** Comments are for readers of the file; the template has a limit. */
const inline = (file: string): string =>
  readFileSync(new URL(`../../pipeline/${file}`, import.meta.url), 'utf8').replaceAll(
    /^ *#.*\n/gm,
    '',
  );
const fromSources = (file: string): string => `infra/pipeline/${file}`;

export function addProjects(pipeline: PipelineParts): void {
  addRoles(pipeline);
  const projects = [...builds(pipeline), imageBuild(pipeline), ...deployments(pipeline)];
  for (const project of projects) addProject(pipeline, project);
}

/** Checks and host releases, on both architectures. */
const builds = ({ parameters: p, conditions }: PipelineParts): Project[] =>
  [false, true].flatMap((isArm) => {
    const [suffix, name] = isArm ? ['Arm', 'arm'] : ['X86', 'x86'];
    const environment: CfnProject.EnvironmentProperty = {
      type: isArm ? 'ARM_CONTAINER' : 'LINUX_CONTAINER',
      computeType: 'BUILD_GENERAL1_MEDIUM',
      image: p.BuildImage.valueAsString,
      environmentVariables: [
        variable('TESTS', p.Tests.valueAsString),
        choose(
          conditions.hasRegistry,
          variable('NPM_CONFIG_REGISTRY', p.NpmRegistry.valueAsString),
        ),
      ],
    };
    const rest = { role: 'build', environment, minutes: 60 } as const;
    return [
      { id: `Check${suffix}`, name: `check-${name}`, buildSpec: fromSources('check.yml'), ...rest },
      {
        id: `Host${suffix}`,
        name: `host-${name}`,
        buildSpec: fromSources('build-host.yml'),
        ...rest,
      },
    ];
  });

const imageBuild = (pipeline: PipelineParts): Project => ({
  id: 'BuildImageProject',
  name: 'image',
  role: 'image',
  buildSpec: fromSources('build-image.yml'),
  environment: imageEnvironment(pipeline),
  minutes: 60,
  when: pipeline.conditions.buildsImage,
});

function deployments({ parameters: p }: PipelineParts): Project[] {
  const aws = (variables: CfnProject.EnvironmentVariableProperty[]) => ({
    type: 'LINUX_CONTAINER',
    computeType: 'BUILD_GENERAL1_SMALL',
    image: AWS_IMAGE,
    environmentVariables: [variable('CORE_STACK', p.CoreStack.valueAsString), ...variables],
  });
  return [
    {
      id: 'Publish',
      name: 'publish',
      role: 'publish',
      buildSpec: inline('publish.yml'),
      environment: aws([variable('RELEASE_BUCKET', imported('Releases'))]),
      minutes: 30,
    },
    {
      id: 'Deploy',
      name: 'deploy',
      role: 'deploy',
      buildSpec: inline('deploy.yml'),
      environment: aws([
        variable('PAUSE_SECONDS', String(LOOK_SECONDS)),
        // It ends in time to say that CloudFormation goes on.
        variable('MOST_LOOKS', String((LONGEST_DEPLOYMENT_MINUTES - 30) * (60 / LOOK_SECONDS))),
      ]),
      minutes: LONGEST_DEPLOYMENT_MINUTES,
    },
  ];
}

const imageEnvironment = ({
  parameters: p,
  conditions,
}: PipelineParts): CfnProject.EnvironmentProperty => ({
  type: choose(conditions.buildsArmImage, 'ARM_CONTAINER', 'LINUX_CONTAINER'),
  computeType: 'BUILD_GENERAL1_MEDIUM',
  image: choose(conditions.buildsArmImage, AWS_IMAGE_ARM, AWS_IMAGE),
  // Docker in the builder needs it.
  privilegedMode: true,
  environmentVariables: [
    variable('ARCHITECTURE', p.Image.valueAsString),
    variable('BUILD_IMAGE', p.BuildImage.valueAsString),
    variable('REGISTRY', Fn.sub('${AWS::AccountId}.dkr.ecr.${AWS::Region}.${AWS::URLSuffix}')),
    variable('REPOSITORY', imported('Repository')),
  ],
});

function addRoles({ stack, parameters, conditions }: PipelineParts): void {
  const policies = {
    build: buildPolicy,
    image: imagePolicy,
    publish: publishPolicy,
    deploy: deployPolicy,
  };
  for (const [name, policyDocument] of Object.entries(policies)) {
    const id = name.charAt(0).toUpperCase() + name.slice(1);
    const role = new CfnRole(stack, `${id}Role`, {
      assumeRolePolicyDocument: buildTrust,
      policies: [{ policyName: name, policyDocument }],
    });
    const logs = new CfnLogGroup(stack, `${id}Logs`, {
      logGroupName: Fn.sub(`/batchwell/\${AWS::StackName}/${name}`),
      retentionInDays: parameters.LogRetentionDays.valueAsNumber,
    });
    if (name === 'image')
      for (const one of [role, logs]) one.cfnOptions.condition = conditions.buildsImage;
  }
}

function addProject({ stack, parameters, conditions }: PipelineParts, project: Project): void {
  const { id, name, role, buildSpec, environment, minutes, when } = project;
  const capital = role.charAt(0).toUpperCase() + role.slice(1);
  const properties: CfnProjectProps = {
    name: Fn.sub(`\${AWS::StackName}-${name}`),
    serviceRole: Fn.getAtt(`${capital}Role`, 'Arn').toString(),
    source: { type: 'CODEPIPELINE', buildSpec },
    artifacts: { type: 'CODEPIPELINE' },
    environment,
    timeoutInMinutes: minutes,
    encryptionKey: choose(conditions.hasKey, parameters.KmsKeyArn.valueAsString),
    logsConfig: { cloudWatchLogs: { status: 'ENABLED', groupName: Fn.ref(`${capital}Logs`) } },
  };
  const made = new CfnProject(stack, id, properties);
  if (when) made.cfnOptions.condition = when;
}
