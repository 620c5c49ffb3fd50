/** Parameters of the template cromwell. */
import { ARN_OR_NONE, type Parameters } from './parameter.ts';

export const cromwellParameters = {
  ServiceStack: {
    fallback: 'batchwell-service',
    reason: 'Name of the stack of the template service.',
  },
  VpcId: { type: 'AWS::EC2::VPC::Id', reason: 'The VPC of the service.' },
  SubnetId: {
    type: 'AWS::EC2::Subnet::Id',
    reason: 'One private subnet with a route out. The server and its volume are in its zone.',
  },
  AvailabilityZone: {
    type: 'AWS::EC2::AvailabilityZone::Name',
    reason: 'The zone of SubnetId. CloudFormation cannot look it up.',
  },
  ImageUri: {
    pattern: '^.+@sha256:[0-9a-f]{64}$',
    reason: 'The image of the service, by digest: cromwell-proxy is in it.',
  },
  ServerImage: {
    type: 'AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>',
    fallback: '/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64',
    reason:
      'SSM parameter of the AMI, Amazon Linux 2023 of the architecture of ImageUri. A newer AMI ' +
      'replaces the server at the next update of the stack; the data stay.',
  },
  InstanceType: {
    fallback: 'm7g.large',
    reason: 'Of the same architecture. Cromwell takes 60 % of the memory.',
  },
  JarUrl: {
    fallback: 'https://github.com/broadinstitute/cromwell/releases/download/91/cromwell-91.jar',
    pattern: '^(https|s3)://.+\\.jar$',
    reason: 'Where the jar of Cromwell is, such as s3://BUCKET/cromwell-91.jar in your own bucket.',
  },
  JarSha256: {
    fallback: '',
    pattern: '^$|^[0-9a-f]{64}$',
    reason: 'SHA-256 of the jar. When empty, it is not compared.',
  },
  Bucket: {
    pattern: '^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$',
    reason:
      'Bucket of the root, in which tasks read and write. It must be one of OutputBucketArns of core.',
  },
  Prefix: {
    fallback: 'cromwell-executions',
    pattern: '^[A-Za-z0-9][A-Za-z0-9._/-]*[A-Za-z0-9]$',
    reason: 'Prefix of the root in the bucket. Each server needs one of its own.',
  },
  KmsKeyArn: {
    fallback: '',
    pattern: ARN_OR_NONE,
    reason: 'KMS key of the bucket, if it has one.',
  },
  ApiUrl: {
    fallback: '',
    pattern: '^$|^https?://[^/]+$',
    reason:
      'URL of the API, for example the name in its certificate. When empty, that of the load balancer.',
  },
  TokenSecretArn: {
    fallback: '',
    pattern: ARN_OR_NONE,
    reason:
      'Secret with a token for Cromwell (`batchwell token create`). When empty, the first one of the service.',
  },
  CallerCidr: {
    fallback: '',
    pattern: '^$|^\\d+\\.\\d+\\.\\d+\\.\\d+/\\d+$',
    reason:
      'Addresses that may call Cromwell, which asks for no password. When empty, nobody: use port ' +
      'forwarding of SSM.',
  },
  DataGiB: {
    type: 'Number',
    fallback: 200,
    unit: 'GiB',
    range: [20, 16384],
    reason: 'Size of the volume: the files of all workflows, and the database of Cromwell.',
  },
} as const satisfies Parameters;
