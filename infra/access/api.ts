/** The role of the API: it reads logs and input facts, and asks AWS Batch only which queues there are. */
import { imageDigests, readFiles } from './fleet.ts';
import { allow, names, objectsIn, onlyIf, policy, ref, workBucket } from './statement.ts';

export const apiPolicy = policy([
  allow('ReadLogs', ['s3:GetObject'], workBucket('/*')),
  ...readFiles,
  onlyIf(
    names.outputBuckets,
    allow('ReadOutputs', ['s3:GetObject', 's3:GetObjectVersion'], objectsIn('OutputBucketArns')),
  ),
  onlyIf(names.kms, allow('UseKey', ['kms:Decrypt'], ref('KmsKeyArn'))),
  ...imageDigests,
  // It has no resource types.
  allow('LookAtQueues', ['batch:DescribeJobQueues'], '*'),
]);
