/** Runs aws:deploy and aws:teardown as a person does, against the played AWS. */
import { ListObjectsV2Command, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runCommand } from '../../deploy/command.ts';
import { smallRelease } from '../host-world.ts';
import type { PlayedAws } from './played-aws.ts';

const program = fileURLToPath(new URL('../../deploy/main.ts', import.meta.url));

export const IMAGE = `example.org/batchwell@sha256:${'cd'.repeat(32)}`;

export interface Ran {
  code: number | null;
  out: string;
  err: string;
}

const environmentOf = (aws: PlayedAws): Record<string, string> => ({
  PATH: join(aws.folder, 'bin'),
  HOME: aws.folder,
  AWS_ACCESS_KEY_ID: 'lab',
  AWS_SECRET_ACCESS_KEY: 'secret',
  AWS_REGION: 'eu-west-1',
  AWS_ENDPOINT_URL: aws.url,
  AWS_ENDPOINT_URL_S3: aws.s3.url,
});

/** In this process, which saves a second each. Ctrl-C comes once this text was printed. */
export async function runUntil(
  aws: PlayedAws,
  interruptAt: string | undefined,
  args: readonly string[],
): Promise<Ran> {
  const interrupt = new AbortController();
  const ran = { out: '', err: '' };
  const saved = { ...process.env };
  Object.assign(process.env, environmentOf(aws));
  // Nothing goes on meanwhile, so that it is still at work when Ctrl-C comes.
  aws.stacks.time.stands = interruptAt !== undefined;
  try {
    const code = await runCommand(args, {
      out: (line) => {
        ran.out += `${line}\n`;
        if (interruptAt !== undefined && line.includes(interruptAt))
          setTimeout(() => interrupt.abort(), 20);
      },
      err: (line) => (ran.err += `${line}\n`),
      signal: interrupt.signal,
      pollMs: 1,
    });
    return { ...ran, code };
  } finally {
    aws.stacks.time.stands = false;
    process.env = saved;
  }
}

export const run = async (aws: PlayedAws, ...args: string[]): Promise<Ran> =>
  await runUntil(aws, undefined, args);

/** As a person starts it, with Ctrl-C once this text was printed. */
export async function startProgram(
  aws: PlayedAws,
  interruptAt: string,
  args: readonly string[],
): Promise<Ran> {
  aws.stacks.time.stands = true;
  const child = spawn(process.execPath, [program, ...args], { env: environmentOf(aws) });
  const ran = { out: '', err: '' };
  child.stderr.on('data', (chunk: Buffer) => (ran.err += chunk.toString()));
  child.stdout.on('data', (chunk: Buffer) => {
    ran.out += chunk.toString();
    if (ran.out.includes(interruptAt)) child.kill('SIGINT');
  });
  const [code] = (await once(child, 'close')) as [number | null];
  aws.stacks.time.stands = false;
  return { ...ran, code };
}

/** A folder as build:host makes it. Returns the folder and the name of the release. */
export function makeRelease(aws: PlayedAws, loader?: string): { folder: string; name: string } {
  const sha256 = (content: Buffer | string) => createHash('sha256').update(content).digest('hex');
  const archive = smallRelease(loader);
  const sums = `${sha256(archive)}  batchwell-host-x86_64.tar.gz\n`;
  const name = sha256(sums);
  const folder = join(aws.folder, `release-${name}`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'batchwell-host-x86_64.tar.gz'), archive);
  writeFileSync(join(folder, 'SHA256SUMS'), sums);
  return { folder, name };
}

async function withS3<T>({ s3 }: PlayedAws, work: (client: S3Client) => Promise<T>): Promise<T> {
  const client = new S3Client({
    endpoint: s3.url,
    forcePathStyle: true,
    region: 'eu-west-1',
    credentials: { accessKeyId: 'lab', secretAccessKey: 'secret' },
  });
  try {
    return await work(client);
  } finally {
    client.destroy();
  }
}

const Bucket = 'release-bucket';

export const releasedKeys = async (aws: PlayedAws): Promise<string[]> =>
  await withS3(aws, async (client) => {
    const { Contents: objects = [] } = await client.send(new ListObjectsV2Command({ Bucket }));
    return objects.map(({ Key: key = '' }) => key).toSorted();
  });

export const putReleased = async (aws: PlayedAws, Key: string, Body: string): Promise<void> => {
  await withS3(
    aws,
    async (client) => await client.send(new PutObjectCommand({ Bucket, Key, Body })),
  );
};

/** A program on PATH. */
export function stub(aws: PlayedAws, name: string, text: string): void {
  const bin = join(aws.folder, 'bin');
  mkdirSync(bin, { recursive: true });
  writeFileSync(join(bin, name), `#!/bin/sh\nPATH=/usr/bin:/bin\n${text}\n`);
  chmodSync(join(bin, name), 0o755);
}
