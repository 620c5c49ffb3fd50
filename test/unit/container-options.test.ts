import { describe, expect, test } from 'vitest';
import { readConfig } from '../../config.ts';
import { cacheSetting } from '../../core/cache/setting.ts';
import { definitionContent, schedulingOf, shapeOf } from '../../core/container/job-definition.ts';
import { parseTesTask } from '../../core/task/parse-task.ts';
import { problemsOf } from '../../packages/local-aws/batch/service-model.ts';
import { readResources, refusedResources } from './offers-world.ts';

const ACCOUNT = 'us-east-1:123456789012';
const secret = (name: string): string => `arn:aws:secretsmanager:${ACCOUNT}:secret:${name}`;
const ROLE = 'arn:aws:iam::123456789012:role/execution';
const settings = {
  BATCHWELL_EXECUTION_ROLE: ROLE,
  BATCHWELL_ALLOWED_SECRETS: `${secret('lab/{owner}/*')},${secret('shared-AbCdEf')}`,
  BATCHWELL_ALLOWED_REGISTRY_CREDENTIALS: `docker.io=${secret('registry/*')}`,
  BATCHWELL_VOLUMES: [
    'ref=efs:fs-0123abcd/references:/ref:ro',
    'home=efs:fs-0123abcd/home/{owner}:/home/me',
    'scratch=efs:fs-0123abcd@fsap-0a1b2c3d:/scratch:iam',
    `lake=s3files:arn:aws:s3files:${ACCOUNT}:file-system/fs-1#/2026:/lake:ro`,
    'disk=host:/mnt/nvme:/disk',
  ].join(),
  BATCHWELL_LOG_GROUPS: '/lab/one,/lab/two',
};
const given = { settings };

type Parameters = Record<string, string>;
const read = (backend_parameters: Parameters, owner = 'ann', own = settings) =>
  readResources({ backend_parameters }, { settings: own, owner }).resources;
const refused = (backend_parameters: Parameters, owner = 'ann') =>
  refusedResources({ backend_parameters }, { ...given, owner });

/** As registered, checked against the model of AWS Batch. */
function content(
  parameters: Parameters,
  {
    own = settings,
    owner = 'ann',
    image = 'alpine',
  }: { own?: object; owner?: string; image?: string } = {},
) {
  const config = readConfig({ ...own });
  const made = definitionContent(image, read(parameters, owner, { ...settings, ...own }), {
    ...config,
    memoryGrowths: 0,
    owner,
  });
  expect(problemsOf('RegisterJobDefinitionRequest', { jobDefinitionName: 'one', ...made })).toEqual(
    [],
  );
  return made.containerProperties;
}

