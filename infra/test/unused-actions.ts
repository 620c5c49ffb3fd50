/** Granted actions that the fleet of the access test does not use, by role, and why they are granted. */

const DIGESTS =
  'Digests of images in Amazon ECR; the test has no registry. test/contract/ecr-login.test.ts asks one.';
const VERSIONS = 'Inputs in buckets with versions; the local S3 keeps none.';
const EVENTS =
  'Events through SQS; test/flow/fleet-events.test.ts receives them from a played queue.';
const TAGS = 'Copies of objects with tags and versions.';
const RESUMED =
  'A copy in parts that another worker began; test/contract/aws-s3-copy.test.ts resumes one.';

export const unusedActions: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  api: {
    'ecr:BatchGetImage': DIGESTS,
    'ecr:GetAuthorizationToken': DIGESTS,
    's3:GetObjectVersion': VERSIONS,
  },
  worker: {
    'batch:ListJobs': 'The janitor, and a SubmitJob whose answer was lost; not in every run.',
    'batch:DeregisterJobDefinition':
      '`batchwell job-definitions prune`, after 90 days without use.',
    'ecr:BatchGetImage': DIGESTS,
    'ecr:GetAuthorizationToken': DIGESTS,
    's3:AbortMultipartUpload': 'A copy in parts that failed, or that lost its source.',
    's3:GetObjectVersion': VERSIONS,
    's3:GetObjectVersionTagging': TAGS,
    's3:ListBucketMultipartUploads': RESUMED,
    's3:ListMultipartUploadParts': RESUMED,
    'sqs:DeleteMessage': EVENTS,
    'sqs:ReceiveMessage': EVENTS,
  },
  task: {
    's3:AbortMultipartUpload': 'An output above 8 MiB whose upload failed.',
  },
};
