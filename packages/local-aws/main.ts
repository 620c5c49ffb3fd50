/**
 * The local AWS as one program, for a container of its own:
 *
 *   node packages/local-aws/main.ts --data FOLDER [--host 127.0.0.1] [--s3-port 9000] [--batch-port 9001] [--bucket batchwell] [--region us-east-1]
 *
 * S3 and Batch themselves listen on loopback only, since neither asks who calls. `--host` opens
 * them to a network that is private, as that of Docker Compose is.
 */
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startOwnedServer, type OwnedServer } from '../../cli/services/owned-server.ts';
import { freePort } from '../../cli/services/ports.ts';

const { values } = parseArgs({
  options: {
    data: { type: 'string' },
    host: { type: 'string', default: '127.0.0.1' },
    's3-port': { type: 'string', default: '9000' },
    'batch-port': { type: 'string', default: '9001' },
    bucket: { type: 'string', default: 'batchwell' },
    region: { type: 'string', default: 'us-east-1' },
  },
});
if (values.data === undefined)
  throw new Error('--data FOLDER is missing: where should objects and jobs lie?');
const dataFolder = resolve(values.data);
const isOpen = values.host !== '127.0.0.1';

function wholePort(name: 's3-port' | 'batch-port'): number {
  const port = Number(values[name]);
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new Error(`--${name} expects a port from 1 to 65535, got ${values[name]}`);
  return port;
}

function startPart(title: string, script: string, args: string[]): Promise<OwnedServer> {
  return startOwnedServer({
    title,
    program: process.execPath,
    args: [fileURLToPath(new URL(script, import.meta.url)), ...args],
    readyLine: /^\{"url":/,
    readyWithinMs: 30_000,
    stopWithinMs: 10_000,
  });
}

/** Passes every connection on to loopback. */
async function openTo(host: string, port: number, innerPort: number): Promise<Server> {
  const server = createServer((outer) => {
    const inner = connect(innerPort, '127.0.0.1');
    outer.on('error', () => inner.destroy()).pipe(inner);
    inner.on('error', () => outer.destroy()).pipe(outer);
  }).listen(port, host);
  await once(server, 'listening');
  return server;
}

const s3Port = isOpen ? await freePort() : wholePort('s3-port');
const s3Folder = join(dataFolder, 's3');
await mkdir(s3Folder, { recursive: true });
const s3 = await startPart('The local S3', 's3/main.ts', [
  '--data',
  s3Folder,
  '--port',
  String(s3Port),
  '--bucket',
  values.bucket,
  '--region',
  values.region,
]);

const batchPort = isOpen ? await freePort() : wholePort('batch-port');
// What a job role would give to a container: a way to S3.
const jobEnvironment = {
  AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${s3Port}`,
  AWS_REGION: values.region,
  AWS_ACCESS_KEY_ID: 'local',
  AWS_SECRET_ACCESS_KEY: 'local',
};
const batchSettings = join(dataFolder, 'batch.json');
await writeFile(
  batchSettings,
  JSON.stringify({
    dataFolder: join(dataFolder, 'batch'),
    port: batchPort,
    region: values.region,
    jobEnvironment,
  }),
);
const batch = await startPart('The local Batch', 'batch/main.ts', [batchSettings]);

const doors = isOpen
  ? [
      await openTo(values.host, wholePort('s3-port'), s3Port),
      await openTo(values.host, wholePort('batch-port'), batchPort),
    ]
  : [];
process.stdout.write(
  `${JSON.stringify({ s3: `http://${values.host}:${values['s3-port']}`, batch: `http://${values.host}:${values['batch-port']}` })}\n`,
);

const asked = new Promise<undefined>((resolve) => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    process.once(signal, () => resolve(undefined));
});
const trouble = await Promise.race([
  asked,
  s3.ended.then((how) => `The local S3 ended with ${how}.`),
  batch.ended.then((how) => `The local Batch ended with ${how}.`),
]);
if (trouble !== undefined) process.stderr.write(`${trouble}\n`);
for (const door of doors) door.close();
await Promise.all([s3.stop(), batch.stop()]);
process.exit(trouble === undefined ? 0 : 1);