describe('a job definition, by the model of AWS Batch,', () => {
  test('is root’s where nothing is said, and the image’s own user by setting or parameter', () => {
    expect(content({}).user).toBe('0');
    expect(content({ user: '1000:1000' }).user).toBe('1000:1000');
    expect(content({ user: 'image' })).not.toHaveProperty('user');
    expect(content({}, { own: { BATCHWELL_CONTAINER_USER: 'image' } })).not.toHaveProperty('user');
    expect(content({}, { own: { BATCHWELL_CONTAINER_USER: '1000' } }).user).toBe('1000');
  });

  test('has what a task asks for in its parameters', () => {
    expect(
      content({
        gpu: '2',
        shared_memory_mib: '2048',
        ulimits: 'nofile=1024:65536, memlock=-1',
        tmpfs: '/fast=512',
        secrets: `DB_PASSWORD=${secret('lab/ann/db-AbCdEf')}:password::`,
        registry_credentials: secret('registry/lab-AbCdEf'),
        log_group: '/lab/two',
        log_prefix: 'ann',
        volumes: 'ref',
      }),
    ).toMatchObject({
      resourceRequirements: [{ type: 'VCPU' }, { type: 'MEMORY' }, { type: 'GPU', value: '2' }],
      linuxParameters: {
        sharedMemorySize: 2048,
        tmpfs: [{ containerPath: '/fast', size: 512 }],
      },
      ulimits: [
        { name: 'nofile', softLimit: 1024, hardLimit: 65_536 },
        { name: 'memlock', softLimit: -1, hardLimit: -1 },
      ],
      secrets: [{ name: 'DB_PASSWORD', valueFrom: `${secret('lab/ann/db-AbCdEf')}:password::` }],
      repositoryCredentials: { credentialsParameter: secret('registry/lab-AbCdEf') },
      executionRoleArn: ROLE,
      logConfiguration: {
        logDriver: 'awslogs',
        options: {
          'awslogs-group': '/lab/two',
          'awslogs-stream-prefix': 'ann',
          mode: 'non-blocking',
          'max-buffer-size': '25m',
        },
      },
    });
  });

  test('has the defaults of the settings, which the parameters of a task replace one by one', () => {
    const own = {
      ...settings,
      BATCHWELL_SHARED_MEMORY_MIB: '128',
      BATCHWELL_ULIMITS: 'nofile=1024,nproc=100',
      BATCHWELL_TMPFS: '/fast=1',
      BATCHWELL_TASK_SECRETS: `TOKEN=${secret('all-AbCdEf')}`,
      BATCHWELL_TASK_VOLUMES: 'ref',
      BATCHWELL_REGISTRY_CREDENTIALS: `ghcr.io/lab=${secret('a-AbCdEf')},ghcr.io=${secret('b-AbCdEf')}`,
      BATCHWELL_LOG_GROUP: '/all',
      BATCHWELL_LOG_BUFFER: '1m',
    };
    expect(content({}, { own, image: 'ghcr.io/lab/tool:1' })).toMatchObject({
      linuxParameters: { sharedMemorySize: 128, tmpfs: [{ containerPath: '/fast', size: 1 }] },
      ulimits: [{ name: 'nofile' }, { name: 'nproc' }],
      secrets: [{ name: 'TOKEN' }],
      repositoryCredentials: { credentialsParameter: secret('a-AbCdEf') },
      logConfiguration: { options: { 'awslogs-group': '/all', 'max-buffer-size': '1m' } },
      mountPoints: [{}, { containerPath: '/ref', readOnly: true }],
    });
    expect(
      content(
        { sharedMemorySize: '0', ulimits: 'nofile=5', tmpfs: '/fast=9', volumes: 'disk' },
        { own, image: 'ghcr.io/lab-two/tool' },
      ),
    ).toMatchObject({
      linuxParameters: { tmpfs: [{ size: 9 }] },
      ulimits: [{ name: 'nofile', hardLimit: 5 }, { name: 'nproc' }],
      repositoryCredentials: { credentialsParameter: secret('b-AbCdEf') },
      mountPoints: [{}, { containerPath: '/ref' }, { containerPath: '/disk' }],
    });
    expect(content({}, { own, image: 'lab/tool' })).not.toHaveProperty('repositoryCredentials');
  });

  test('mounts volumes of EFS, S3 Files and hosts', () => {
    const { volumes, mountPoints } = content({ volumes: 'ref,home,scratch,lake' });
    expect(volumes.slice(1)).toEqual([
      {
        name: 'volume-ref',
        efsVolumeConfiguration: {
          fileSystemId: 'fs-0123abcd',
          rootDirectory: '/references',
          transitEncryption: 'ENABLED',
        },
      },
      {
        name: 'volume-home',
        efsVolumeConfiguration: {
          fileSystemId: 'fs-0123abcd',
          rootDirectory: '/home/ann',
          transitEncryption: 'ENABLED',
        },
      },
      {
        name: 'volume-scratch',
        efsVolumeConfiguration: {
          fileSystemId: 'fs-0123abcd',
          transitEncryption: 'ENABLED',
          authorizationConfig: { accessPointId: 'fsap-0a1b2c3d', iam: 'ENABLED' },
        },
      },
      {
        name: 'volume-lake',
        s3filesVolumeConfiguration: {
          fileSystemArn: `arn:aws:s3files:${ACCOUNT}:file-system/fs-1`,
          rootDirectory: '/2026',
        },
      },
    ]);
    expect(
      mountPoints.slice(1).map(({ containerPath, readOnly }) => [containerPath, readOnly]),
    ).toEqual([
      ['/ref', true],
      ['/home/me', false],
      ['/scratch', false],
      ['/lake', true],
    ]);
    expect(content({ volumes: 'disk' }).volumes.at(-1)).toEqual({
      name: 'volume-disk',
      host: { sourcePath: '/mnt/nvme' },
    });
  });
});

const field = (name: string): string => `resources.backend_parameters.${name}`;

