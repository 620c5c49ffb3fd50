/**
 * The local S3 as a process of its own:
 *
 *   node packages/local-aws/s3/main.ts --data FOLDER [--port 9000] [--bucket NAME]…
 *     [--region us-east-1] [--latency-ms 0] [--buckets-on-demand]
 *
 * Prints {"url":…,"port":…} on one line when it is ready. SIGTERM and SIGINT close it.
 */
import { parseArgs } from 'node:util';
import { startLocalS3 } from './server.ts';

function wholeNumber(name: string, text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new Error(`--${name} must be a whole number, not ${text}.`);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      data: { type: 'string' },
      port: { type: 'string', default: '0' },
      bucket: { type: 'string', multiple: true, default: [] },
      region: { type: 'string', default: 'us-east-1' },
      'latency-ms': { type: 'string', default: '0' },
      'buckets-on-demand': { type: 'boolean', default: false },
    },
  });
  if (values.data === undefined)
    throw new Error('--data FOLDER is missing. Name a folder for the objects.');
  const s3 = await startLocalS3({
    dataFolder: values.data,
    port: wholeNumber('port', values.port),
    createBuckets: values.bucket,
    region: values.region,
    latencyMs: wholeNumber('latency-ms', values['latency-ms']),
    bucketsOnDemand: values['buckets-on-demand'],
  });
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void s3.close());
  process.stdout.write(`${JSON.stringify({ url: s3.url, port: s3.port })}\n`);
}

await main().catch((cause: unknown) => {
  process.stderr.write(
    `The local S3 did not start: ${cause instanceof Error ? cause.message : String(cause)}\n`,
  );
  process.exitCode = 2;
});
