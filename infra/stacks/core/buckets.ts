/** The work bucket, the bucket of host releases and the repository of the image. All stay when the stack is deleted. */
import { Fn, type CfnCondition, type Stack } from 'aws-cdk-lib';
import { CfnBucket, CfnBucketPolicy, type CfnBucketProps } from 'aws-cdk-lib/aws-s3';
import { CfnRepository } from 'aws-cdk-lib/aws-ecr';
import { CfnLogGroup } from 'aws-cdk-lib/aws-logs';
import { getAtt, sub } from '../../access/statement.ts';
import { choose, keep } from '../template.ts';
import type { Core } from './conditions.ts';

const ABORT_UPLOADS = {
  id: 'abort-uploads',
  status: 'Enabled',
  abortIncompleteMultipartUpload: { daysAfterInitiation: 7 },
};

const NO_PUBLIC_ACCESS = {
  blockPublicAcls: true,
  blockPublicPolicy: true,
  ignorePublicAcls: true,
  restrictPublicBuckets: true,
};

const NEVER_OVERWRITE = {
  Sid: 'NeverOverwriteARelease',
  Effect: 'Deny',
  Principal: '*',
  Action: 's3:PutObject',
  Resource: sub('${ReleaseBucket.Arn}/releases/*'),
  // Parts of an upload carry no condition; the request that completes it does.
  Condition: {
    Null: { 's3:if-none-match': 'true' },
    Bool: { 's3:ObjectCreationOperation': 'true' },
  },
};

export function addBuckets(core: Core): void {
  const { stack, parameters, conditions } = core;
  addBucket(core, 'WorkBucket', conditions.createsWorkBucket, {
    lifecycleConfiguration: {
      rules: [
        ABORT_UPLOADS,
        // Scripts are shared by content and for ever; they must never expire.
        {
          id: 'expire-submissions',
          status: 'Enabled',
          prefix: 'submissions/',
          expirationInDays: parameters.SubmissionDays.valueAsNumber,
        },
      ],
    },
  });
  addBucket(core, 'ReleaseBucket', conditions.createsReleaseBucket, {
    versioningConfiguration: { status: 'Enabled' },
    lifecycleConfiguration: { rules: [ABORT_UPLOADS] },
  });
  addBucketPolicy(stack, 'WorkBucket', conditions.createsWorkBucket, []);
  addBucketPolicy(stack, 'ReleaseBucket', conditions.createsReleaseBucket, [NEVER_OVERWRITE]);
  keep(
    new CfnRepository(stack, 'ImageRepository', {
      imageTagMutability: 'IMMUTABLE',
      imageScanningConfiguration: { scanOnPush: true },
    }),
  );
  addLogGroup(stack, 'TaskLogGroup', 'tasks', parameters.LogRetentionDays.valueAsNumber);
  addLogGroup(stack, 'HostLogGroup', 'hosts', parameters.LogRetentionDays.valueAsNumber);
}

function addBucket(
  { stack, parameters, conditions }: Core,
  id: string,
  when: CfnCondition,
  properties: CfnBucketProps,
): void {
  const bucket = new CfnBucket(stack, id, {
    bucketEncryption: {
      serverSideEncryptionConfiguration: [
        {
          serverSideEncryptionByDefault: {
            sseAlgorithm: choose(conditions.usesKms, 'aws:kms', 'AES256'),
            kmsMasterKeyId: choose(conditions.usesKms, parameters.KmsKeyArn.valueAsString),
          },
          // One key for a bucket instead of a request to KMS for each object.
          bucketKeyEnabled: choose(conditions.usesKms, true),
        },
      ],
    },
    publicAccessBlockConfiguration: NO_PUBLIC_ACCESS,
    ownershipControls: { rules: [{ objectOwnership: 'BucketOwnerEnforced' }] },
    ...properties,
  });
  bucket.cfnOptions.condition = when;
  keep(bucket);
}

function addBucketPolicy(
  stack: Stack,
  bucket: string,
  when: CfnCondition,
  statements: readonly object[],
): void {
  const onlyTls = {
    Sid: 'OnlyTls',
    Effect: 'Deny',
    Principal: '*',
    Action: 's3:*',
    Resource: [getAtt(bucket), sub(`\${${bucket}.Arn}/*`)],
    Condition: { Bool: { 'aws:SecureTransport': 'false' } },
  };
  new CfnBucketPolicy(stack, `${bucket}Policy`, {
    bucket: Fn.ref(bucket),
    policyDocument: { Version: '2012-10-17', Statement: [onlyTls, ...statements] },
  }).cfnOptions.condition = when;
}

function addLogGroup(stack: Stack, id: string, name: string, days: number): void {
  new CfnLogGroup(stack, id, {
    logGroupName: Fn.sub(`/batchwell/\${AWS::StackName}/${name}`),
    retentionInDays: days,
  });
}