describe('a parameter that is not what it must be', () => {
  test.each([
    ['gpu', '1.5'],
    ['gpu', '17'],
    ['gpuCount', 'all'],
    ['shared_memory_mib', '-1'],
    ['sharedMemorySize', '64 MB'],
    ['ulimits', 'files=1'],
    ['ulimits', 'nofile=9:8'],
    ['ulimits', 'nofile=-1:8'],
    ['ulimits', ','],
    ['tmpfs', '/opt/batchwell=1'],
    ['tmpfs', '/=1'],
    ['tmpfs', '/a/../b=1'],
    ['tmpfs', '/a=0'],
    ['tmpfs', '/a=1,/a=2'],
    ['user', 'a b'],
    ['user', '$(id)'],
    ['user', '4294967296'],
    ['user', '1000:2147483648'],
    ['secrets', 'NAME'],
    ['secrets', `AWS_SECRET_ACCESS_KEY=${secret('lab/ann/a')}`],
    ['secrets', `LD_PRELOAD=${secret('lab/ann/a')}`],
    ['secrets', 'NAME=arn:aws:s3:::bucket'],
    ['registry_credentials', 'user:password'],
    ['volumes', 'nothing'],
    ['volumes', 'ref,efs:fs-1:/x'],
    ['log_group', '/aws/lambda/other'],
    ['logGroupName', '/lab/three'],
    ['log_prefix', 'a:b'],
    ['job_tags', 'aws:owner=me'],
    ['job_tags', 'batchwell:submission=x'],
    ['job_tags', 'no-value'],
    ['job_tags', Array.from({ length: 46 }, (_, at) => `k${at}=v`).join()],
  ])('%s=%s is refused by its name', (name, text) => {
    expect(Object.keys(refused({ [name]: text }))).toEqual([field(name)]);
  });

  test('an unknown one is refused where the task is strict, and named in a warning elsewhere', () => {
    const resources = { backend_parameters: { gpus: '1' } };
    expect(
      Object.keys(refusedResources({ ...resources, backend_parameters_strict: true }, given)),
    ).toEqual([field('gpus')]);
    expect(readResources(resources, given).warnings).toEqual([
      expect.stringContaining('"gpus" is unknown'),
    ]);
  });
});

describe('what only an operator may grant', () => {
  test('a folder in memory cannot be where the hosts’ folders are', () => {
    const own = { BATCHWELL_SHARED_FOLDERS: '/data,/refs' };
    const keysOf = (tmpfs: string): string[] =>
      Object.keys(refusedResources({ backend_parameters: { tmpfs } }, { settings: own }));
    expect(keysOf('/refs=10')).toEqual([field('tmpfs')]);
    expect(
      readResources({ backend_parameters: { tmpfs: '/fast=10' } }, { settings: own }).resources
        .container,
    ).toBeDefined();
  });

  test('nothing is granted where the settings grant nothing', () => {
    for (const parameters of [
      { secrets: `TOKEN=${secret('a')}` },
      { registry_credentials: secret('a') },
      { volumes: 'ref' },
      { log_group: '/lab/one' },
    ])
      expect(
        Object.keys(refusedResources({ backend_parameters: parameters }, { settings: {} })),
      ).toHaveLength(1);
  });

  test('a volume with a folder per owner is not for an owner whose name leads out of it', () => {
    expect(Object.keys(refused({ volumes: 'home' }, '../bob'))).toEqual([field('volumes')]);
    expect(Object.keys(refused({ volumes: 'home' }, '..'))).toEqual([field('volumes')]);
  });

  test('nor is such a volume of all tasks: their tasks are refused, and mount nothing of others', () => {
    const own = { ...settings, BATCHWELL_TASK_VOLUMES: 'home' };
    for (const owner of ['', '.', '..', '../bob', 'ann/x', 'a b', 'a'.repeat(65)]) {
      expect(Object.keys(refusedResources({}, { settings: own, owner })), owner).toEqual([
        field('volumes'),
      ]);
      const { containerProperties } = definitionContent('alpine', read({}), {
        ...readConfig(own),
        memoryGrowths: 0,
        owner,
      });
      expect(JSON.stringify(containerProperties), owner).not.toContain('fs-0123abcd');
    }
    expect(JSON.stringify(content({}, { own }))).toContain('/home/ann"');
  });

  test('a task cannot be root where the operator named another user', () => {
    const own = { BATCHWELL_CONTAINER_USER: '1000' };
    // A name can be anybody in the image.
    for (const user of ['0', '00', 'root', '0:0', 'root:x', 'toor', 'image'])
      expect(
        Object.keys(refusedResources({ backend_parameters: { user } }, { settings: own })),
      ).toEqual([field('user')]);
    expect(
      readResources({ backend_parameters: { user: '1001' } }, { settings: own }).resources,
    ).toMatchObject({ container: { user: '1001' } });
  });
});

