/** What the template service promises. */
import { describe, expect, it } from 'vitest';
import { GIVEN, PUBLIC } from './matrix.ts';
import { deploy, ofType, policiesOf, propertiesOf, wordsOf } from './world.ts';

interface Container {
  Name: string;
  Essential: boolean;
  Command: string[];
  ReadonlyRootFilesystem: boolean;
  Image: string;
  DependsOn?: { ContainerName: string; Condition: string }[];
  Environment: { Name: string; Value: string }[];
  Secrets: { Name: string; ValueFrom: string }[];
  StopTimeout?: number;
  HealthCheck?: { Command: string[] };
}

const containers = (id: 'Api' | 'Worker', parameters = {}): Container[] =>
  propertiesOf(deploy('service', parameters), `${id}Task`)['ContainerDefinitions'] as Container[];

const settingsOf = (parameters = {}): Record<string, string> =>
  Object.fromEntries(
    (containers('Worker', parameters)[1]?.Environment ?? []).map(({ Name: name, Value: value }) => [
      name,
      value,
    ]),
  );

describe.each(['Api', 'Worker'] as const)('the tasks of %s', (id) => {
  it('Migrations run first, and the process starts only after they succeeded.', () => {
    const [migrate, main] = containers(id);
    expect(migrate).toMatchObject({ Name: 'migrate', Essential: false, Command: ['migrate'] });
    expect(main?.DependsOn).toEqual([{ ContainerName: 'migrate', Condition: 'SUCCESS' }]);
    expect(main).toMatchObject({ Essential: true, Command: [id.toLowerCase()] });
  });

  it('A failover of MySQL replaces no task: health is /healthz and not /readyz.', () => {
    expect(JSON.stringify(containers(id)[1]?.HealthCheck)).toContain('/healthz');
    expect(propertiesOf(deploy('service'), 'TargetGroup')['HealthCheckPath']).toBe('/healthz');
  });

  it('It has two minutes to stop, a read-only root, and an image by digest.', () => {
    expect(containers(id)[1]?.StopTimeout).toBe(120);
    for (const container of containers(id)) {
      expect(container.ReadonlyRootFilesystem).toBe(true);
      expect(container.Image).toMatch(/@sha256:/);
    }
  });

  it('It runs on arm64 by default, on x86-64 by parameter, and rolls back a version that does not start.', () => {
    expect(propertiesOf(deploy('service'), `${id}Task`)['RuntimePlatform']).toMatchObject({
      CpuArchitecture: 'ARM64',
    });
    expect(
      propertiesOf(deploy('service', { CpuArchitecture: 'X86_64' }), `${id}Task`)[
        'RuntimePlatform'
      ],
    ).toMatchObject({ CpuArchitecture: 'X86_64' });
    expect(
      propertiesOf(deploy('service'), `${id}Service`)['DeploymentConfiguration'],
    ).toMatchObject({
      DeploymentCircuitBreaker: { Enable: true, Rollback: true },
    });
  });

  it('No credential is in its environment.', () => {
    for (const { Environment: environment, Secrets: secrets } of containers(id)) {
      expect(JSON.stringify(environment)).not.toMatch(/resolve:secretsmanager|PASSWORD|TOKEN/);
      expect(secrets.map(({ Name: name }) => name)).toEqual([
        'BATCHWELL_TOKENS',
        'BATCHWELL_WEBHOOK_KEY',
        'DATABASE_PASSWORD',
        'DATABASE_USER',
        'REDIS_PASSWORD',
      ]);
    }
  });
});

