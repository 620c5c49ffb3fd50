/** What a definition gives its container besides image, command and size. */
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ContainerProperties } from '@aws-sdk/client-batch';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { Container } from '../batch/runner.ts';
import { createEngineRunner } from '../batch/runners/engine-container.ts';
import { chooseRunner } from '../batch/runners/choose.ts';
import { createSimulatedRunner } from '../batch/runners/simulated.ts';
import { createWorld, refusal, temporaryFolder, type World } from './batch-world.ts';

vi.setConfig({ testTimeout: 30_000 });

const SECRET = 'arn:aws:secretsmanager:us-east-1:123456789012:secret:db-AbCdEf';
const ROLE = 'arn:aws:iam::123456789012:role/execution';
const NO_ISOLATION = await chooseRunner({
  dataFolder: '/nonexistent-local-batch',
  only: 'isolated',
}).then(
  () => undefined,
  (cause: Error) => cause.message,
);

async function run(world: World, script: string, properties: Partial<ContainerProperties>) {
  const jobDefinition = await world.define(['sh', '-c', script], {
    containerProperties: properties as ContainerProperties,
  });
  const job = await world.ended(await world.submit({ jobDefinition }));
  const log = await (await fetch(`${world.batch.url}/_local/logs/${job.jobId}`)).text();
  return { job, log };
}

async function isolatedWorld(): Promise<World> {
  const dataFolder = await temporaryFolder();
  return createWorld({
    dataFolder,
    runner: await chooseRunner({ dataFolder, only: 'isolated' }),
  });
}

describe.skipIf(NO_ISOLATION !== undefined)('an isolated job', () => {
  it('runs as the user, under the limits and with the memory folders of its definition', async () => {
    const world = await isolatedWorld();
    const { log } = await run(
      world,
      'id -u; id -g; ulimit -Sn; ulimit -Hn; df -B1K --output=target,size /dev/shm /fast | tail -n 2; touch /fast/x /tmp/x && echo wrote; touch /x || echo refused',
      {
        user: '1000:1001',
        ulimits: [{ name: 'nofile', softLimit: 100, hardLimit: 200 }],
        linuxParameters: { sharedMemorySize: 10, tmpfs: [{ containerPath: '/fast', size: 1 }] },
      },
    );
    const lines = log.split('\n').map((line) => line.replaceAll(/ +/g, ' '));
    expect(lines.slice(0, 4)).toEqual(['1000', '1001', '100', '200']);
    expect(lines).toEqual(
      expect.arrayContaining(['/dev/shm 10240', '/fast 1024', 'wrote', 'refused']),
    );
  });

  it.each([
    ['nobody', 'nobody'],
    ['54321', '54321 with group 0'],
  ])('runs as the user %s with the group that Docker gives it', async (user, who) => {
    const world = await isolatedWorld();
    const { log } = await run(
      world,
      'if id -un >/dev/null 2>&1; then id -un; test "$(id -g)" = "$(id -g nobody)" || id -g; else echo "$(id -u) with group $(id -g)"; fi',
      { user },
    );
    expect(log).toBe(`${who}\n`);
  });

  it('sees its mounts also as another user than root', async () => {
    const world = await isolatedWorld();
    const hostFolder = await temporaryFolder();
    await chmod(hostFolder, 0o755);
    await writeFile(join(hostFolder, 'marker'), 'here\n');
    const { log } = await run(world, 'cat /opt/one/two/marker', {
      user: '1000:1001',
      volumes: [{ name: 'v', host: { sourcePath: hostFolder } }],
      mountPoints: [{ sourceVolume: 'v', containerPath: '/opt/one/two', readOnly: true }],
    });
    expect(log).toBe('here\n');
  });

  it('shares a file system with other jobs, each in its own folder of it', async () => {
    const world = await isolatedWorld();
    const volume = (rootDirectory: string): Partial<ContainerProperties> => ({
      volumes: [
        { name: 'v', efsVolumeConfiguration: { fileSystemId: 'fs-0123abcd', rootDirectory } },
      ],
      mountPoints: [{ sourceVolume: 'v', containerPath: '/shared', readOnly: false }],
    });
    await run(world, 'echo ann > /shared/whose', volume('/home/ann'));
    expect((await run(world, 'cat /shared/whose', volume('/home/ann'))).log).toBe('ann\n');
    expect((await run(world, 'cat /shared/whose', volume('/home/bob'))).log).toMatch(
      /No such file/,
    );
    expect((await run(world, 'cat /shared/home/ann/whose', volume('/'))).log).toBe('ann\n');
  });

  it('finds its secrets in its environment, whole or one value of them', async () => {
    const world = await isolatedWorld();
    await writeFile(
      join(world.dataFolder, 'secrets.json'),
      JSON.stringify({ [SECRET]: '{"user":"ann","password":"s3cret-7"}' }),
    );
    const { log, job } = await run(world, 'echo "$WHOLE"; echo "$PART" | wc -c', {
      executionRoleArn: ROLE,
      secrets: [
        { name: 'WHOLE', valueFrom: SECRET },
        { name: 'PART', valueFrom: `${SECRET}:password::` },
      ],
    });
    expect(log).toBe('{"user":"ann","password":"s3cret-7"}\n9\n');
    expect(JSON.stringify(job)).not.toContain('s3cret-7');
    const journal = await readFile(join(world.dataFolder, 'journal.jsonl'), 'utf8');
    expect(journal).not.toContain('s3cret-7');
  });
});

