/** The role of the containers of tasks: what a task's command can do, so as little as possible. */
import {
  allow,
  names,
  objectsIn,
  onlyIf,
  policy,
  ref,
  trust,
  useKey,
  workBucket,
} from './statement.ts';

export const taskTrust = trust('ecs-tasks.amazonaws.com');

export const taskPolicy = policy([
  allow('ReadScripts', ['s3:GetObject'], workBucket('/scripts/*')),
  allow(
    'ReadManifestsAndWriteResults',
    ['s3:GetObject', 's3:PutObject', 's3:AbortMultipartUpload'],
    workBucket('/submissions/*'),
  ),
  allow('ListResults', ['s3:ListBucket'], workBucket(), {
    StringLike: { 's3:prefix': ['submissions/*'] },
  }),
  onlyIf(names.inputBuckets, allow('ListInputs', ['s3:ListBucket'], ref('InputBucketArns'))),
  onlyIf(names.inputBuckets, allow('ReadInputs', ['s3:GetObject'], objectsIn('InputBucketArns'))),
  onlyIf(names.outputBuckets, allow('ListOutputs', ['s3:ListBucket'], ref('OutputBucketArns'))),
  onlyIf(
    names.outputBuckets,
    allow(
      'ReadAndWriteOutputs',
      ['s3:GetObject', 's3:PutObject', 's3:AbortMultipartUpload'],
      objectsIn('OutputBucketArns'),
    ),
  ),
  useKey,
]);
