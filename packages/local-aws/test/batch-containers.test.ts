/**
 * Jobs that really run: what they see, what limits them, and that they leave nothing behind.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import {
  TerminateJobCommand,
  type ContainerProperties,
  type JobDetail,
} from '@aws-sdk/client-batch';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { Container, Ended, Runner } from '../batch/runner.ts';
import { ENGINE_REFUSED_REASON } from '../batch/runners/engine-container.ts';
import { chooseRunner, combineRunners } from '../batch/runners/choose.ts';
import type { LocalBatchOptions } from '../batch/server.ts';
import { findCgroups } from '../batch/runners/cgroups.ts';
import { clientFor, createWorld, temporaryFolder, worldOn, type World } from './batch-world.ts';

// Real processes are slow on a busy machine.
vi.setConfig({ testTimeout: 30_000 });
const PATIENTLY = { timeout: 10_000 };

const TRIAL_FOLDER = '/nonexistent-local-batch';
const NO_ISOLATION = await chooseRunner({ dataFolder: TRIAL_FOLDER, only: 'isolated' }).then(
  () => undefined,
  (cause: Error) => cause.message,
);
const NO_LIMITS = (await findCgroups()) === undefined;

interface Ran {
  job: JobDetail;
  log: string;
}

async function readLog({ batch }: World, jobId: string): Promise<string> {
  return (await fetch(`${batch.url}/_local/logs/${jobId}`)).text();
}

async function isolatedWorld(options: Partial<LocalBatchOptions> = {}): Promise<World> {
  const dataFolder = await temporaryFolder();
  return createWorld({
    dataFolder,
    runner: await chooseRunner({ dataFolder, only: 'isolated' }),
    ...options,
  });
}

async function runIn(
  world: World,
  command: string[],
  containerProperties: Partial<ContainerProperties> = {},
): Promise<Ran> {
  const jobDefinition = await world.define(command, {
    containerProperties: containerProperties as ContainerProperties,
  });
  const job = await world.ended(await world.submit({ jobDefinition }));
  return { job, log: await readLog(world, job.jobId!) };
}

const shell = (script: string) => ['sh', '-c', script];

/** Pids of the machine's processes whose command line holds the text. */
async function processesWith(text: string): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    pids.map(async (pid) =>
      (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).includes(text) ? [pid] : [],
    ),
  );
  return found.flat();
}

