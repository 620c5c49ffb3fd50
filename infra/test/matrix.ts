/** Parameters in the combinations that customers use. */
import type { ParameterValues } from './evaluate.ts';

const KEY = 'arn:aws:kms:eu-west-1:111122223333:key/1';

const SECRET = 'arn:aws:secretsmanager:eu-west-1:111122223333:secret:lab';

export const PUBLIC = {
  Public: 'yes',
  CertificateArn: 'arn:aws:acm:eu-west-1:111122223333:certificate/1',
  LoadBalancerSubnetIds: 'subnet-c,subnet-d',
  CallerCidr: '203.0.113.0/24',
};

export const GIVEN = {
  Database: 'given',
  DatabaseUrl: 'mysql://lab:3306/batchwell?ssl=Amazon%20RDS',
  DatabaseSecretArn: SECRET,
  Redis: 'given',
  RedisUrl: 'rediss://lab:6379',
  RedisSecretArn: SECRET,
};

export const matrix: Record<string, Record<string, ParameterValues>> = {
  core: {
    'nothing but the network': {},
    'a KMS key': { Encryption: 'KMS', KmsKeyArn: KEY },
    'buckets, group and role of the customer': {
      WorkBucketName: 'lab-work',
      ReleaseBucketName: 'lab-releases',
      SecurityGroupId: 'sg-1',
      TaskRoleMode: 'given',
      TaskRoleArn: 'arn:aws:iam::111122223333:role/lab',
    },
    'one zone': { SubnetIds: 'subnet-a' },
    'arm64 with Container Insights': { Architecture: 'arm64', ContainerInsights: 'enhanced' },
    'an AMI and types of the customer, no Spot': {
      ImageId: 'ami-1',
      InstanceTypes: 'r7i.large,g5',
      EntrypointWrapper: 'off',
      SpotMaxVcpus: '0',
    },
    'data buckets and more roles': {
      InputBucketArns: 'arn:aws:s3:::reads,arn:aws:s3:::references',
      OutputBucketArns: 'arn:aws:s3:::results',
      MoreTaskRoleArns: 'arn:aws:iam::111122223333:role/a,arn:aws:iam::111122223333:role/b',
      MoreLogGroups: '/lab/*',
      Encryption: 'KMS',
      KmsKeyArn: KEY,
    },
    'the disk mode fixed': { DiskMode: 'fixed', DiskGiB: '2000' },
    'the disk mode instance-store': { DiskMode: 'instance-store' },
    'the disk mode elastic with types of the customer and a KMS key': {
      DiskMode: 'elastic',
      DiskMaxGiB: '4000',
      InstanceTypes: 'm7i',
      Encryption: 'KMS',
      KmsKeyArn: KEY,
    },
  },
  network: {
    'three zones and one NAT': {},
    'two zones': { Zones: '2' },
    'two zones with a NAT each': { Zones: '2', Nat: 'each' },
    'three zones with a NAT each': { Nat: 'each' },
    'two zones without NAT': { Zones: '2', Nat: 'none' },
    'three zones without NAT': { Nat: 'none' },
  },
  service: {
    'everything created': {},
    'the small form, with settings': {
      Size: 'small',
      SettingsFileArn: 'arn:aws:s3:::lab-releases/settings/1.env',
    },
    'a certificate, open to the internet': PUBLIC,
    'database and Redis of the customer': GIVEN,
    'a KMS key': { KmsKeyArn: KEY },
  },
  watch: {
    'core only': {},
    'the service, an address and a budget': {
      ServiceStack: 'batchwell-service',
      Email: 'ops@example.org',
      MonthlyBudgetUsd: '500',
    },
  },
  pipeline: {
    'a zip in a bucket of its own': {},
    'a zip in a bucket of the customer, a KMS key, and an npm registry': {
      SourceBucketName: 'lab-sources',
      KmsKeyArn: KEY,
      NpmRegistry: 'https://npm.lab.example/',
    },
    'a connection, and a person to ask': {
      Source: 'CodeConnections',
      ConnectionArn: 'arn:aws:codeconnections:eu-west-1:111122223333:connection/1',
      RepositoryName: 'lab/batchwell',
      ApprovalEmail: 'ops@example.org',
      Image: 'amd64',
    },
    'CodeCommit without approval and image': {
      Source: 'CodeCommit',
      RepositoryName: 'batchwell',
      Approval: 'off',
      Image: 'off',
      Tests: 'all',
    },
  },
  cromwell: {
    'the service of this account': {},
    'a name, a token, a key, and callers of the customer': {
      ApiUrl: 'https://batchwell.lab.example',
      TokenSecretArn: SECRET,
      KmsKeyArn: KEY,
      CallerCidr: '10.1.0.0/16',
      JarUrl: 's3://lab-programs/cromwell-91.jar',
      JarSha256: 'ab'.repeat(32),
    },
  },
};
