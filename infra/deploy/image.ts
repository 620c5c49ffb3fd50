/** The service's image by digest: given, in the repository already, or built and pushed here. */
import {
  DescribeImagesCommand,
  GetAuthorizationTokenCommand,
  type ECRClient,
} from '@aws-sdk/client-ecr';
import { findEngine, runEngine, type Engine } from './container-engine.ts';
import { type Deployment } from './deployment.ts';
import { messageOf, nameOf, Refusal } from './errors.ts';
import { imageTag, root } from './image-tag.ts';

const BY_DIGEST = /^[^\s@]+@sha256:[0-9a-f]{64}$/;
/** Registry, Region, repository, tag. */
const ECR_TAG = /^(\d{12}\.dkr\.ecr\.([a-z0-9-]+)\.[a-z0-9.-]+)\/([a-z0-9/._-]+):([\w.-]+)$/;

export type Architecture = 'arm64' | 'amd64';

export interface ImageWish {
  /** What --image says. */
  image: string | undefined;
  /** What the service runs now. */
  current: string | undefined;
  /** Registry of the account, such as 111122223333.dkr.ecr.eu-west-1.amazonaws.com. */
  registry: string;
  /** Repository of the core stack; absent until there is one. */
  repository: string | undefined;
  architecture: Architecture;
}

export type ImagePlan = { uri: string } | { engine: Engine; tag: string };

/** Decides before anything is created. @throws Refusal where there is no way to an image */
export async function planImage(deployment: Deployment, wish: ImageWish): Promise<ImagePlan> {
  const { image, current, registry, repository, architecture } = wish;
  if (image !== undefined) return { uri: await pinned(deployment, image) };
  if (current !== undefined && !current.startsWith(`${registry}/${repository}@`)) {
    deployment.say(`The image stays as it was given: ${current}.`);
    return { uri: current };
  }
  // The tag says what is in the image, so that the same sources are built once.
  const tag = imageTag(architecture);
  const there = repository && (await digestOf(deployment.clients.ecr, repository, tag));
  if (there) {
    deployment.say(`The image of these sources is in the repository: ${tag}.`);
    return { uri: `${registry}/${repository}@${there}` };
  }
  const engine = findEngine();
  if (!('tried' in engine)) return { engine, tag };
  throw new Refusal(
    `The image of the service must be built, but no container engine answers:\n${engine.tried.map((one) => `  ${one}`).join('\n')}\nStart one, or give --image URI@sha256:…, or deploy the template pipeline, which builds the image in AWS.`,
  );
}

export interface Target {
  registry: string;
  repository: string;
  architecture: Architecture;
}

/** Returns the image by digest. @throws Refusal */
export async function provideImage(
  deployment: Deployment,
  plan: ImagePlan,
  target: Target,
): Promise<string> {
  if ('uri' in plan) return plan.uri;
  const { registry, repository } = target;
  const name = `${registry}/${repository}:${plan.tag}`;
  await buildAndPush(deployment, plan.engine, name, target);
  const digest = await digestOf(deployment.clients.ecr, repository, plan.tag);
  if (digest === undefined)
    throw new Refusal(`${name} was pushed, but the repository does not list it.`);
  return `${registry}/${repository}@${digest}`;
}

/** A tag of Amazon ECR is looked up; one elsewhere can change, so its digest must be given. */
async function pinned({ clients }: Deployment, image: string): Promise<string> {
  if (BY_DIGEST.test(image)) return image;
  const [, registry, , repository, tag] = ECR_TAG.exec(image) ?? [];
  if (registry === undefined || repository === undefined || tag === undefined)
    throw new Refusal(
      `--image ${image}: give it by digest (URI@sha256:…), or a tag in Amazon ECR, of which the digest is looked up.`,
    );
  const digest = await digestOf(clients.ecr, repository, tag, registry.slice(0, 12));
  if (digest === undefined)
    throw new Refusal(`--image ${image}: the repository has no such tag in this Region.`);
  return `${registry}/${repository}@${digest}`;
}

async function digestOf(
  ecr: ECRClient,
  repositoryName: string,
  imageTag: string,
  registryId?: string,
): Promise<string | undefined> {
  try {
    const { imageDetails: [found] = [] } = await ecr.send(
      new DescribeImagesCommand({ repositoryName, registryId, imageIds: [{ imageTag }] }),
    );
    return found?.imageDigest;
  } catch (error) {
    if (nameOf(error) === 'ImageNotFoundException') return undefined;
    throw new Refusal(`The repository ${repositoryName} cannot be read: ${messageOf(error)}`);
  }
}

async function buildAndPush(
  { clients, say, signal }: Deployment,
  engine: Engine,
  name: string,
  { registry, architecture }: Target,
): Promise<void> {
  const { authorizationData: [data] = [] } = await clients.ecr.send(
    new GetAuthorizationTokenCommand({}),
  );
  const token = Buffer.from(data?.authorizationToken ?? '', 'base64').toString();
  const login = ['login', '--username', 'AWS', '--password-stdin', registry];
  await runEngine(engine, login, { signal, input: token.replace(/^AWS:/, '') });
  say(`Building the image for ${architecture} with ${engine.program}…`);
  const build = ['build', '--platform', `linux/${architecture}`, '--tag', name, root];
  await runEngine(engine, build, { signal, advice: advise(architecture) });
  say(`Pushing ${name}…`);
  await runEngine(engine, ['push', name], { signal });
}

const advise = (architecture: string) => (said: string) =>
  /exec format error/i.test(said)
    ? `This machine cannot run programs for ${architecture}. Install qemu-user-static, or give --service CpuArchitecture=${architecture === 'arm64' ? 'X86_64' : 'ARM64'}.`
    : undefined;
