/** The host release: built here, or given, and put into the release bucket, where nothing is overwritten. */
import { HeadObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { checkInterrupt, pause, type Deployment } from './deployment.ts';
import { messageOf, nameOf, Refusal } from './errors.ts';

export interface Release {
  /** SHA-256 of SHA256SUMS. */
  name: string;
  /** Absent: it is in the bucket already. */
  folder?: string;
}

const digest = (content: Buffer, encoding: 'hex' | 'base64'): string =>
  createHash('sha256').update(content).digest(encoding);

/** `wish`: nothing, a folder that build:host made, or the name of a release in the bucket. */
export async function prepareRelease(
  { say }: Deployment,
  wish: string | undefined,
  architecture: string,
): Promise<Release> {
  if (wish !== undefined && /^[0-9a-f]{64}$/.test(wish)) return { name: wish };
  const folder = wish ?? fileURLToPath(new URL('../../dist/host', import.meta.url));
  if (wish === undefined) {
    say('Building the host release…');
    await build(folder);
  }
  return { name: checkFolder(folder, architecture), folder };
}

async function build(folder: string): Promise<void> {
  // It comes with the stager's bundler, which teardown and --host-release do not need.
  const { buildHost } = await import('../host/build.ts');
  await buildHost(folder).catch((error: unknown) => {
    throw new Refusal(
      `The host release cannot be built on this machine: ${messageOf(error)} Build it on Linux with \`npm run build:host\`, and give --host-release FOLDER.`,
    );
  });
}

/** Returns the name of the release in the folder. @throws Refusal where it is not whole */
export function checkFolder(folder: string, architecture: string): string {
  const list = join(folder, 'SHA256SUMS');
  if (!existsSync(list))
    throw new Refusal(
      `--host-release ${folder}: it has no SHA256SUMS. Give a folder that \`npm run build:host\` made, or the SHA-256 of a release.`,
    );
  const sums = readFileSync(list);
  const archives = listed(sums);
  for (const { sum, file } of archives)
    if (!existsSync(join(folder, file)) || digest(readFileSync(join(folder, file)), 'hex') !== sum)
      throw new Refusal(`--host-release ${folder}: ${file} is not what SHA256SUMS says.`);
  if (!archives.some(({ file }) => file === `batchwell-host-${architecture}.tar.gz`))
    throw new Refusal(
      `--host-release ${folder}: it has no archive for ${architecture} hosts. Build it on such a machine, or give --core Architecture=${process.arch === 'arm64' ? 'arm64' : 'x86_64'}.`,
    );
  return digest(sums, 'hex');
}

const listed = (sums: Buffer): { sum: string; file: string }[] =>
  [...sums.toString().matchAll(/^([0-9a-f]{64}) {2}(\S+)$/gm)].map(([, sum = '', file = '']) => ({
    sum,
    file,
  }));

/** Puts what is missing. The list comes last: with it the release is whole. */
export async function uploadRelease(
  deployment: Deployment,
  bucket: string,
  { name, folder }: Release,
): Promise<void> {
  if (folder === undefined) {
    await mustHave(deployment, bucket, name);
    return;
  }
  const archives = listed(readFileSync(join(folder, 'SHA256SUMS'))).map(({ file }) => file);
  for (const file of [...archives, 'SHA256SUMS']) {
    checkInterrupt(deployment);
    await putOnce(deployment, bucket, `releases/${name}/${file}`, readFileSync(join(folder, file)));
  }
}

async function mustHave({ clients }: Deployment, bucket: string, name: string): Promise<void> {
  const key = `releases/${name}/SHA256SUMS`;
  try {
    await clients.s3.send(new HeadObjectCommand({ Bucket: bucket, Key: key }));
  } catch (error) {
    throw new Refusal(
      `--host-release ${name}: s3://${bucket}/${key} cannot be read (${nameOf(error)}). Give the folder of the release, and it is uploaded.`,
    );
  }
}

/** Attempts while S3 says that another writer is at work on the key. */
const MOST_CONFLICTS = 5;

export async function putOnce(
  deployment: Deployment,
  bucket: string,
  key: string,
  content: Buffer,
): Promise<void> {
  const { clients, say } = deployment;
  const sum = digest(content, 'base64');
  for (let attempt = 1; ; attempt += 1)
    try {
      await clients.s3.send(
        new PutObjectCommand({
          Bucket: bucket,
          Key: key,
          Body: content,
          IfNoneMatch: '*',
          ChecksumSHA256: sum,
        }),
      );
      say(`  uploaded s3://${bucket}/${key}`);
      return;
    } catch (error) {
      if (nameOf(error) === 'PreconditionFailed') break;
      if (nameOf(error) !== 'ConditionalRequestConflict' || attempt === MOST_CONFLICTS)
        throw new Refusal(`${key} cannot be uploaded to ${bucket}: ${messageOf(error)}`);
      await pause(deployment);
    }
  const there = await clients.s3.send(
    new HeadObjectCommand({ Bucket: bucket, Key: key, ChecksumMode: 'ENABLED' }),
  );
  const isSame =
    there.ChecksumSHA256 === undefined
      ? there.ContentLength === content.length
      : there.ChecksumSHA256 === sum;
  if (!isSame)
    throw new Refusal(
      `s3://${bucket}/${key} exists with other content. It is never overwritten: find out who wrote it.`,
    );
}
