/** aws:deploy and the service's image: given, in the repository, or built by the engine that answers. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { IMAGE, makeRelease, run, stub, type Ran } from './command.ts';
import { playAws, type PlayedAws } from './played-aws.ts';

const PUSHED = `111122223333.dkr.ecr.eu-west-1.amazonaws.com/batchwell-imagerepository@sha256:${'ee'.repeat(32)}`;

let aws: PlayedAws;
let folder: string;

beforeEach(async () => {
  aws = await playAws();
  ({ folder } = makeRelease(aws));
});

afterEach(async () => {
  await aws.stop();
});

const deploy = async (...more: string[]): Promise<Ran> =>
  await run(aws, 'deploy', '--no-hello', '--host-release', folder, ...more);
const imageUri = () => aws.stacks.find('batchwell-service')?.parameters['ImageUri'];
const notes = () => {
  const file = join(aws.folder, 'notes');
  return existsSync(file) ? readFileSync(file, 'utf8') : '';
};

/** An engine that notes what it was asked, and fails at what `failAt` names. */
const engine = (name: string, failAt = '', says = ''): void =>
  stub(
    aws,
    name,
    `printf '%s\\n' "${name} $*" >>${join(aws.folder, 'notes')}
case "$1" in
  login) printf 'password %s\\n' "$(cat)" >>${join(aws.folder, 'notes')} ;;
  push) printf '%s\\n' "$2" >>${aws.pushes} ;;
esac
if [ "$1" = "${failAt}" ]; then echo '${says}' >&2; exit 7; fi`,
  );

it('It is built for arm64, pushed, and deployed by digest; the password is no argument.', async () => {
  engine('docker');
  const { code, err } = await deploy();
  expect([code, err]).toEqual([0, '']);
  expect(imageUri()).toBe(PUSHED);
  expect(notes()).toMatch(/docker build --platform linux\/arm64 --tag \S+:[0-9a-f]{16}-arm64 /);
  expect(notes()).toContain('password ecr-password');
  expect(notes()).not.toMatch(/docker login .*ecr-password/);
});

it('The same sources are not built a second time.', async () => {
  engine('docker');
  await deploy();
  const before = notes();
  const { code, out } = await deploy();
  expect(code).toBe(0);
  expect(out).toContain('is in the repository');
  expect(notes()).toBe(before);
});

it('For a service on x86-64 it is built for amd64.', async () => {
  engine('docker');
  await deploy('--service', 'CpuArchitecture=X86_64');
  expect(notes()).toContain('docker build --platform linux/amd64');
});

it('Where docker does not answer, podman is used, and then buildah.', async () => {
  engine('docker', 'info', 'Cannot connect to the Docker daemon');
  engine('podman', 'info', 'cannot clone: Operation not permitted');
  engine('buildah');
  expect((await deploy()).code).toBe(0);
  expect(notes()).toContain('buildah push');
  expect(notes()).not.toMatch(/(docker|podman) (build|push)/);
});

it('Where no engine answers, nothing is created, and each is named with its reason.', async () => {
  engine('docker', 'info', 'Cannot connect to the Docker daemon');
  const { code, err } = await deploy();
  expect(code).toBe(1);
  expect(err).toContain('docker: Cannot connect to the Docker daemon');
  expect(err).toContain('podman: is not installed');
  expect(err).toContain('--image');
  expect(aws.stacks.all).toEqual([]);
});

it('A build for another architecture that cannot run here says what to install.', async () => {
  engine('docker', 'build', 'exec /bin/sh: exec format error');
  const { code, err } = await deploy();
  expect(code).toBe(1);
  expect(err).toContain('qemu-user-static');
  expect(err).toContain('--service CpuArchitecture=X86_64');
  // Run again, it goes on: core is there.
  engine('docker');
  expect((await deploy()).code).toBe(0);
});

it('An image that was given stays, where nothing else is said.', async () => {
  await deploy('--image', IMAGE);
  const { code, out } = await deploy();
  expect(code).toBe(0);
  expect(out).toContain('The image stays as it was given');
  expect(imageUri()).toBe(IMAGE);
});

it('A tag of Amazon ECR is pinned to its digest.', async () => {
  aws.images.set('v7', `sha256:${'11'.repeat(32)}`);
  const registry = '111122223333.dkr.ecr.eu-west-1.amazonaws.com';
  expect((await deploy('--image', `${registry}/lab/batchwell:v7`)).code).toBe(0);
  expect(imageUri()).toBe(`${registry}/lab/batchwell@sha256:${'11'.repeat(32)}`);
});

it.each([
  ['a tag elsewhere', 'docker.io/lab/batchwell:latest', /--image .*by digest/],
  [
    'a tag that does not exist',
    '111122223333.dkr.ecr.eu-west-1.amazonaws.com/lab/batchwell:v8',
    /has no such tag/,
  ],
])('%s is refused before anything is created.', async (_, image, sentence) => {
  const { code, err } = await deploy('--image', image);
  expect(code).toBe(1);
  expect(err).toMatch(sentence);
  expect(aws.stacks.all).toEqual([]);
});
