/**
 * What an AWS request needs of IAM: one row per operation (source: the service authorization reference
 * of 2026). An operation without a row fails the test.
 */

export interface Asked {
  /** As the ledger names it: `s3.PutObject`. */
  operation: string;
  bucket: string;
  key: string;
  query: URLSearchParams;
  headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Of Batch. */
  body: Readonly<Record<string, unknown>>;
}

export interface IamRequest {
  action: string;
  resource: string;
  context: Readonly<Record<string, string>>;
}

const ACCOUNT = 'eu-west-1:111122223333';

const need = (
  action: string,
  resource: string,
  context: IamRequest['context'] = {},
): IamRequest => ({ action, resource, context });

const bucketArn = ({ bucket }: Asked): string => `arn:aws:s3:::${bucket}`;
const objectArn = ({ bucket, key }: Asked): string => `arn:aws:s3:::${bucket}/${key}`;
const onObject =
  (...actions: string[]) =>
  (asked: Asked) =>
    actions.map((action) => need(action, objectArn(asked)));

const reading = (asked: Asked): IamRequest[] =>
  onObject(asked.query.has('versionId') ? 's3:GetObjectVersion' : 's3:GetObject')(asked);

/** The object that a copy is made of. */
function copied({ headers }: Asked, ...more: string[]): IamRequest[] {
  const source = decodeURIComponent(String(headers['x-amz-copy-source'])).replace(/^\//, '');
  const [object = '', version] = source.split('?versionId=');
  const suffix = version === undefined ? '' : 'Version';
  return [`s3:GetObject${suffix}`, ...more.map((name) => `s3:GetObject${suffix}${name}`)].map(
    (action) => need(action, `arn:aws:s3:::${object}`),
  );
}

const batchArn = (kind: string, nameOrArn: unknown): string => {
  const text = String(nameOrArn);
  return text.startsWith('arn:') ? text : `arn:aws:batch:${ACCOUNT}:${kind}/${text}`;
};
const JOBS = `arn:aws:batch:${ACCOUNT}:job/1b2f`;
const tagged = (body: Asked['body'], resource: string): IamRequest[] =>
  'tags' in body ? [need('batch:TagResource', resource)] : [];

function registered({ body }: Asked): IamRequest[] {
  const definition = batchArn('job-definition', body['jobDefinitionName']);
  const container = body['containerProperties'] as {
    jobRoleArn?: string;
    privileged?: boolean;
    logConfiguration?: { logDriver: string; options: Record<string, string> };
  };
  const log = container.logConfiguration;
  const { jobRoleArn: role } = container;
  return [
    need('batch:RegisterJobDefinition', definition, {
      ...(container.privileged !== undefined && {
        'batch:Privileged': String(container.privileged),
      }),
      ...(log && {
        'batch:LogDriver': log.logDriver,
        'batch:AWSLogsGroup': String(log.options['awslogs-group']),
      }),
    }),
    ...tagged(body, `${definition}:1`),
    ...(role === undefined
      ? []
      : [need('iam:PassRole', role, { 'iam:PassedToService': 'ecs-tasks.amazonaws.com' })]),
  ];
}

function submitted({ body }: Asked): IamRequest[] {
  return [
    need('batch:SubmitJob', batchArn('job-queue', body['jobQueue'])),
    need('batch:SubmitJob', batchArn('job-definition', body['jobDefinition'])),
    need('batch:SubmitJob', JOBS),
    ...tagged(body, JOBS),
  ];
}

export const iamRequests: Readonly<Record<string, (asked: Asked) => IamRequest[]>> = {
  's3.GetObject': reading,
  's3.HeadObject': reading,
  's3.PutObject': onObject('s3:PutObject'),
  's3.ListObjectsV2': (asked) => [
    need('s3:ListBucket', bucketArn(asked), { 's3:prefix': asked.query.get('prefix') ?? '' }),
  ],
  's3.CopyObject': (asked) => [
    ...copied(asked, 'Tagging'),
    ...onObject('s3:PutObject', 's3:PutObjectTagging')(asked),
  ],
  's3.CreateMultipartUpload': (asked) =>
    onObject(
      's3:PutObject',
      ...('x-amz-tagging' in asked.headers ? ['s3:PutObjectTagging'] : []),
    )(asked),
  's3.UploadPart': onObject('s3:PutObject'),
  's3.UploadPartCopy': (asked) => [...copied(asked), ...onObject('s3:PutObject')(asked)],
  's3.CompleteMultipartUpload': onObject('s3:PutObject'),
  's3.AbortMultipartUpload': onObject('s3:AbortMultipartUpload'),
  's3.ListParts': onObject('s3:ListMultipartUploadParts'),
  's3.ListMultipartUploads': (asked) => [need('s3:ListBucketMultipartUploads', bucketArn(asked))],
  's3.GetObjectTagging': (asked) =>
    onObject(asked.query.has('versionId') ? 's3:GetObjectVersionTagging' : 's3:GetObjectTagging')(
      asked,
    ),
  'batch.RegisterJobDefinition': registered,
  'batch.DeregisterJobDefinition': ({ body }) => [
    need('batch:DeregisterJobDefinition', batchArn('job-definition', body['jobDefinition'])),
  ],
  'batch.SubmitJob': submitted,
  'batch.ListJobs': () => [need('batch:ListJobs', '*')],
  'batch.DescribeJobQueues': () => [need('batch:DescribeJobQueues', '*')],
  'batch.DescribeJobs': () => [need('batch:DescribeJobs', '*')],
  'batch.TerminateJob': ({ body }) => [need('batch:TerminateJob', batchArn('job', body['jobId']))],
};
