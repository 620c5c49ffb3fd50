/**
 * Every parameter of the templates: name, type, default, unit and reason. The descriptions in
 * CloudFormation's console are made from it. Those of pipeline and cromwell are in parameters/.
 */

export interface Parameter {
  /** CloudFormation's type; String by default. */
  type?: string;
  /** Absent: the parameter must be given. */
  fallback?: string | number;
  unit?: string;
  /** What it does, and why the default is what it is. */
  reason: string;
  allowed?: readonly string[];
  pattern?: string;
  range?: readonly [number, number];
  /** CloudFormation does not show the value. */
  secret?: true;
}

export type Parameters = Readonly<Record<string, Parameter>>;

const SUBNETS = 'List<AWS::EC2::Subnet::Id>';
const LIST = 'CommaDelimitedList';
export const ARN_OR_NONE = '^$|^arn:aws[a-z-]*:.+$';
export const SWITCH = ['on', 'off'] as const;

export const vpcAndSubnets = {
  VpcId: { type: 'AWS::EC2::VPC::Id', reason: 'The VPC. The template network creates one.' },
  SubnetIds: {
    type: SUBNETS,
    reason:
      'Private subnets with a route to S3, ECS, ECR and CloudWatch Logs, through NAT or endpoints. ' +
      'Use two zones or more: Spot capacity differs between zones.',
  },
} satisfies Parameters;

const encryption = {
  Encryption: {
    fallback: 'SSE-S3',
    allowed: ['SSE-S3', 'KMS'],
    reason: 'SSE-S3 costs nothing. KMS uses the key of KmsKeyArn and costs one request per object.',
  },
  KmsKeyArn: {
    fallback: '',
    pattern: ARN_OR_NONE,
    reason: 'Your KMS key. Only with Encryption=KMS.',
  },
} satisfies Parameters;

export const logRetention = {
  LogRetentionDays: {
    type: 'Number',
    fallback: 30,
    unit: 'days',
    reason: 'How long CloudWatch keeps the logs. The logs of tasks are in S3 as well.',
  },
} satisfies Parameters;

