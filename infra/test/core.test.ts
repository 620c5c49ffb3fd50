/** What the template core promises. */
import { describe, expect, it } from 'vitest';
import { hostFiles, MOST_USER_DATA_BYTES } from '../host/user-data.ts';
import { deploy, ofType, policiesOf, propertiesOf, wordsOf } from './world.ts';

const KEY = 'arn:aws:kms:eu-west-1:111122223333:key/1';

interface Environment {
  AllocationStrategy: string;
  InstanceTypes: string[];
  Ec2Configuration: Record<string, string>[];
  LaunchTemplate: Record<string, string>;
}

const resourcesOf = (id: string, parameters = {}): Environment =>
  propertiesOf(deploy('core', parameters), id)['ComputeResources'] as Environment;

const launchData = (parameters = {}) =>
  propertiesOf(deploy('core', parameters), 'LaunchTemplate')['LaunchTemplateData'] as {
    UserData: string;
    BlockDeviceMappings: { Ebs: Record<string, unknown> }[];
    MetadataOptions: Record<string, unknown>;
  };

describe('compute environments', () => {
  it('Spot and On-Demand use strategies that can be updated in place.', () => {
    expect(resourcesOf('SpotEnvironment').AllocationStrategy).toBe('SPOT_PRICE_CAPACITY_OPTIMIZED');
    expect(resourcesOf('OnDemandEnvironment').AllocationStrategy).toBe('BEST_FIT_PROGRESSIVE');
    for (const { properties } of Object.values(
      ofType(deploy('core'), 'AWS::Batch::ComputeEnvironment'),
    )) {
      expect(properties).not.toHaveProperty('ServiceRole');
      expect(properties).toMatchObject({ ReplaceComputeEnvironment: false });
    }
  });

  it('A new host release stops no job for five days.', () => {
    for (const { properties } of Object.values(
      ofType(deploy('core'), 'AWS::Batch::ComputeEnvironment'),
    ))
      expect(properties['UpdatePolicy']).toEqual({
        TerminateJobsOnUpdate: false,
        JobExecutionTimeoutMinutes: '7200',
      });
  });

  it('A change of the launch template reaches the hosts.', () => {
    expect(resourcesOf('SpotEnvironment').LaunchTemplate['Version']).toBe(
      '<LaunchTemplate.LatestVersionNumber>',
    );
  });

  it('The default instance types have NVMe disks, on both architectures.', () => {
    expect(resourcesOf('SpotEnvironment').InstanceTypes).toEqual(['c6id', 'm6id', 'r6id']);
    expect(resourcesOf('SpotEnvironment', { Architecture: 'arm64' }).InstanceTypes).toEqual([
      'c6gd',
      'm6gd',
      'r6gd',
    ]);
  });

  it('Instance types and the AMI can be those of the customer.', () => {
    const own = resourcesOf('OnDemandEnvironment', {
      InstanceTypes: 'g5,m5.large',
      ImageId: 'ami-1',
    });
    expect(own.InstanceTypes).toEqual(['g5', 'm5.large']);
    expect(own.Ec2Configuration).toEqual([{ ImageType: 'ECS_AL2023', ImageIdOverride: 'ami-1' }]);
    expect(resourcesOf('OnDemandEnvironment').Ec2Configuration).toEqual([
      { ImageType: 'ECS_AL2023' },
    ]);
  });

  it('Container Insights stay unset unless they are asked for, because they cannot be unset.', () => {
    expect(propertiesOf(deploy('core'), 'SpotEnvironment')).not.toHaveProperty('EcsSettings');
    expect(
      propertiesOf(deploy('core', { ContainerInsights: 'enhanced' }), 'SpotEnvironment'),
    ).toMatchObject({ EcsSettings: { ContainerInsights: 'enhanced' } });
  });
});

describe('job queues', () => {
  const order = (id: string, parameters = {}) =>
    (
      propertiesOf(deploy('core', parameters), id)['ComputeEnvironmentOrder'] as {
        ComputeEnvironment: string;
      }[]
    ).map((entry) => entry.ComputeEnvironment);

  it('The default queue uses Spot and then On-Demand, the steady one On-Demand only.', () => {
    expect(order('DefaultQueue')).toEqual(['<SpotEnvironment>', '<OnDemandEnvironment>']);
    expect(order('SteadyQueue')).toEqual(['<OnDemandEnvironment>']);
  });

  it('Without Spot both queues use On-Demand.', () => {
    expect(order('DefaultQueue', { SpotMaxVcpus: '0' })).toEqual(['<OnDemandEnvironment>']);
  });

  it('Jobs that can never start are cancelled after an hour; those that wait for capacity never.', () => {
    for (const id of ['DefaultQueue', 'SteadyQueue']) {
      const actions = propertiesOf(deploy('core'), id)['JobStateTimeLimitActions'] as {
        Reason: string;
      }[];
      expect(actions).toHaveLength(2);
      for (const action of actions) {
        expect(action.Reason).toMatch(/^MISCONFIGURATION:/);
        expect(action).toMatchObject({ Action: 'CANCEL', MaxTimeSeconds: 3600, State: 'RUNNABLE' });
      }
    }
  });

  it('Ends of jobs of both queues reach the events queue, and nothing else may send to it.', () => {
    const deployed = deploy('core');
    const { detail } = propertiesOf(deployed, 'EventsRule')['EventPattern'] as {
      detail: { status: string[]; jobQueue: string[] };
    };
    expect(detail.status).toEqual(['SUCCEEDED', 'FAILED']);
    expect(detail.jobQueue).toHaveLength(2);
    const [{ statements } = { statements: [] }] = policiesOf(deployed).filter(
      ({ id }) => id === 'EventsQueuePolicy',
    );
    expect(statements.filter(({ Effect: effect }) => effect === 'Allow')).toMatchObject([
      {
        Action: 'sqs:SendMessage',
        Condition: { ArnEquals: { 'aws:SourceArn': '<EventsRule.Arn>' } },
      },
    ]);
  });
});