describe('a job', () => {
  it.each([
    ['a secret', { secrets: [{ name: 'A', valueFrom: SECRET }] }],
    ['a login to a registry', { repositoryCredentials: { credentialsParameter: SECRET } }],
  ])(
    'whose definition names %s that does not exist does not start, in AWS’s words',
    async (_, more) => {
      const world = await createWorld({ runner: createSimulatedRunner(() => ({ durationMs: 0 })) });
      const jobDefinition = await world.define(['true'], {
        containerProperties: { executionRoleArn: ROLE, ...more } as ContainerProperties,
      });
      const job = await world.ended(await world.submit({ jobDefinition }));
      expect(job).toMatchObject({
        status: 'FAILED',
        statusReason: 'Task failed to start',
        container: {
          reason: expect.stringMatching(
            /^ResourceInitializationError: .*ResourceNotFoundException/,
          ),
        },
      });
      expect(world.batch.ledger.starts()).toEqual([]);
    },
  );

  it.each<[string, Partial<ContainerProperties>]>([
    ['executionRoleArn is required', { secrets: [{ name: 'A', valueFrom: SECRET }] }],
    [
      'only one configuration',
      {
        volumes: [
          {
            name: 'v',
            host: { sourcePath: '/x' },
            efsVolumeConfiguration: { fileSystemId: 'fs-1' },
          },
        ],
      },
    ],
    [
      'rootDirectory must be omitted',
      {
        volumes: [
          {
            name: 'v',
            efsVolumeConfiguration: {
              fileSystemId: 'fs-1',
              rootDirectory: '/x',
              transitEncryption: 'ENABLED',
              authorizationConfig: { accessPointId: 'fsap-1' },
            },
          },
        ],
      },
    ],
    [
      'hardLimit: is required',
      { ulimits: [{ name: 'nofile', softLimit: 1, hardLimit: undefined }] },
    ],
  ])('is refused at its registration: %s', async (words, more) => {
    const world = await createWorld({ runner: createSimulatedRunner(() => ({ durationMs: 0 })) });
    await expect(
      world.define(['true'], { containerProperties: more as ContainerProperties }),
    ).rejects.toMatchObject(refusal(new RegExp(words)));
  });
});

/** What a container engine is told, a line for each argument. */
async function toldEngine(more: Partial<Container>, options = {}): Promise<string[]> {
  const dataFolder = await temporaryFolder();
  await mkdir(dataFolder, { recursive: true });
  const program = join(dataFolder, 'podman');
  await writeFile(program, '#!/bin/sh\nprintf "%s\\n" "$@"; echo "TOKEN is $TOKEN"\n');
  await chmod(program, 0o755);
  const runner = createEngineRunner({ dataFolder, program, ...options });
  onTestFinished(() => runner.sweep?.());
  const container: Container = {
    jobId: 'j',
    jobName: 'job',
    attempt: 1,
    taskId: 't',
    image: 'lab/tool',
    command: ['true'],
    environment: { TOKEN: 's3cret-7' },
    vcpus: 1,
    memoryMiB: 64,
    mounts: [],
    readonlyRoot: false,
    logFile: join(dataFolder, 'log'),
    ...more,
  };
  await runner.start(container).ended;
  return (await readFile(container.logFile, 'utf8')).split('\n');
}

it('a container engine is told user, limits, shared memory and memory folders, and no secret in its arguments', async () => {
  const told = await toldEngine({
    extras: {
      user: '0',
      ulimits: [{ name: 'nofile', soft: 1, hard: -1 }],
      sharedMemoryMiB: 128,
      tmpfs: [{ path: '/fast', sizeMiB: 5 }],
    },
  });
  expect(told).toEqual(
    expect.arrayContaining([
      '--user=0',
      '--ulimit=nofile=1:-1',
      '--shm-size=128m',
      '--tmpfs=/fast:rw,nosuid,nodev,exec,mode=1777,size=5m',
      'TOKEN is s3cret-7',
    ]),
  );
  expect(told.filter((line) => line.includes('s3cret-7'))).toHaveLength(1);
});

it('a container engine is told to ignore the ENTRYPOINT of containers that mount the folder of the setting', async () => {
  const at = (containerPath: string): Partial<Container> => ({
    mounts: [{ volume: 'v', hostPath: '/opt/host', containerPath, readOnly: true }],
  });
  const setting = { withoutEntrypointAt: '/opt/batchwell' };
  expect(await toldEngine(at('/opt/batchwell'), setting)).toContain('--entrypoint=');
  expect(await toldEngine(at('/data'), setting)).not.toContain('--entrypoint=');
  expect(await toldEngine({}, setting)).not.toContain('--entrypoint=');
  expect(await toldEngine(at('/opt/batchwell'))).not.toContain('--entrypoint=');
});
