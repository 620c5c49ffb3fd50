/** Parameters of the template service. */
import { LIST, ARN_OR_NONE, vpcAndSubnets, logRetention, type Parameters } from './parameter.ts';

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