describe('hosts', () => {
  it('The metadata answer only with a token, and not over IPv6.', () => {
    expect(launchData().MetadataOptions).toMatchObject({
      HttpTokens: 'required',
      HttpProtocolIpv6: 'disabled',
    });
  });

  it('Both volumes are encrypted, with the key of the customer where there is one.', () => {
    const fixed = { DiskMode: 'fixed' };
    const own = launchData({ ...fixed, Encryption: 'KMS', KmsKeyArn: KEY }).BlockDeviceMappings;
    expect(own).toHaveLength(2);
    for (const { Ebs } of own)
      expect(Ebs).toMatchObject({ Encrypted: true, KmsKeyId: KEY, DeleteOnTermination: true });
    for (const { Ebs } of launchData(fixed).BlockDeviceMappings) {
      expect(Ebs['Encrypted']).toBe(true);
      expect(Ebs).not.toHaveProperty('KmsKeyId');
    }
  });

  it('The security group has no ingress, and none is created where one is given.', () => {
    expect(propertiesOf(deploy('core'), 'HostSecurityGroup')).not.toHaveProperty(
      'SecurityGroupIngress',
    );
    const given = deploy('core', { SecurityGroupId: 'sg-1' });
    expect(ofType(given, 'AWS::EC2::SecurityGroup')).toEqual({});
  });

  it('The user data fit, with a quarter to spare for what Batch adds.', () => {
    expect(launchData().UserData.length).toBeLessThan(MOST_USER_DATA_BYTES);
  });

  it('The user data hold the release, the bucket and the settings, and every file of the host.', () => {
    const { UserData: text } = launchData({ EntrypointWrapper: 'off', DiskGiB: '900' });
    for (const line of [
      `RELEASE=${'ab'.repeat(32)}`,
      'RELEASE_BUCKET=release-bucket',
      'REGION=eu-west-1',
      'HOST_LOG_GROUP=/batchwell/batchwell/hosts',
      'DISK_MODE=elastic',
      'DISK_GIB=0',
      'DISK_MAX_GIB=16384',
      'STACK=batchwell',
      'ENTRYPOINT_WRAPPER=off',
      'ECS_RESERVED_MEMORY=256',
    ])
      expect(text.split('\n')).toContain(line);
    const whole = text
      .replaceAll('$L/', '/usr/local/lib/batchwell/')
      .replaceAll('$U/', '/etc/systemd/system/');
    for (const { path } of hostFiles()) expect(whole).toContain(` ${path} <`);
    expect(text).not.toMatch(/@\{/);
  });
});

describe('the disk of a host', () => {
  const sizes = (parameters: Record<string, string>): unknown[] =>
    launchData(parameters).BlockDeviceMappings.map(({ Ebs }) => Ebs['VolumeSize']);
  const settings = (parameters: Record<string, string>): string[] =>
    launchData(parameters)
      .UserData.split('\n')
      .filter((line) => /^DISK_(MODE|GIB)=/.test(line));

  it.each([
    ['elastic, of the default types', {}, [30], ['DISK_MODE=elastic', 'DISK_GIB=0']],
    [
      'elastic, of other types',
      { InstanceTypes: 'm7i' },
      [30, 100],
      ['DISK_MODE=elastic', 'DISK_GIB=100'],
    ],
    [
      'fixed',
      { DiskMode: 'fixed', DiskGiB: '900' },
      [30, '900'],
      ['DISK_MODE=fixed', 'DISK_GIB=900'],
    ],
    [
      'instance-store',
      { DiskMode: 'instance-store', InstanceTypes: 'i4i' },
      [30],
      ['DISK_MODE=instance-store', 'DISK_GIB=0'],
    ],
  ])('%s has the volumes that it needs, and no other.', (_, parameters, volumes, lines) => {
    expect(sizes(parameters as Record<string, string>)).toEqual(volumes);
    expect(settings(parameters as Record<string, string>)).toEqual(lines);
  });

  it('elastic is the default, and the other modes have no permission on volumes.', () => {
    expect(Object.keys(deploy('core').resources)).toContain('DiskPolicy');
    for (const DiskMode of ['fixed', 'instance-store']) {
      const deployed = deploy('core', { DiskMode });
      expect(Object.keys(deployed.resources)).not.toContain('DiskPolicy');
      const actions = policiesOf(deployed).flatMap(({ statements }) =>
        statements.flatMap(({ Action }) => wordsOf(Action)),
      );
      expect(actions.filter((action) => action.startsWith('ec2:'))).toEqual([]);
      expect(launchData({ DiskMode }).MetadataOptions['InstanceMetadataTags']).toBe('disabled');
    }
    expect(launchData().MetadataOptions['InstanceMetadataTags']).toBe('enabled');
  });
});

describe('buckets', () => {
  it('The buckets and their contents stay when the stack is deleted.', () => {
    const buckets = Object.values(ofType(deploy('core'), 'AWS::S3::Bucket'));
    expect(buckets).toHaveLength(2);
    for (const { deletionPolicy } of buckets) expect(deletionPolicy).toBe('Retain');
  });

  it('Submissions expire, scripts never do, and uploads that were given up are aborted.', () => {
    const { Rules: rules } = propertiesOf(deploy('core'), 'WorkBucket')[
      'LifecycleConfiguration'
    ] as {
      Rules: Record<string, unknown>[];
    };
    const expiring = rules.filter((rule) => 'ExpirationInDays' in rule);
    expect(expiring).toMatchObject([{ Prefix: 'submissions/', ExpirationInDays: '90' }]);
    expect(rules).toContainEqual(
      expect.objectContaining({ AbortIncompleteMultipartUpload: { DaysAfterInitiation: 7 } }),
    );
  });

  it('Requests without TLS are denied, and a release cannot be overwritten.', () => {
    const policies = policiesOf(deploy('core'));
    for (const bucket of ['WorkBucketPolicy', 'ReleaseBucketPolicy'])
      expect(policies.find(({ id }) => id === bucket)?.statements).toContainEqual(
        expect.objectContaining({
          Effect: 'Deny',
          Condition: { Bool: { 'aws:SecureTransport': 'false' } },
        }),
      );
    expect(policies.find(({ id }) => id === 'ReleaseBucketPolicy')?.statements).toContainEqual(
      expect.objectContaining({
        Sid: 'NeverOverwriteARelease',
        Resource: 'arn:aws:s3:::release-bucket/releases/*',
      }),
    );
  });

  it('With buckets of the customer, none is created and the roles name theirs.', () => {
    const given = deploy('core', { WorkBucketName: 'lab-work', ReleaseBucketName: 'lab-releases' });
    expect(ofType(given, 'AWS::S3::Bucket')).toEqual({});
    expect(ofType(given, 'AWS::S3::BucketPolicy')).toEqual({});
    const resources = policiesOf(given).flatMap(({ statements }) =>
      statements.flatMap(({ Resource: resource }) => wordsOf(resource)),
    );
    expect(resources).toContain('arn:aws:s3:::lab-work/submissions/*');
    expect(resources).toContain('arn:aws:s3:::lab-releases/releases/*');
  });
});

describe('parameters that contradict each other are refused before anything is created', () => {
  it.each([
    ['Encryption=KMS needs KmsKeyArn.', { Encryption: 'KMS' }],
    ['KmsKeyArn is only used with Encryption=KMS.', { KmsKeyArn: KEY }],
    ['TaskRoleMode=given needs TaskRoleArn.', { TaskRoleMode: 'given' }],
    [
      'TaskRoleArn is only used with TaskRoleMode=given.',
      { TaskRoleArn: 'arn:aws:iam::111122223333:role/lab' },
    ],
  ])('%s', (sentence, parameters) => {
    expect(deploy('core', parameters).refusals).toEqual([sentence]);
  });
});

it('Further log groups are those of the parameter, for workers and hosts, and none without it.', () => {
  const groupsOf = (parameters: Record<string, string>) => {
    const policies = policiesOf(deploy('core', parameters));
    const statement = (id: string, sid: string) =>
      policies.find((one) => one.id === id)?.statements.find(({ Sid }) => Sid === sid);
    return {
      register: statement('WorkerPolicy', 'RegisterJobDefinition')?.Condition?.['StringLike']?.[
        'batch:AWSLogsGroup'
      ],
      write: statement('HostRole', 'WriteLogs')?.Resource.slice(2),
    };
  };
  expect(groupsOf({})).toEqual({ register: ['/batchwell/batchwell/tasks'], write: [] });
  expect(groupsOf({ MoreLogGroups: '/lab/*' })).toEqual({
    register: ['/batchwell/batchwell/tasks', '/lab/*'],
    write: ['arn:aws:logs:eu-west-1:111122223333:log-group:/lab/*:*'],
  });
});
