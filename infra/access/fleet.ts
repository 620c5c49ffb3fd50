/** What the API and the workers both do. */
import {
  allow,
  names,
  objectsIn,
  onlyIf,
  ref,
  sub,
  workBucket,
  type Optional,
} from './statement.ts';

/** Digests of images in Amazon ECR, so that a cached task runs the image that it was checked with. */
export const imageDigests: readonly Optional[] = [
  allow('LogInToRegistry', ['ecr:GetAuthorizationToken'], '*'),
  allow(
    'ReadImageDigests',
    ['ecr:BatchGetImage'],
    sub('arn:${AWS::Partition}:ecr:*:${AWS::AccountId}:repository/*'),
  ),
];

/** Without s3:ListBucket, S3 answers 403 instead of 404 for an object that does not exist. */
export const readFiles: readonly Optional[] = [
  allow('ListWorkBucket', ['s3:ListBucket'], workBucket()),
  onlyIf(names.inputBuckets, allow('ListInputs', ['s3:ListBucket'], ref('InputBucketArns'))),
  onlyIf(
    names.inputBuckets,
    allow('ReadInputs', ['s3:GetObject', 's3:GetObjectVersion'], objectsIn('InputBucketArns')),
  ),
  onlyIf(names.outputBuckets, allow('ListOutputs', ['s3:ListBucket'], ref('OutputBucketArns'))),
];