describe('tags of jobs', () => {
  test('a job has those of the settings with its owner, and the task’s own in front of them', () => {
    const config = readConfig({ BATCHWELL_JOB_TAGS: 'project=genomes,owner={owner}' });
    const { tags } = schedulingOf(read({ job_tags: 'project=genes, run=7' }), {
      ...config,
      owner: 'ann#1',
    });
    expect(tags).toEqual({ project: 'genes', owner: 'ann_1', run: '7' });
  });

  test('a task cannot replace a tag that says who pays, nor have more than Batch takes with those of all jobs', () => {
    const many = (count: number, name: string): string =>
      Array.from({ length: count }, (_, at) => `${name}${at}=v`).join();
    const own = { BATCHWELL_JOB_TAGS: `owner=lab/{owner},${many(20, 'all')}` };
    const keysOf = (job_tags: string): string[] =>
      Object.keys(refusedResources({ backend_parameters: { job_tags } }, { settings: own }));
    expect(keysOf('run=1, owner=lab/bob')).toEqual([field('job_tags')]);
    expect(keysOf(many(25, 'own'))).toEqual([field('job_tags')]);
    const asked = `${many(24, 'own')},all3=mine`;
    const { resources } = readResources(
      { backend_parameters: { job_tags: asked } },
      { settings: own },
    );
    const { tags } = schedulingOf(resources, { ...readConfig(own), owner: 'ann' });
    expect(tags).toMatchObject({ owner: 'lab/ann', all3: 'mine', own23: 'v' });
    expect(Object.keys(tags)).toHaveLength(45);
  });

  test('a name like __proto__ is a name', () => {
    const { job_tags: tags = {} } = read({ job_tags: '__proto__=x' });
    expect(Object.entries(tags)).toEqual([['__proto__', 'x']]);
  });

  test('jobs of different tags do not share an array', () => {
    const scheduling = { queue: 'q', share: '', priority: 0 };
    const digest = (tags: Record<string, string>): string =>
      shapeOf(Buffer.alloc(32), { ...scheduling, tags }, 'ann').toString('hex');
    expect(digest({ a: '1', b: '2' })).toBe(digest({ b: '2', a: '1' }));
    expect(new Set([digest({}), digest({ a: '1' }), digest({ a: '2' })]).size).toBe(3);
  });
});

test('what a command can notice is part of a call, and sizes, logs, logins and tags are not', () => {
  const setting = (parameters: Parameters): Record<string, string> => {
    const parsed = parseTesTask(
      {
        executors: [{ image: 'alpine', command: ['true'] }],
        resources: { backend_parameters: parameters },
      },
      { cache: 'off', offers: { ...readConfig(settings), owner: 'ann' } },
    );
    if ('problems' in parsed) throw new Error(JSON.stringify(parsed.problems));
    return cacheSetting(parsed.task.spec, readConfig(settings), { replicate: 0, owner: 'ann' });
  };
  const plain = setting({});
  expect(plain).toEqual({ architecture: 'x86-64' });
  for (const same of [
    { shared_memory_mib: '9' },
    { ulimits: 'nofile=5' },
    { log_group: '/lab/one', log_prefix: 'x' },
    { job_tags: 'a=b' },
    { registry_credentials: secret('registry/lab') },
    { user: '0' },
  ])
    expect(setting(same)).toEqual(plain);
  const others = [
    { gpu: '1' },
    { gpu: '2' },
    { user: '1000' },
    { user: 'image' },
    { tmpfs: '/fast=1' },
    { volumes: 'ref' },
    { volumes: 'home' },
    { secrets: `TOKEN=${secret('lab/ann/token')}` },
    { secrets: `TOKEN=${secret('lab/ann/other')}` },
  ].map((parameters) => JSON.stringify(setting(parameters)));
  expect(new Set([...others, JSON.stringify(plain)]).size).toBe(others.length + 1);
  expect(setting({ tmpfs: '/fast=1' })).toEqual(setting({ tmpfs: '/fast=2' }));
});
