/**
 * A world for one stager test: its own S3, its own folder, and the bundled stager as a child
 * process.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { scriptBeside, submissionPrefix } from '../../core/files/s3-layout.ts';
import { SECRET_VARIABLE } from '../../core/submission/proof.ts';
import { encodeManifest } from '../../core/submission/manifest.ts';
import { parseResultBody } from '../../core/result/result-body.ts';
import { decodeResultKey } from '../../core/result/result-key.ts';
import type { ResultRecord } from '../../core/result/result.ts';
import { renderScript, renderValues } from '../../core/container/script.ts';
import type { TaskSpec } from '../../core/task/task.ts';
import { splitTask } from '../../core/task/template.ts';
import { bundleStager } from '../../stager/bundle.ts';
import { startS3Between } from './s3-between.ts';
import type { S3Between } from './s3-between.ts';

const BUCKET = 'work';
/** Of the submission of every world. */
export const SECRET = Buffer.alloc(32, 7);
const SUBMISSION = submissionPrefix({
  installation: 'c0'.repeat(8),
  owner: 'ann',
  submissionKey: 'ab'.repeat(16),
});
export const PREFIX = `${BUCKET}/${SUBMISSION}`;

/**
 * The command of the bundled stager, which is built before the tests of the file and removed after
 * them.
 */
export function useBuiltStager(): readonly string[] {
  const command: string[] = [];
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'stager-built-'));
    await bundleStager(join(folder, 'stager.mjs'));
    command.push(process.execPath, join(folder, 'stager.mjs'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));
  return command;
}

export interface Ended {
  code: number | null;
  /** What the stager logged. */
  events: Record<string, unknown>[];
  output: string;
}

export interface Running {
  child: ChildProcess;
  /** Resolves at the first log line of this event. */
  saw(event: string): Promise<void>;
  ended: Promise<Ended>;
}

export interface World {
  s3: S3Between;
  folder: string;
  /** Writes a submission of these tasks to S3. */
  submit(...tasks: TaskSpec[]): Promise<void>;
  start(command: readonly string[], env?: Record<string, string>): Running;
  result(index?: number): Promise<{ attempt: number; record: ResultRecord } | undefined>;
  log(name: string, index?: number, attempt?: number): Promise<string | undefined>;
  close(): Promise<void>;
}

export const emptyTask = (spec: Partial<TaskSpec>): TaskSpec => ({
  inputs: [],
  outputs: [],
  executors: [],
  volumes: [],
  resources: { cpu_cores: 1, ram_gb: 1, disk_gb: 1, preemptible: false },
  ...spec,
});

/** A shell one-liner as an executor. */
export const shell = (script: string): { image: string; command: string[] } => ({
  image: 'none',
  command: ['/bin/sh', '-c', script],
});

/** A shell one-liner as an executor that runs in a folder. */
export const command = (script: string, workdir: string, more: object = {}) => ({
  ...shell(script),
  workdir,
  ...more,
});

function follow(child: ChildProcess): Running {
  let output = '';
  const waiting: (() => void)[] = [];
  const take = (chunk: Buffer): void => {
    output += chunk.toString('utf8');
    for (const look of waiting) look();
  };
  child.stdout?.on('data', take);
  child.stderr?.on('data', take);
  const events = () =>
    output
      .split('\n')
      .filter((line) => line.startsWith('{"event"'))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, events: events(), output }));
  });
  const saw = (event: string) =>
    new Promise<void>((resolve) => {
      const look = () => output.includes(`"event":"${event}"`) && resolve();
      waiting.push(look);
      look();
    });
  return { child, saw, ended };
}

export async function makeWorld(): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), 'stager-world-'));
  const s3Folder = await mkdtemp(join(tmpdir(), 'stager-s3-'));
  const s3 = await startS3Between(s3Folder, [BUCKET, 'data', 'out']);
  const children = new Set<ChildProcess>();

  return {
    s3,
    folder,
    async submit(...tasks) {
      const parts = await Promise.all(
        tasks.map(async (task) => {
          const { template, values } = splitTask(task);
          const script = renderScript(template);
          const scriptSha256 = createHash('sha256').update(script).digest('hex');
          await s3.put(`${BUCKET}/${scriptBeside(SUBMISSION, scriptSha256)}`, script);
          return { scriptSha256, values: renderValues(template, values), attempt: '1.1' };
        }),
      );
      await s3.put(`${PREFIX}manifest`, encodeManifest(SECRET, parts));
    },
    start(command, env = {}) {
      const [program = '', ...args] = command;
      const child = spawn(program, args, {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: {
          PATH: '/usr/bin:/bin',
          AWS_ENDPOINT_URL_S3: s3.url,
          AWS_ACCESS_KEY_ID: 'local',
          AWS_SECRET_ACCESS_KEY: 'local',
          AWS_REGION: 'us-east-1',
          BATCHWELL_SUBMISSION: `s3://${BUCKET}/${SUBMISSION}`,
          [SECRET_VARIABLE]: SECRET.toString('base64url'),
          AWS_BATCH_JOB_ID: 'job-1',
          AWS_BATCH_JOB_ATTEMPT: '1',
          BATCHWELL_SCRATCH: folder,
          ...env,
        },
      });
      children.add(child);
      child.once('close', () => children.delete(child));
      return follow(child);
    },
    async result(index = 0) {
      for (const name of await s3.names(`${PREFIX}results/`)) {
        const seen = decodeResultKey(SECRET, name.slice(`${PREFIX}results/`.length));
        if (seen?.index === index)
          return {
            attempt: seen.attempt,
            record: parseResultBody(JSON.parse((await s3.text(name)) ?? '')),
          };
      }
      return undefined;
    },
    log: (name, index = 0, attempt = 1) =>
      s3.text(`${PREFIX}logs/${String(index).padStart(5, '0')}/${attempt}/${name}`),
    async close() {
      for (const child of children) child.kill('SIGKILL');
      await s3.close();
      for (const made of [folder, s3Folder]) await rm(made, { recursive: true, force: true });
    },
  };
}