it('Settings of a file reach every process, and those of the template come before them.', () => {
  const arn = 'arn:aws:s3:::lab-releases/settings/1.env';
  const deployed = deploy('service', { SettingsFileArn: arn });
  for (const id of ['ApiTask', 'WorkerTask', 'HelloTask'])
    for (const container of propertiesOf(deployed, id)['ContainerDefinitions'] as object[])
      expect(container).toMatchObject({ EnvironmentFiles: [{ Type: 's3', Value: arn }] });
  const [{ statements } = { statements: [] }] = policiesOf(deployed).filter(
    ({ id }) => id === 'ExecutionRole',
  );
  const of = (sid: string) => statements.find(({ Sid }) => Sid === sid)?.Resource;
  expect(of('ReadSettings')).toBe(arn);
  expect(of('FindSettings')).toBe('arn:aws:s3:::lab-releases');
  expect(JSON.stringify(deploy('service').resources)).not.toContain('EnvironmentFiles');
});

describe('hello', () => {
  const hello = (parameters = {}): Container[] =>
    propertiesOf(deploy('service', parameters), 'HelloTask')['ContainerDefinitions'] as Container[];

  it('It submits through an API of its own, after the migrations, and its end ends the task.', () => {
    expect(
      hello().map(({ Name: name, Essential: essential, DependsOn: [after] = [] }) => [
        name,
        essential,
        after?.ContainerName,
        after?.Condition,
      ]),
    ).toEqual([
      ['migrate', false, undefined, undefined],
      ['api', false, 'migrate', 'SUCCESS'],
      ['hello', true, 'api', 'HEALTHY'],
    ]);
    expect(hello()[2]?.Environment).toEqual([
      { Name: 'BATCHWELL_URL', Value: 'http://127.0.0.1:8000' },
    ]);
  });

  it('It has the token as a secret, which the execution role may read.', () => {
    expect(hello()[2]?.Secrets).toEqual([{ Name: 'BATCHWELL_TOKEN', ValueFrom: '<TokenSecret>' }]);
    const [{ statements } = { statements: [] }] = policiesOf(deploy('service')).filter(
      ({ id }) => id === 'ExecutionRole',
    );
    expect(statements.flatMap(({ Resource: resource }) => wordsOf(resource))).toContain(
      '<TokenSecret>',
    );
  });
});

describe('the number of tasks', () => {
  it('There are two API tasks in production, one in the small form, and at least one worker.', () => {
    expect(propertiesOf(deploy('service'), 'ApiService')['DesiredCount']).toBe(2);
    expect(propertiesOf(deploy('service', { Size: 'small' }), 'ApiService')['DesiredCount']).toBe(
      1,
    );
    expect(propertiesOf(deploy('service'), 'WorkerScaling')).toMatchObject({
      MinCapacity: 1,
      MaxCapacity: '10',
    });
  });

  it('Workers scale by the age of the oldest message and by the backlog per worker.', () => {
    const expressions = ['WorkerAge', 'WorkerBacklog'].map((id) =>
      JSON.stringify(propertiesOf(deploy('service'), id)),
    );
    expect(expressions[0]).toContain('MAX([m0,m1,m2,m3])');
    expect(expressions[0]).toContain('OldestMessageAge');
    expect(expressions[1]).toContain('SUM([m0,m1,m2,m3]) / FILL(workers, 1)');
  });

  it('The fleet writes the metrics that scaling reads, in the namespace of its stack.', () => {
    expect(settingsOf()).toMatchObject({
      BATCHWELL_SCALING_SIGNAL_SECONDS: '60',
      BATCHWELL_SCALING_NAMESPACE: 'Batchwell/batchwell',
    });
    expect(JSON.stringify(propertiesOf(deploy('service'), 'WorkerAge'))).toContain(
      '"Namespace":"Batchwell/batchwell"',
    );
  });
});