export const coreParameters = {
  ...vpcAndSubnets,
  SecurityGroupId: {
    fallback: '',
    pattern: '^$|^sg-[0-9a-f]+$',
    reason: 'Security group of the hosts. When empty, one without ingress is created.',
  },
  WorkBucketName: {
    fallback: '',
    pattern: '^$|^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$',
    reason:
      'An existing bucket for scripts, manifests, logs and results. When empty, one is created. ' +
      'The bucket policy and the lifecycle rules of an existing one are yours.',
  },
  ReleaseBucketName: {
    fallback: '',
    pattern: '^$|^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$',
    reason: 'An existing bucket with the host releases. When empty, one is created.',
  },
  ...encryption,
  SubmissionDays: {
    type: 'Number',
    fallback: 90,
    unit: 'days',
    range: [1, 3650],
    reason:
      'When manifests, logs and results below submissions/ expire. The default is the retention of ' +
      'ended tasks (BATCHWELL_KEEP_TASKS_MS). It must be longer than your longest task.',
  },
  InputBucketArns: {
    type: LIST,
    fallback: '',
    reason:
      'ARNs of buckets that tasks and the fleet may read, such as arn:aws:s3:::lab, separated by commas.',
  },
  OutputBucketArns: {
    type: LIST,
    fallback: '',
    reason: 'ARNs of buckets that tasks and the fleet may read and write, separated by commas.',
  },
  TaskRoleMode: {
    fallback: 'create',
    allowed: ['create', 'given'],
    reason: 'Whether the role of the containers is created, or given by TaskRoleArn.',
  },
  TaskRoleArn: {
    fallback: '',
    pattern: ARN_OR_NONE,
    reason: 'Your role for the containers of tasks. Only with TaskRoleMode=given.',
  },
  MoreTaskRoleArns: {
    type: LIST,
    fallback: '',
    reason:
      'ARNs of further roles that tasks may request (BATCHWELL_JOB_ROLES), for example one per ' +
      'owner, and of BATCHWELL_EXECUTION_ROLE. Only these can be passed to containers.',
  },
  MoreLogGroups: {
    fallback: '',
    pattern: '^$|^[A-Za-z0-9/_.#-]+[*]?$',
    reason:
      'Further log groups that tasks may use (BATCHWELL_LOG_GROUPS): a name, or its start and *.',
  },
  HostRelease: {
    pattern: '^[0-9a-f]{64}$',
    reason:
      'SHA-256 of the host release, as `npm run build:host` prints it. A new value rolls the hosts ' +
      'without stopping jobs. For a rollback, give the former value.',
  },
  Architecture: {
    fallback: 'x86_64',
    allowed: ['x86_64', 'arm64'],
    reason: 'CPU architecture of the hosts. One environment cannot mix them: one AMI serves all.',
  },
  InstanceTypes: {
    type: LIST,
    fallback: '',
    reason:
      'Instance types or families, separated by commas. When empty: families with NVMe disks ' +
      '(c6id, m6id, r6id; with arm64 c6gd, m6gd, r6gd). Many types mean fewer Spot interruptions.',
  },
  ImageId: {
    fallback: '',
    pattern: '^$|^ami-[0-9a-f]+$',
    reason:
      'Your AMI with systemd, cloud-init, docker, ecs, curl, tar, and lvm2 or dnf. When empty, Batch ' +
      'uses the newest ECS-optimized Amazon Linux 2023.',
  },
  RootDeviceName: {
    fallback: '/dev/xvda',
    pattern: '^/dev/[a-z0-9]+$',
    reason: 'Root device of the AMI. With another name, the root volume is not encrypted.',
  },
  DiskMode: {
    fallback: 'elastic',
    allowed: ['elastic', 'fixed', 'instance-store'],
    reason:
      'elastic: NVMe disks, or 100 GiB with InstanceTypes, and more as tasks write. fixed: one volume ' +
      'of DiskGiB. instance-store: NVMe disks only.',
  },
  DiskGiB: {
    type: 'Number',
    fallback: 500,
    unit: 'GiB',
    range: [50, 65536],
    reason: 'With fixed: size of the volume of a host (gp3, encrypted).',
  },
  DiskMaxGiB: {
    type: 'Number',
    fallback: 16384,
    unit: 'GiB',
    range: [100, 262144],
    reason: 'With elastic: most that one host gets.',
  },
  DiskIops: {
    type: 'Number',
    fallback: 3000,
    unit: 'IOPS',
    range: [3000, 80000],
    reason: 'The default is what gp3 includes in its price.',
  },
  DiskThroughput: {
    type: 'Number',
    fallback: 250,
    unit: 'MiB/s',
    range: [125, 2000],
    reason: 'Twice what gp3 includes in its price: inputs and outputs are large files.',
  },
  SpotMaxVcpus: {
    type: 'Number',
    fallback: 1000,
    unit: 'vCPUs',
    range: [0, 100000],
    reason: 'Most vCPUs on Spot at a time. With 0 there is no Spot.',
  },
  OnDemandMaxVcpus: {
    type: 'Number',
    fallback: 256,
    unit: 'vCPUs',
    range: [1, 100000],
    reason: 'Most On-Demand vCPUs at a time, for both queues together.',
  },
  JobTimeoutMinutes: {
    type: 'Number',
    fallback: 7200,
    unit: 'minutes',
    range: [1, 20160],
    reason:
      'How long running jobs keep their host after a host release. The default of Batch, 30, would ' +
      'end tasks that take a day.',
  },
  ContainerInsights: {
    fallback: 'disabled',
    allowed: ['disabled', 'enabled', 'enhanced'],
    reason: 'Container Insights on the clusters of Batch. It is charged per metric.',
  },
  EntrypointWrapper: {
    fallback: 'on',
    allowed: SWITCH,
    reason:
      'Runs the stager also in images that have an ENTRYPOINT, which Batch cannot override. It is ' +
      'never used on GPU hosts.',
  },
  ReservedMemoryMiB: {
    type: 'Number',
    fallback: 256,
    unit: 'MiB',
    range: [0, 65536],
    reason: 'Memory that the ECS agent leaves to the operating system, Docker and itself.',
  },
  ...logRetention,
} as const satisfies Parameters;

export const networkParameters = {
  Cidr: {
    fallback: '10.40.0.0/16',
    pattern: '^\\d+\\.\\d+\\.\\d+\\.\\d+/(16|17|18|19|20)$',
    reason: 'Addresses of the VPC, between /16 and /20. Hosts take one address each.',
  },
  SubnetBits: {
    fallback: '12',
    allowed: ['8', '9', '10', '11', '12', '13'],
    unit: 'bits',
    reason:
      'Size of each of the six subnets: 12 bits are 4,096 addresses. Six must fit in Cidr, so a /20 ' +
      'takes at most 9.',
  },
  Zones: {
    fallback: '3',
    allowed: ['2', '3'],
    reason: 'Availability zones. Three have more Spot capacity than two.',
  },
  Nat: {
    fallback: 'one',
    allowed: ['none', 'one', 'each'],
    reason:
      'NAT gateways: none (interface endpoints for AWS instead; only images in Amazon ECR), one for ' +
      'all zones, or one for each zone. S3 never goes through NAT: it has a gateway endpoint.',
  },
} as const satisfies Parameters;

