/** Parameters of the template pipeline. */
import { ARN_OR_NONE, logRetention, SWITCH, type Parameters } from './parameter.ts';

export const pipelineParameters = {
  CoreStack: { fallback: 'batchwell', reason: 'Name of the stack of the template core.' },
  Source: {
    fallback: 'S3',
    allowed: ['S3', 'CodeConnections', 'CodeCommit'],
    reason:
      'Where the sources are. S3 is a zip of them, which also works without the internet; ' +
      'CodeConnections is GitHub, GitLab, or Bitbucket.',
  },
  SourceBucketName: {
    fallback: '',
    pattern: '^$|^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$',
    reason:
      'An existing bucket with versions and EventBridge notifications, for Source=S3. When empty, ' +
      'one is created.',
  },
  SourceKey: { fallback: 'batchwell.zip', reason: 'Key of the zip. Only with Source=S3.' },
  ConnectionArn: {
    fallback: '',
    pattern: ARN_OR_NONE,
    reason: 'The connection to your repository. Only with Source=CodeConnections.',
  },
  RepositoryName: {
    fallback: '',
    reason:
      'OWNER/NAME with Source=CodeConnections, and the name of the repository with CodeCommit.',
  },
  Branch: {
    fallback: 'main',
    reason: 'Branch of the repository. A push to it starts the pipeline.',
  },
  Tests: {
    fallback: 'infra',
    allowed: ['infra', 'all'],
    reason:
      'infra runs lint, types, and the tests of templates and hosts. all runs those of the fleet too.',
  },
  Approval: {
    fallback: 'on',
    allowed: SWITCH,
    reason: 'Whether a person approves the change set before it is executed.',
  },
  ApprovalEmail: {
    fallback: '',
    pattern: '^$|^[^@ ]+@[^@ ]+$',
    reason: 'Address that is asked for approval, after it has confirmed.',
  },
  Image: {
    fallback: 'arm64',
    allowed: ['arm64', 'amd64', 'off'],
    reason: 'Architecture for which the image of the service is built and pushed.',
  },
  BuildImage: {
    fallback: 'public.ecr.aws/docker/library/node:24-bookworm',
    reason: 'Image of the builders: Debian with Node 24, for both architectures.',
  },
  NpmRegistry: {
    fallback: '',
    pattern: '^$|^https://.+$',
    reason: 'URL of your npm registry. When empty, the public one.',
  },
  KmsKeyArn: {
    fallback: '',
    pattern: ARN_OR_NONE,
    reason: 'Your KMS key for artifacts, and that of the release bucket. When empty, SSE-S3.',
  },
  ...logRetention,
} as const satisfies Parameters;
