/** The statements of which roles are made. Each names what it is for, so that a reader can judge it. */

/** A value that CloudFormation resolves, or a text. */
export type Value = string | { readonly [intrinsic: string]: unknown };

export interface Statement {
  Sid: string;
  Effect: 'Allow' | 'Deny';
  Action: readonly string[];
  Resource: Value | readonly Value[];
  Condition?: Readonly<Record<string, Readonly<Record<string, Value | readonly Value[]>>>>;
}

/** A statement that is left out where the condition does not hold. */
export type Optional = Statement | { 'Fn::If': readonly [string, Statement, { Ref: string }] };

export const policy = (Statement: readonly Optional[]) => ({ Version: '2012-10-17', Statement });

export const allow = (
  Sid: string,
  Action: readonly string[],
  Resource: Statement['Resource'],
  Condition?: Statement['Condition'],
): Statement => ({ Sid, Effect: 'Allow', Action, Resource, ...(Condition && { Condition }) });

/** Left out where the condition of the template does not hold. */
export const onlyIf = (condition: string, statement: Statement): Optional => ({
  'Fn::If': [condition, statement, { Ref: 'AWS::NoValue' }],
});

export const sub = (text: string): Value => ({ 'Fn::Sub': text });
export const ref = (name: string): Value => ({ Ref: name });
export const getAtt = (resource: string, attribute = 'Arn'): Value => ({
  'Fn::GetAtt': [resource, attribute],
});
export const when = (condition: string, yes: Value, no: Value): Value => ({
  'Fn::If': [condition, yes, no],
});

/** An ARN of this account and region. */
export const here = (service: string, resource: string): Value =>
  sub(`arn:\${AWS::Partition}:${service}:\${AWS::Region}:\${AWS::AccountId}:${resource}`);

/** Trust of one AWS service, for this account only. */
export const trust = (service: string, fromThisAccount = true) => ({
  Version: '2012-10-17',
  Statement: [
    {
      Effect: 'Allow',
      Principal: { Service: service },
      Action: 'sts:AssumeRole',
      ...(fromThisAccount && {
        Condition: { StringEquals: { 'aws:SourceAccount': ref('AWS::AccountId') } },
      }),
    },
  ],
});

/**
 * What is in the buckets of a list parameter. `Fn::Join` takes no function as its delimiter, so the
 * parameter holds ARNs and not names, which would need the partition.
 */
export const objectsIn = (parameter: string): Value => ({
  'Fn::Split': [
    ',',
    { 'Fn::Sub': ['${Buckets}/*', { Buckets: { 'Fn::Join': ['/*,', { Ref: parameter }] } }] },
  ],
});

/** Conditions, resources and parameters of the template core that roles are made of. */
export const names = {
  inputBuckets: 'HasInputBuckets',
  outputBuckets: 'HasOutputBuckets',
  kms: 'UsesKms',
  ownWorkBucket: 'CreatesWorkBucket',
  ownReleaseBucket: 'CreatesReleaseBucket',
  ownTaskRole: 'CreatesTaskRole',
  moreTaskRoles: 'HasMoreTaskRoles',
  moreLogGroups: 'HasMoreLogGroups',
} as const;

/** On instances of hosts and on volumes that they add; its value is the stack. */
export const DISK_TAG = 'batchwell:disk';

const bucketName = (own: string, resource: string, parameter: string): Value =>
  when(own, ref(resource), ref(parameter));

export const workBucketName = bucketName(names.ownWorkBucket, 'WorkBucket', 'WorkBucketName');
export const releaseBucketName = bucketName(
  names.ownReleaseBucket,
  'ReleaseBucket',
  'ReleaseBucketName',
);

const inBucket = (bucket: Value, key: string): Value => ({
  'Fn::Sub': [`arn:\${AWS::Partition}:s3:::\${Bucket}${key}`, { Bucket: bucket }],
});
export const workBucket = (key = ''): Value => inBucket(workBucketName, key);
export const releaseBucket = (key = ''): Value => inBucket(releaseBucketName, key);

/** Reading and writing in buckets with SSE-KMS needs the key as well. */
export const useKey: Optional = onlyIf(
  names.kms,
  allow('UseKey', ['kms:Decrypt', 'kms:GenerateDataKey'], ref('KmsKeyArn')),
);
