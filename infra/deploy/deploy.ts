/** aws:deploy: from whatever is in the account to a fleet that has run a task. */
import type { Account } from './clients.ts';
import type { Deployment } from './deployment.ts';
import { stackNames } from './deployment.ts';
import { findNetwork, type Network } from './find-network.ts';
import { readStack, type StackState } from './follow.ts';
import { readFleetSettings, type FleetSettings } from './fleet-settings.ts';
import { sayHello } from './hello.ts';
import { planImage, provideImage, type Architecture, type ImagePlan } from './image.ts';
import { createLinkedRoles } from './linked-roles.ts';
import type { DeployOptions, Template } from './options.ts';
import { checkParameters } from './parameters.ts';
import { prepareRelease, putOnce, uploadRelease, type Release } from './release.ts';
import { report } from './report.ts';
import { deployStack } from './stack.ts';

interface Run {
  deployment: Deployment;
  account: Account;
  options: DeployOptions;
  network: Network;
}

export async function deployAll(
  deployment: Deployment,
  account: Account,
  options: DeployOptions,
): Promise<void> {
  // Everything that can be refused is refused before anything is created.
  for (const [template, given] of Object.entries(options.parameters))
    checkParameters(template, given);
  const names = stackNames(options.name);
  const old = await readStack(deployment, names.core);
  const oldService = await readStack(deployment, names.service);
  const service = options.coreOnly
    ? undefined
    : await planService({ deployment, account, options }, old, oldService);
  const pipeline = await readStack(deployment, names.pipeline);
  const release = await chooseRelease(deployment, options, old, pipeline !== undefined);
  const network = await findNetwork(deployment, {
    vpc: options.vpc,
    subnets: options.subnets,
    parameters: options.parameters.network,
    replaceData: options.replaceData,
  });
  const run = { deployment, account, options, network };
  const core = await deployCore(run, release, old?.outputs['Releases']);
  const deployed = service && (await deployService(run, service, core));
  await deployExtras(run, deployed, pipeline !== undefined);
  if (deployed && options.hello) await runHello(run, deployed, core);
  report(deployment, account, core, deployed);
}

/** Alarms and pipeline: where they are asked for, and kept up to date from then on. */
async function deployExtras(
  run: Run,
  service: StackState | undefined,
  hasPipeline: boolean,
): Promise<void> {
  const { deployment, options } = run;
  const names = stackNames(options.name);
  const watch = await readStack(deployment, names.watch);
  if (options.email !== undefined || watch !== undefined)
    await deployOne(run, 'watch', {
      CoreStack: names.core,
      ...(service && { ServiceStack: names.service }),
      ...(options.email !== undefined && { Email: options.email }),
    });
  if (hasPipeline || Object.keys(options.parameters.pipeline).length > 0)
    await deployOne(run, 'pipeline', { CoreStack: names.core });
}

/** Where there is a pipeline, the release is its affair: this machine would build another one. */
async function chooseRelease(
  deployment: Deployment,
  { hostRelease, parameters }: DeployOptions,
  old: StackState | undefined,
  hasPipeline: boolean,
): Promise<Release> {
  const current = old?.parameters['HostRelease'];
  const architecture =
    parameters.core['Architecture'] ?? old?.parameters['Architecture'] ?? 'x86_64';
  if (hostRelease !== undefined || !hasPipeline || current === undefined)
    return await prepareRelease(deployment, hostRelease, architecture);
  deployment.say(`The host release stays that of the pipeline: ${current}.`);
  return { name: current };
}

const deployOne = async (
  { deployment, options: { name, parameters, replaceData } }: Run,
  template: Template,
  found: Record<string, string>,
): Promise<StackState> =>
  await deployStack(deployment, {
    stack: stackNames(name)[template],
    template,
    parameters: { ...found, ...parameters[template] },
    replaceData,
  });

async function deployCore(
  run: Run,
  release: Release,
  oldBucket: string | undefined,
): Promise<StackState> {
  const { deployment, network } = run;
  await createLinkedRoles(deployment);
  // Hosts that a new launch template brings up look for the release at once.
  if (oldBucket !== undefined) await uploadRelease(deployment, oldBucket, release);
  const core = await deployOne(run, 'core', {
    VpcId: network.vpcId,
    SubnetIds: network.subnetIds.join(','),
    HostRelease: release.name,
  });
  const bucket = core.outputs['Releases'] ?? '';
  if (bucket !== oldBucket) await uploadRelease(deployment, bucket, release);
  return core;
}

interface ServicePlan {
  image: ImagePlan;
  registry: string;
  architecture: Architecture;
  isNew: boolean;
  isPublic: boolean;
  settings: FleetSettings | undefined;
}

async function planService(
  { deployment, account, options }: Omit<Run, 'network'>,
  core: StackState | undefined,
  old: StackState | undefined,
): Promise<ServicePlan> {
  const chosen = { ...old?.parameters, ...options.parameters.service };
  const suffix = account.partition === 'aws-cn' ? 'amazonaws.com.cn' : 'amazonaws.com';
  const registry = `${account.id}.dkr.ecr.${account.region}.${suffix}`;
  const architecture = chosen['CpuArchitecture'] === 'X86_64' ? 'amd64' : 'arm64';
  const image = await planImage(deployment, {
    image: options.image,
    current: old?.parameters['ImageUri'],
    registry,
    repository: core?.outputs['Repository'],
    architecture,
  });
  const isPublic = chosen['Public'] === 'yes';
  const settings = options.settings === undefined ? undefined : readFleetSettings(options.settings);
  return { image, registry, architecture, isNew: old === undefined, isPublic, settings };
}

async function deployService(run: Run, plan: ServicePlan, core: StackState): Promise<StackState> {
  const { deployment, network } = run;
  const { registry, architecture } = plan;
  const repository = core.outputs['Repository'] ?? '';
  const image = await provideImage(deployment, plan.image, { registry, repository, architecture });
  const bucket = core.outputs['Releases'] ?? '';
  const { settings } = plan;
  if (settings) await putOnce(deployment, bucket, settings.key, settings.content);
  const publicSubnets = plan.isPublic ? network.publicSubnetIds.join(',') : '';
  return await deployOne(run, 'service', {
    CoreStack: core.name,
    VpcId: network.vpcId,
    SubnetIds: network.subnetIds.join(','),
    ImageUri: image,
    // Those in the VPC may call the API, until a person says who may.
    ...(plan.isNew && { CallerCidr: network.cidr }),
    ...(settings && {
      SettingsFileArn: `arn:${run.account.partition}:s3:::${bucket}/${settings.key}`,
    }),
    ...(publicSubnets !== '' && { LoadBalancerSubnetIds: publicSubnets }),
  });
}

async function runHello(
  { deployment, options }: Run,
  service: StackState,
  core: StackState,
): Promise<void> {
  deployment.say('A hello task:');
  const out = service.outputs;
  await sayHello(deployment, {
    cluster: out['ClusterName'] ?? '',
    taskDefinition: out['HelloTaskName'] ?? '',
    subnetIds: (service.parameters['SubnetIds'] ?? '').split(','),
    securityGroup: out['ServiceGroupId'] ?? '',
    logGroup: out['ServiceLogs'] ?? '',
    hostLogs: core.outputs['HostLogs'] ?? '',
    image: options.helloImage,
    limitMs: options.helloMs,
  });
}