describe.skipIf(NO_ISOLATION !== undefined)('an isolated job', () => {
  it('has a root of its own, in which host folders are absent and system folders are read-only', async () => {
    const world = await isolatedWorld();
    await writeFile(join(world.dataFolder, 'secret'), 'of the host');
    const { job, log } = await runIn(
      world,
      shell(
        'mkdir /data /inputs && echo mine > /data/x && cat /data/x; touch /usr/x /etc/x; cat ' +
          `${join(world.dataFolder, 'secret')}; pwd; ls /tmp`,
      ),
    );
    expect(job.container?.exitCode).toBe(0);
    expect(log).toContain('mine\n');
    expect(log).toMatch(/\/usr\/x.*Read-only file system/);
    expect(log).toMatch(/\/etc\/x.*Read-only file system/);
    expect(log).toMatch(/secret.*No such file/);
    expect(log).toMatch(/\n\/\n$/);
    expect(existsSync('/data/x')).toBe(false);
  });

  it('sees no files or processes of other tasks and leaves no scratch folder behind', async () => {
    const world = await isolatedWorld();
    const first = await world.submit({
      jobDefinition: await world.define(
        shell('echo first > /shared; echo here > /tmp/here; exec sleep 60'),
      ),
    });
    await world.until(first, ({ status }) => status === 'RUNNING');
    const { log } = await runIn(
      world,
      shell('ls /shared /tmp/here; cat /proc/[0-9]*/cmdline | tr "\\0" " "'),
    );
    expect(log).toMatch(/\/shared.*No such file/);
    expect(log).toMatch(/\/tmp\/here.*No such file/);
    expect(log).not.toContain('sleep 60');
    await world.client.send(new TerminateJobCommand({ jobId: first, reason: 'seen enough' }));
    await world.ended(first);
    expect(await readdir(join(world.dataFolder, 'scratch'))).toEqual([]);
  });

  it('gets the volumes of its definition, read-only where it says so, also inside a system folder', async () => {
    const world = await isolatedWorld();
    const tool = join(await temporaryFolder(), 'tool');
    const shared = join(await temporaryFolder(), 'made', 'by', 'Batch');
    await mkdir(tool);
    await writeFile(join(tool, 'program'), 'the program');
    const { job } = await runIn(
      world,
      shell(
        'cat /opt/batchwell/program && ! touch /opt/batchwell/y && echo out > /mnt/shared/out && touch /own/x',
      ),
      {
        volumes: [
          { name: 'tool', host: { sourcePath: tool } },
          { name: 'shared', host: { sourcePath: shared } },
          { name: 'own' },
        ],
        mountPoints: [
          { sourceVolume: 'tool', containerPath: '/opt/batchwell', readOnly: true },
          { sourceVolume: 'shared', containerPath: '/mnt/shared' },
          { sourceVolume: 'own', containerPath: '/own' },
        ],
      },
    );
    expect(job.container?.exitCode).toBe(0);
    expect(await readFile(join(shared, 'out'), 'utf8')).toBe('out\n');
    expect(await readdir(tool)).toEqual(['program']);
  });

  it('gets exactly its environment, hidden from process lists, and reaches the loopback of the host', async () => {
    process.env['LOCAL_BATCH_TEST_SECRET'] = 'must not leak';
    onTestFinished(() => void delete process.env['LOCAL_BATCH_TEST_SECRET']);
    const awkward = 'a b\n"c" $d \'e\' é';
    const world = await isolatedWorld({
      jobEnvironment: { AWKWARD: awkward, KEY: 'k-4711-in-no-list' },
    });
    const script =
      'process.stdout.write(JSON.stringify(process.env)); ' +
      'fetch(process.argv[1]).then((answer) => console.log("\\nstatus", answer.status))';
    const { log } = await runIn(world, ['node', '-e', script, `${world.batch.url}/_local/health`], {
      resourceRequirements: [
        { type: 'VCPU', value: '1' },
        { type: 'MEMORY', value: '1024' },
      ],
    });
    const [environment, status] = log.split('\n');
    expect(JSON.parse(environment!)).toMatchObject({
      AWKWARD: awkward,
      HOME: '/root',
      AWS_BATCH_JQ_NAME: 'batchwell',
    });
    expect(environment).not.toContain('must not leak');
    expect(status).toBe('status 200');
    const sleeper = await world.submit({ jobDefinition: await world.define(['sleep', '60']) });
    await world.until(sleeper, ({ status: at }) => at === 'RUNNING');
    expect(await processesWith('k-4711-in-no-list')).toEqual([]);
  });

  it('shows its exit code, or 127 when the command does not exist, as Docker does', async () => {
    const world = await isolatedWorld();
    expect((await runIn(world, shell('exit 42'))).job.container).toMatchObject({ exitCode: 42 });
    const { job } = await runIn(world, ['no-such-program', 'x']);
    expect(job).toMatchObject({
      status: 'FAILED',
      statusReason: 'Task failed to start',
      container: {
        exitCode: 127,
        reason: expect.stringMatching(
          /^CannotStartContainerError.*no-such-program.*not found in \$PATH/,
        ),
      },
    });
  });

  it('receives SIGTERM when it is terminated and SIGKILL after the grace period', async () => {
    const world = await isolatedWorld({ graceMs: 200 });
    const listens = await world.define(
      shell('trap "echo heard it; exit 9" TERM; echo ready; sleep 60 & wait'),
    );
    const deaf = await world.define(shell('trap "" TERM; echo ready; while :; do sleep 1; done'));
    for (const [jobDefinition, exitCode, log] of [
      [listens, 9, 'ready\nheard it\n'],
      [deaf, 137, 'ready\n'],
    ] as const) {
      const jobId = await world.submit({ jobDefinition });
      await expect.poll(() => readLog(world, jobId), PATIENTLY).toBe('ready\n');
      await world.client.send(new TerminateJobCommand({ jobId, reason: 'enough' }));
      expect(await world.ended(jobId)).toMatchObject({
        statusReason: 'enough',
        container: { exitCode },
      });
      expect(await readLog(world, jobId)).toBe(log);
    }
  });

  it('is ended by its timeout', async () => {
    const world = await isolatedWorld();
    const jobDefinition = await world.define(['sleep', '60'], {
      timeout: { attemptDurationSeconds: 1 },
    });
    expect(await world.ended(await world.submit({ jobDefinition }))).toMatchObject({
      statusReason: 'Job attempt duration exceeded timeout',
      container: { exitCode: 143 },
    });
  });

  it.skipIf(NO_LIMITS)('is killed when it exceeds its memory, with AWS’s reason', async () => {
    const world = await isolatedWorld();
    const { job } = await runIn(world, ['node', '-e', 'Buffer.alloc(400 << 20, 1)'], {
      resourceRequirements: [
        { type: 'VCPU', value: '1' },
        { type: 'MEMORY', value: '128' },
      ],
    });
    expect(job.container).toMatchObject({
      exitCode: 137,
      reason: 'OutOfMemoryError: Container killed due to memory usage',
    });
  });
});

