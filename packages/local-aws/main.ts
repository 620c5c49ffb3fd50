#!/usr/bin/env node
/**
 * S3 and Batch as one program: reads the command line, starts both servers, stops them on a signal.
 * The folders s3/ and batch/ hold one service each; the files here serve both.
 */
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { startLocalBatch } from './batch/server.ts';
import { startLocalS3, type LocalS3 } from './s3/server.ts';

const HELP = `Usage: local-aws --data FOLDER [options]

Serves S3 and AWS Batch on this machine until it receives SIGTERM or SIGINT.

  --data FOLDER       where objects and jobs are kept; created when it does not exist
  --host ADDRESS      address to listen on (default 127.0.0.1); neither service checks
                      signatures, so use another address only on a private network
  --s3-port PORT      default 9000
  --batch-port PORT   default 9001
  --bucket NAME       bucket to create (default batchwell)
  --region REGION     default us-east-1
  --help              print this text
`;

interface ProgramOptions {
  dataFolder: string;
  host: string;
  s3Port: number;
  batchPort: number;
  bucket: string;
  region: string;
}

function wholePort(name: string, text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new Error(`--${name} must be a port from 1 to 65535, not ${text}.`);
  return port;
}

/** The options, or undefined when the command line asks for help. */
function readOptions(): ProgramOptions | undefined {
  const { values } = parseArgs({
    options: {
      data: { type: 'string' },
      host: { type: 'string', default: '127.0.0.1' },
      's3-port': { type: 'string', default: '9000' },
      'batch-port': { type: 'string', default: '9001' },
      bucket: { type: 'string', default: 'batchwell' },
      region: { type: 'string', default: 'us-east-1' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  if (values.data === undefined)
    throw new Error('--data FOLDER is missing. Name a folder for the objects and jobs.');
  return {
    dataFolder: resolve(values.data),
    host: values.host,
    s3Port: wholePort('s3-port', values['s3-port']),
    batchPort: wholePort('batch-port', values['batch-port']),
    bucket: values.bucket,
    region: values.region,
  };
}

async function startS3(options: ProgramOptions): Promise<LocalS3> {
  const dataFolder = join(options.dataFolder, 's3');
  await mkdir(dataFolder, { recursive: true });
  const { host, s3Port: port, bucket, region } = options;
  return startLocalS3({ dataFolder, host, port, createBuckets: [bucket], region });
}

/** What a job role would give to a container: access to S3. Jobs share the network of this host. */
function jobEnvironment(s3Url: string, region: string): Record<string, string> {
  return {
    AWS_ENDPOINT_URL_S3: s3Url.replace('//0.0.0.0:', '//127.0.0.1:').replace('//[::]:', '//[::1]:'),
    AWS_REGION: region,
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
  };
}

async function serve(options: ProgramOptions): Promise<void> {
  const signalled = new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve());
  });
  const s3 = await startS3(options);
  const batch = await startLocalBatch({
    dataFolder: join(options.dataFolder, 'batch'),
    host: options.host,
    port: options.batchPort,
    region: options.region,
    jobEnvironment: jobEnvironment(s3.url, options.region),
  });
  process.stdout.write(`${JSON.stringify({ s3: s3.url, batch: batch.url })}\n`);
  await signalled;
  // Batch first: its jobs may still write to S3.
  await batch.close();
  await s3.close();
}

async function main(): Promise<void> {
  const options = readOptions();
  if (options === undefined) process.stdout.write(HELP);
  else await serve(options);
}

await main().then(
  () => process.exit(0),
  (cause: unknown) => {
    const reason = cause instanceof Error ? cause.message : String(cause);
    process.stderr.write(`local-aws failed: ${reason}\n`);
    process.exit(1);
  },
);
