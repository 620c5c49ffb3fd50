/** A fleet as on AWS: API, worker and tasks with keys of their own, so that each request has its role. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { fileURLToPath } from 'node:url';
import { openObjectStore, type ObjectStore } from '../../aws/s3.ts';
import { startMariadb } from '../../cli/services/mariadb.ts';
import { startRedis } from '../../cli/services/redis.ts';
import { createProcessGroup } from '../../cli/stack/processes.ts';
import { startApiProgram, startWorkerProgram } from '../../cli/stack/programs.ts';
import { startLocalBatch } from '../../packages/local-aws/batch/server.ts';
import { startLocalS3 } from '../../packages/local-aws/s3/server.ts';
import { assembleHostFolder } from '../../stager/host-folder.ts';
import { createMetrics } from '../../telemetry/metrics.ts';
import { startRecorder, type Noted } from './recorder.ts';

export const PART_BYTES = 64 * 1024;

const run = promisify(execFile);
const program = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));

export interface Fleet {
  apiUrl: string;
  noted: Noted[];
  unknown: Set<string>;
  environmentOf(role: string): Record<string, string>;
  /** Runs `batchwell …` with the keys of a role. */
  cli(role: string, ...args: string[]): Promise<string>;
  /** Of a role. Objects above `PART_BYTES` are copied in parts, as above 5 GiB on AWS. */
  objectsOf(role: string): ObjectStore;
  stop(): Promise<void>;
}

export async function startFleet(settings: Record<string, string>): Promise<Fleet> {
  const folder = await mkdtemp(join(tmpdir(), 'batchwell-access-'));
  const processes = createProcessGroup();
  const noted: Noted[] = [];
  const unknown = new Set<string>();
  const [redis, database, s3] = await Promise.all([
    startRedis(),
    startMariadb(),
    startLocalS3({
      dataFolder: join(folder, 's3'),
      createBuckets: ['work', 'reads', 'results'],
      region: 'eu-west-1',
      copyLimitBytes: PART_BYTES,
      partMinBytes: 1024,
    }),
    assembleHostFolder(join(folder, 'host')),
  ]);
  processes.add({ title: 'Redis', ...redis });
  processes.add({ title: 'MariaDB', ...database });
  const s3Recorder = await startRecorder('s3', s3.url, noted, unknown);
  const keysOf = (role: string) => ({
    AWS_ACCESS_KEY_ID: role,
    AWS_SECRET_ACCESS_KEY: 'secret',
    AWS_REGION: 'eu-west-1',
    AWS_ENDPOINT_URL_S3: s3Recorder.url,
  });
  const batch = await startLocalBatch({
    dataFolder: join(folder, 'batch'),
    region: 'eu-west-1',
    accountId: '111122223333',
    jobEnvironment: keysOf('task'),
  });
  const batchRecorder = await startRecorder('batch', batch.url, noted, unknown);
  const environmentOf = (role: string): Record<string, string> => ({
    ...(process.env as Record<string, string>),
    ...keysOf(role),
    AWS_ENDPOINT_URL_BATCH: batchRecorder.url,
    BATCHWELL_S3_PATH_STYLE: 'yes',
    BATCHWELL_BUCKET: 'work',
    BATCHWELL_HOST_FOLDER: join(folder, 'host'),
    BATCHWELL_IMAGE_IDENTITY: 'tag',
    BATCHWELL_POLL_MS: '200',
    DATABASE_URL: database.url,
    REDIS_URL: redis.url,
    ...settings,
  });
  const cli = async (role: string, ...args: string[]): Promise<string> =>
    (await run(process.execPath, [program, ...args], { env: environmentOf(role) })).stdout;
  await cli('worker', 'migrate');
  const place = { processes, folder, temporary: true };
  const apiUrl = await startApiProgram(place, environmentOf('api'), {});
  await startWorkerProgram(place, environmentOf('worker'), 1);
  return {
    apiUrl,
    noted,
    unknown,
    environmentOf,
    cli,
    objectsOf: (role) =>
      openObjectStore({
        metrics: createMetrics(),
        pathStyle: true,
        copyLimits: { largestBytes: PART_BYTES, partBytes: PART_BYTES },
        endpoint: {
          url: s3Recorder.url,
          region: 'eu-west-1',
          accessKeyId: role,
          secretAccessKey: 'secret',
        },
      }),
    async stop() {
      await processes.stop();
      await batch.close();
      await Promise.all([batchRecorder, s3Recorder, s3].map((server) => server.close()));
      await rm(folder, { recursive: true, force: true });
    },
  };
}
