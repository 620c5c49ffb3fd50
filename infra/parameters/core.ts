/** Parameters of the template core. */
import {
  LIST,
  ARN_OR_NONE,
  SWITCH,
  vpcAndSubnets,
  logRetention,
  type Parameters,
} from './parameter.ts';

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