export const serviceParameters = {
  CoreStack: { fallback: 'batchwell', reason: 'Name of the stack of the template core.' },
  ...vpcAndSubnets,
  LoadBalancerSubnetIds: {
    type: LIST,
    fallback: '',
    reason: 'Public subnets for Public=yes. When empty, the load balancer is in SubnetIds.',
  },
  Public: {
    fallback: 'no',
    allowed: ['no', 'yes'],
    reason:
      'Whether the load balancer can be reached from the internet. It then needs a certificate.',
  },
  CertificateArn: {
    fallback: '',
    pattern: ARN_OR_NONE,
    reason: 'Certificate for HTTPS. Without one the API is plain HTTP and internal.',
  },
  CallerCidr: {
    fallback: '10.0.0.0/8',
    pattern: '^\\d+\\.\\d+\\.\\d+\\.\\d+/\\d+$',
    reason: 'Addresses that may call the API. It cannot be all of the internet.',
  },
  ImageUri: {
    pattern: '^.+@sha256:[0-9a-f]{64}$',
    reason: 'Image of the service, by digest. It must be for CpuArchitecture.',
  },
  SettingsFileArn: {
    fallback: '',
    pattern: '^$|^arn:aws[a-z-]*:s3:::.+/.+[.]env$',
    reason:
      'ARN of an object with settings of the fleet (.env.example has them all), one NAME=value a ' +
      'line. What the template sets itself comes first. aws:deploy --settings makes it.',
  },
  CpuArchitecture: {
    fallback: 'ARM64',
    allowed: ['ARM64', 'X86_64'],
    reason: 'Architecture of the API and the workers. ARM64 costs a fifth less on Fargate.',
  },
  Size: {
    fallback: 'production',
    allowed: ['production', 'small'],
    reason: 'production: two database instances and two API tasks. small: one of each.',
  },
  Database: {
    fallback: 'create',
    allowed: ['create', 'given'],
    reason:
      'Whether an Aurora cluster is created, or DatabaseUrl and DatabaseSecretArn name yours.',
  },
  DatabaseUrl: {
    fallback: '',
    reason:
      'mysql://HOST:3306/batchwell?ssl=Amazon%20RDS, without credentials. Only with Database=given.',
  },
  DatabaseSecretArn: {
    fallback: '',
    pattern: ARN_OR_NONE,
    reason: 'Secret with the keys username and password. Only with Database=given.',
  },
  DatabaseVersion: {
    fallback: '8.0.mysql_aurora.3.08.2',
    reason: 'Version of Aurora MySQL 3. Keep it in step with the minor upgrades that RDS makes.',
  },
  DatabaseMinAcu: {
    type: 'Number',
    fallback: 0.5,
    unit: 'ACU',
    range: [0.5, 256],
    reason: 'Least capacity. 0 would pause: the poll worker never lets it, so it would only cost.',
  },
  DatabaseMaxAcu: {
    type: 'Number',
    fallback: 16,
    unit: 'ACU',
    range: [1, 256],
    reason: 'Most capacity. 100,000 tasks in flight need about 4.',
  },
  Redis: {
    fallback: 'create',
    allowed: ['create', 'given'],
    reason: 'Whether a Valkey group is created, or RedisUrl and RedisSecretArn name yours.',
  },
  RedisUrl: {
    fallback: '',
    reason:
      'rediss://HOST:6379, without credentials. It must run with noeviction. Only with Redis=given.',
  },
  RedisSecretArn: {
    fallback: '',
    pattern: ARN_OR_NONE,
    reason: 'Secret that is the password as plain text. Only with Redis=given.',
  },
  RedisNodeType: {
    fallback: 'cache.t4g.small',
    reason: 'Node type. Messages are ids: 100,000 tasks in flight take less than 50 MB.',
  },
  KmsKeyArn: {
    fallback: '',
    pattern: ARN_OR_NONE,
    reason: 'Your KMS key for database, cache, secrets. When empty, those of AWS.',
  },
  WorkerMax: {
    type: 'Number',
    fallback: 10,
    unit: 'tasks',
    range: [1, 100],
    reason: 'Most worker tasks. There is always one; more come with the age of the oldest message.',
  },
  WorkerTargetAge: {
    type: 'Number',
    fallback: 10,
    unit: 'seconds',
    range: [1, 3600],
    reason: 'Age of the oldest message that scaling aims at.',
  },
  WorkerTargetBacklog: {
    type: 'Number',
    fallback: 50,
    unit: 'messages',
    range: [1, 100000],
    reason: 'Messages per worker that scaling aims at. A message holds up to 500 tasks.',
  },
  ...logRetention,
} as const satisfies Parameters;

export const watchParameters = {
  CoreStack: { fallback: 'batchwell', reason: 'Name of the stack of the template core.' },
  ServiceStack: {
    fallback: '',
    reason: 'Name of the stack of the template service. When empty, only core is watched.',
  },
  Email: {
    fallback: '',
    pattern: '^$|^[^@ ]+@[^@ ]+$',
    reason:
      'Address that gets the alarms, after it has confirmed. Others can subscribe to the topic.',
  },
  OldestMessageSeconds: {
    type: 'Number',
    fallback: 600,
    unit: 'seconds',
    range: [60, 86400],
    reason: 'Age of the oldest message at which people are told: scaling did not help.',
  },
  MonthlyBudgetUsd: {
    type: 'Number',
    fallback: 0,
    unit: 'USD',
    range: [0, 10000000],
    reason:
      'Monthly budget of what has the tag Application=batchwell, which must be activated as a cost ' +
      'allocation tag. 0 for none.',
  },
} as const satisfies Parameters;