async function startProcess(dataFolder: string, more: Record<string, unknown> = {}) {
  const child = spawn(process.execPath, ['packages/local-aws/batch/main.ts', '-'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  child.stdin.end(
    JSON.stringify({
      dataFolder,
      runner: 'isolated',
      throttle: 'off',
      minTimeoutSeconds: 1,
      ...more,
    }),
  );
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as string[];
  const { url } = JSON.parse(line ?? '{}') as { url: string };
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  return { child, exited, world: worldOn({ url } as World['batch'], clientFor(url), dataFolder) };
}

/** A job with a child and a grandchild. The command line of each contains its own text. */
async function startFamily(world: World, mark: string): Promise<string> {
  const jobDefinition = await world.define(
    shell(
      `sh -c 'sleep 61; : ${mark}' & (setsid sh -c 'sleep 62; : ${mark}' &) ; sleep 63; : ${mark}`,
    ),
  );
  const jobId = await world.submit({
    jobDefinition,
    retryStrategy: {
      attempts: 2,
      evaluateOnExit: [{ onStatusReason: 'Host EC2*', action: 'RETRY' }],
    },
  });
  // The isolating program's own two processes, and the three shells.
  await expect
    .poll(async () => (await processesWith(mark)).length, PATIENTLY)
    .toBeGreaterThanOrEqual(5);
  return jobId;
}

describe.skipIf(NO_ISOLATION !== undefined)('a job past its retention period', () => {
  it('is forgotten together with its log', async () => {
    const world = await isolatedWorld({ keep: { finishedJobs: 1 } });
    const { job: first } = await runIn(world, ['echo', 'first']);
    await runIn(world, ['echo', 'second']);
    const { log } = await runIn(world, ['echo', 'third']);
    expect(log).toBe('third\n');
    await expect(world.describe(first.jobId!)).rejects.toThrow(/does not know/);
    await expect.poll(() => readdir(join(world.dataFolder, 'logs')), PATIENTLY).toHaveLength(2);
  });
});

const runnerOf = (name: string, ended: Ended): Runner => ({
  name,
  keepsLogs: true,
  start: () => ({ ended: Promise.resolve(ended), kill: () => undefined }),
});

describe('a job whose image the container engine has', () => {
  const container: Container = {
    jobId: 'j',
    jobName: 'j',
    attempt: 1,
    taskId: 't',
    image: 'known',
    command: [],
    environment: {},
    vcpus: 1,
    memoryMiB: 1,
    mounts: [],
    readonlyRoot: false,
    logFile: '/nonexistent',
  };
  const engineOf = (ended: Ended) => ({
    ...runnerOf('container', ended),
    hasImage: async (image: string) => image === 'known',
  });
  const other = runnerOf('isolated', { exitCode: 2 });

  it('runs in the engine; other jobs and jobs that the engine refuses run isolated', async () => {
    const works = combineRunners(engineOf({ exitCode: 1 }), other);
    expect(await works.start(container).ended).toEqual({ exitCode: 1 });
    expect(await works.start({ ...container, image: 'unknown' }).ended).toEqual({ exitCode: 2 });
    const refuses = combineRunners(
      engineOf({ neverStarted: true, reason: ENGINE_REFUSED_REASON }),
      other,
    );
    expect(await refuses.start(container).ended).toEqual({ exitCode: 2 });
  });
});

describe.skipIf(NO_ISOLATION !== undefined)('the local Batch process', () => {
  it('leaves no process behind after SIGTERM', async () => {
    const { child, exited, world } = await startProcess(await temporaryFolder());
    await startFamily(world, 'mark-of-sigterm');
    child.kill('SIGTERM');
    expect(await exited).toBe(0);
    expect(await processesWith('mark-of-sigterm')).toEqual([]);
  });

  it('leaves no process behind after SIGKILL, and the next server retries the job as a lost host', async () => {
    const dataFolder = await temporaryFolder();
    const before = await startProcess(dataFolder);
    const jobId = await startFamily(before.world, 'mark-of-sigkill');
    before.child.kill('SIGKILL');
    await before.exited;
    await expect.poll(() => processesWith('mark-of-sigkill'), PATIENTLY).toEqual([]);
    const after = await startProcess(dataFolder, { runner: 'simulated' });
    const job = await after.world.ended(jobId);
    expect(job.status).toBe('SUCCEEDED');
    expect(job.attempts?.map(({ statusReason }) => statusReason)).toEqual([
      expect.stringMatching(/^Host EC2/),
      'Essential container in task exited',
    ]);
    expect(existsSync(join(dataFolder, 'journal.jsonl'))).toBe(true);
  });

  it('reports every invalid setting at once', async () => {
    const child = spawn(process.execPath, ['packages/local-aws/batch/main.ts', '-'], {
      stdio: ['pipe', 'ignore', 'pipe'],
    });
    child.stdin.end(JSON.stringify({ port: 'x', slots: 3 }));
    let told = '';
    child.stderr.on('data', (chunk: Buffer) => {
      told += chunk.toString();
    });
    expect(await new Promise((resolve) => child.once('close', resolve))).toBe(2);
    expect(told.trim().split('\n')).toEqual([
      'local batch: port: expected a port, got "x"',
      'local batch: slots: no such setting',
      'local batch: dataFolder: expected a folder, got nothing',
    ]);
  });
});
