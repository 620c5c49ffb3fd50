/** A job of Batchwell without a fleet: its manifest and script in the local S3, and what it left there. */
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { renderScript, renderValues } from '../../../core/container/script.ts';
import { scriptBeside, submissionPrefix } from '../../../core/files/s3-layout.ts';
import { decodeResultKey } from '../../../core/result/result-key.ts';
import { isStartKey } from '../../../core/result/start-key.ts';
import { encodeManifest } from '../../../core/submission/manifest.ts';
import { SECRET_VARIABLE } from '../../../core/submission/proof.ts';
import { splitTask } from '../../../core/task/template.ts';
import { startLocalS3 } from '../../../packages/local-aws/s3/server.ts';

const BUCKET = 'work';
const SUBMISSION_SECRET = Buffer.alloc(32, 7);
const SUBMISSION = submissionPrefix({
  installation: 'c0'.repeat(8),
  owner: 'ann',
  submissionKey: 'ab'.repeat(16),
});

export interface PlayedJob {
  /** What the fleet puts into the environment of the container. */
  environment: Record<string, string>;
  log(name: string): Promise<string>;
  /** Keys of proven result records. */
  results(): Promise<string[]>;
  close(): Promise<void>;
}

/** A task of one shell script. */
export async function playJob(script: string): Promise<PlayedJob> {
  const folder = await mkdtemp(join(tmpdir(), 'batchwell-job-'));
  const s3 = await startLocalS3({ dataFolder: folder, createBuckets: [BUCKET] });
  const client = new S3Client({
    endpoint: s3.url,
    forcePathStyle: true,
    region: 'eu-west-1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  });
  const put = (Key: string, Body: string | Buffer) =>
    client.send(new PutObjectCommand({ Bucket: BUCKET, Key, Body }));

  const { template, values } = splitTask({
    inputs: [],
    outputs: [],
    volumes: [],
    executors: [{ image: 'none', command: ['/bin/sh', '-c', script] }],
    resources: { cpu_cores: 1, ram_gb: 1, disk_gb: 1, preemptible: false },
  });
  const text = renderScript(template);
  const scriptSha256 = createHash('sha256').update(text).digest('hex');
  await put(scriptBeside(SUBMISSION, scriptSha256), text);
  const part = { scriptSha256, values: renderValues(template, values), attempt: '1.1' };
  await put(`${SUBMISSION}manifest`, encodeManifest(SUBMISSION_SECRET, [part]));

  return {
    environment: {
      AWS_ENDPOINT_URL_S3: s3.url,
      AWS_REGION: 'eu-west-1',
      AWS_BATCH_JOB_ID: 'job-1',
      AWS_BATCH_JOB_ATTEMPT: '1',
      BATCHWELL_SUBMISSION: `s3://${BUCKET}/${SUBMISSION}`,
      [SECRET_VARIABLE]: SUBMISSION_SECRET.toString('base64url'),
    },
    async log(name) {
      const Key = `${SUBMISSION}logs/00000/1/${name}`;
      const { Body } = await client.send(new GetObjectCommand({ Bucket: BUCKET, Key }));
      return (await Body?.transformToString()) ?? '';
    },
    async results() {
      const Prefix = `${SUBMISSION}results/`;
      const { Contents } = await client.send(new ListObjectsV2Command({ Bucket: BUCKET, Prefix }));
      return (Contents ?? [])
        .map(({ Key = '' }) => Key.slice(Prefix.length))
        .filter((key) => !isStartKey(key) && decodeResultKey(SUBMISSION_SECRET, key) !== undefined);
    },
    async close() {
      client.destroy();
      await s3.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
