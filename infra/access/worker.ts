/** The role of the workers: Batch, the work bucket, the inputs, and the copies of cache hits. */
import { imageDigests, readFiles } from './fleet.ts';
import {
  allow,
  getAtt,
  here,
  names,
  objectsIn,
  onlyIf,
  policy,
  ref,
  useKey,
  when,
  workBucket,
} from './statement.ts';

/** Everything that the fleet registers has this prefix: core/container/job-definition.ts. */
const DEFINITIONS = here('batch', 'job-definition/batchwell-*');
const QUEUES = here('batch', 'job-queue/${AWS::StackName}*');
const JOBS = here('batch', 'job/*');

const passTo = { StringEquals: { 'iam:PassedToService': 'ecs-tasks.amazonaws.com' } };

/** Copies carry tags, and name the version that was checked. Large ones are copied in parts. */
const copy = [
  's3:GetObject',
  's3:GetObjectVersion',
  's3:GetObjectTagging',
  's3:GetObjectVersionTagging',
  's3:PutObject',
  's3:PutObjectTagging',
  's3:AbortMultipartUpload',
  's3:ListMultipartUploadParts',
];

export const workerPolicy = policy([
  // An absent key matches no condition: without a log configuration there is no permission.
  allow('RegisterJobDefinition', ['batch:RegisterJobDefinition'], DEFINITIONS, {
    StringEquals: { 'batch:LogDriver': 'awslogs' },
    StringLike: {
      'batch:AWSLogsGroup': [
        ref('TaskLogGroup'),
        when(names.moreLogGroups, ref('MoreLogGroups'), ref('AWS::NoValue')),
      ],
    },
  }),
  {
    Sid: 'NeverPrivileged',
    Effect: 'Deny',
    Action: ['batch:RegisterJobDefinition'],
    Resource: '*',
    Condition: { Bool: { 'batch:Privileged': 'true' } },
  },
  allow('PruneJobDefinitions', ['batch:DeregisterJobDefinition'], DEFINITIONS),
  allow('SubmitJob', ['batch:SubmitJob'], [QUEUES, DEFINITIONS, JOBS]),
  allow('TagJobs', ['batch:TagResource'], [DEFINITIONS, JOBS]),
  allow('TerminateJob', ['batch:TerminateJob'], JOBS),
  // These two have no resource types.
  allow('LookAtJobs', ['batch:ListJobs', 'batch:DescribeJobs'], '*'),
  allow(
    'PassTaskRole',
    ['iam:PassRole'],
    when(names.ownTaskRole, getAtt('TaskRole'), ref('TaskRoleArn')),
    passTo,
  ),
  onlyIf(
    names.moreTaskRoles,
    allow('PassMoreTaskRoles', ['iam:PassRole'], ref('MoreTaskRoleArns'), passTo),
  ),
  allow('ReceiveEvents', ['sqs:ReceiveMessage', 'sqs:DeleteMessage'], getAtt('EventsQueue')),
  allow('WorkBucket', copy, workBucket('/*')),
  allow('ListUploads', ['s3:ListBucketMultipartUploads'], workBucket()),
  ...readFiles,
  onlyIf(
    names.inputBuckets,
    allow(
      'ReadInputTags',
      ['s3:GetObjectTagging', 's3:GetObjectVersionTagging'],
      objectsIn('InputBucketArns'),
    ),
  ),
  onlyIf(names.outputBuckets, allow('CopyOutputs', copy, objectsIn('OutputBucketArns'))),
  onlyIf(
    names.outputBuckets,
    allow('ListOutputUploads', ['s3:ListBucketMultipartUploads'], ref('OutputBucketArns')),
  ),
  useKey,
  ...imageDigests,
]);
