/** The bucket of artifacts, and one for the zip of the sources. Both stay when the stack is deleted. */
import { Fn, type CfnCondition } from 'aws-cdk-lib';
import { CfnBucket, CfnBucketPolicy, type CfnBucketProps } from 'aws-cdk-lib/aws-s3';
import { getAtt, sub } from '../../access/statement.ts';
import { choose, keep } from '../template.ts';
import type { PipelineParts } from './parts.ts';

const KEEP_ARTIFACTS_DAYS = 30;
const ABORT_UPLOADS = { daysAfterInitiation: 7 };

export function addBuckets(pipeline: PipelineParts): void {
  addBucket(pipeline, 'ArtifactBucket', undefined, {
    lifecycleConfiguration: {
      rules: [
        {
          status: 'Enabled',
          expirationInDays: KEEP_ARTIFACTS_DAYS,
          abortIncompleteMultipartUpload: ABORT_UPLOADS,
        },
      ],
    },
  });
  addBucket(pipeline, 'SourceBucket', pipeline.conditions.createsSourceBucket, {
    // CodePipeline reads a version, so that all steps see the same sources.
    versioningConfiguration: { status: 'Enabled' },
    notificationConfiguration: { eventBridgeConfiguration: { eventBridgeEnabled: true } },
    lifecycleConfiguration: {
      rules: [{ status: 'Enabled', abortIncompleteMultipartUpload: ABORT_UPLOADS }],
    },
  });
}

function addBucket(
  { stack, parameters, conditions }: PipelineParts,
  id: string,
  when: CfnCondition | undefined,
  properties: CfnBucketProps,
): void {
  const bucket = new CfnBucket(stack, id, {
    bucketEncryption: {
      serverSideEncryptionConfiguration: [
        {
          serverSideEncryptionByDefault: {
            sseAlgorithm: choose(conditions.hasKey, 'aws:kms', 'AES256'),
            kmsMasterKeyId: choose(conditions.hasKey, parameters.KmsKeyArn.valueAsString),
          },
          bucketKeyEnabled: choose(conditions.hasKey, true),
        },
      ],
    },
    publicAccessBlockConfiguration: {
      blockPublicAcls: true,
      blockPublicPolicy: true,
      ignorePublicAcls: true,
      restrictPublicBuckets: true,
    },
    ownershipControls: { rules: [{ objectOwnership: 'BucketOwnerEnforced' }] },
    ...properties,
  });
  keep(bucket);
  const policy = new CfnBucketPolicy(stack, `${id}Policy`, {
    bucket: Fn.ref(id),
    policyDocument: {
      Version: '2012-10-17',
      Statement: [
        {
          Sid: 'OnlyTls',
          Effect: 'Deny',
          Principal: '*',
          Action: 's3:*',
          Resource: [getAtt(id), sub(`\${${id}.Arn}/*`)],
          Condition: { Bool: { 'aws:SecureTransport': 'false' } },
        },
      ],
    },
  });
  if (when === undefined) return;
  bucket.cfnOptions.condition = when;
  policy.cfnOptions.condition = when;
}