describe('the database', () => {
  it('It takes TLS only, cannot be deleted by mistake, and keeps a week of backups.', () => {
    expect(propertiesOf(deploy('service'), 'DatabaseParameters')['Parameters']).toMatchObject({
      require_secure_transport: 'ON',
    });
    expect(propertiesOf(deploy('service'), 'DatabaseCluster')).toMatchObject({
      DeletionProtection: true,
      BackupRetentionPeriod: 7,
      StorageEncrypted: true,
      ManageMasterUserPassword: true,
      ServerlessV2ScalingConfiguration: { MinCapacity: '0.5' },
    });
    // A deletion fails at whatever a cluster that stays still uses.
    for (const id of ['Cluster', 'Subnets', 'Parameters', 'Group'])
      expect(deploy('service').resources[`Database${id}`]?.deletionPolicy, id).toBe('Retain');
    expect(settingsOf()['DATABASE_URL']).toMatch(/^mysql:\/\/.*\?ssl=Amazon%20RDS$/);
  });

  it('Production has two instances and the small form one.', () => {
    const instances = (parameters = {}) =>
      Object.keys(ofType(deploy('service', parameters), 'AWS::RDS::DBInstance'));
    expect(instances()).toHaveLength(2);
    expect(instances({ Size: 'small' })).toHaveLength(1);
  });
});

it('Valkey never evicts, has a replica in another zone, and takes TLS and a password.', () => {
  expect(propertiesOf(deploy('service'), 'RedisParameters')['Properties']).toEqual({
    'maxmemory-policy': 'noeviction',
  });
  expect(propertiesOf(deploy('service'), 'RedisGroup')).toMatchObject({
    Engine: 'valkey',
    NumCacheClusters: 2,
    AutomaticFailoverEnabled: true,
    MultiAZEnabled: true,
    TransitEncryptionEnabled: true,
    AuthToken: '{{resolve:secretsmanager:<RedisSecret>}}',
  });
  expect(settingsOf()['REDIS_URL']).toMatch(/^rediss:/);
});

it('With database and Redis of the customer, none is created and theirs are used.', () => {
  const types = Object.values(deploy('service', GIVEN).resources).map(({ type }) => type);
  expect(types.filter((type) => /RDS|ElastiCache/.test(type))).toEqual([]);
  expect(settingsOf(GIVEN)).toMatchObject({
    DATABASE_URL: GIVEN.DatabaseUrl,
    REDIS_URL: GIVEN.RedisUrl,
  });
  const [{ statements } = { statements: [] }] = policiesOf(deploy('service', GIVEN)).filter(
    ({ id }) => id === 'ExecutionRole',
  );
  expect(statements.flatMap(({ Resource: resource }) => wordsOf(resource))).toContain(
    GIVEN.DatabaseSecretArn,
  );
});

it('Without a certificate the load balancer is internal; with one it speaks TLS 1.2 and later.', () => {
  expect(propertiesOf(deploy('service'), 'LoadBalancer')['Scheme']).toBe('internal');
  expect(propertiesOf(deploy('service'), 'Listener')).toMatchObject({ Port: 80, Protocol: 'HTTP' });
  const open = deploy('service', PUBLIC);
  expect(propertiesOf(open, 'LoadBalancer')).toMatchObject({
    Scheme: 'internet-facing',
    Subnets: ['subnet-c', 'subnet-d'],
  });
  expect(propertiesOf(open, 'Listener')).toMatchObject({
    Port: 443,
    Protocol: 'HTTPS',
    SslPolicy: expect.stringMatching(/TLS13-1-2/) as string,
  });
});

it.each([
  ['Public=yes needs CertificateArn', { ...PUBLIC, CertificateArn: '' }],
  ['Public=yes needs LoadBalancerSubnetIds', { ...PUBLIC, LoadBalancerSubnetIds: '' }],
  ['CallerCidr cannot be 0.0.0.0/0', { CallerCidr: '0.0.0.0/0' }],
  ['Database=given needs DatabaseUrl', { ...GIVEN, DatabaseUrl: '' }],
  ['Database=given needs DatabaseSecretArn', { ...GIVEN, DatabaseSecretArn: '' }],
  ['DatabaseUrl is only used with', { DatabaseUrl: 'mysql://lab' }],
  ['Redis=given needs RedisSecretArn', { ...GIVEN, RedisSecretArn: '' }],
])('CloudFormation refuses: %s', (sentence, parameters) => {
  const { refusals } = deploy('service', parameters);
  expect(refusals).toHaveLength(1);
  expect(refusals[0]).toContain(sentence);
});
