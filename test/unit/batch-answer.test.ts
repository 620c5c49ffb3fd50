import { expect, test } from 'vitest';
import { denialOf } from '../../aws/answers.ts';
import { readAwsError, type AwsAnswer } from '../../core/submission/batch-answer.ts';

const USER = 'User: arn:aws:sts::111122223333:assumed-role/batchwell-worker/i-0abc';
const ROLE = 'arn:aws:iam::111122223333:role/tasks';

test.each<[status: number, name: string, message: string, AwsAnswer]>([
  [429, 'TooManyRequestsException', 'Too Many Requests', 'throttled'],
  [400, 'ThrottlingException', 'Rate exceeded', 'throttled'],
  [503, 'SlowDown', 'Please reduce your request rate.', 'throttled'],
  [0, 'ECONNREFUSED', 'connect ECONNREFUSED 10.0.0.1:443', 'not-sent'],
  [0, 'ENOTFOUND', 'getaddrinfo ENOTFOUND batch.eu-west-9.amazonaws.com', 'not-sent'],
  [
    403,
    'AccessDeniedException',
    `${USER} is not authorized to perform: batch:SubmitJob on resource: arn:aws:batch:eu-west-1:111122223333:job-queue/q`,
    'denied',
  ],
  [
    400,
    'AccessDeniedException',
    `${USER} is not authorized to perform: batch:SubmitJob with an explicit deny in a service control policy`,
    'denied',
  ],
  [
    403,
    'AccessDeniedException',
    `${USER} is not authorized to perform: batch:RegisterJobDefinition on resource: arn:aws:batch:eu-west-1:111122223333:job-definition/batchwell-x`,
    'denied',
  ],
  [
    400,
    'ClientException',
    `Error executing request, Exception : ${USER} is not authorized to perform: iam:PassRole on resource: ${ROLE}, RequestId: 1`,
    'denied',
  ],
  [
    403,
    'ClientException',
    `${USER} is not authorized to perform: batch:TagResource on resource: arn:aws:batch:eu-west-1:111122223333:job/*`,
    'denied',
  ],
  [403, 'AccessDeniedException', 'You are not allowed to do this.', 'denied'],
  [401, 'UnknownError', 'Unauthorized', 'denied'],
  [403, 'ExpiredTokenException', 'The security token included in the request is expired', 'denied'],
  [400, 'ExpiredToken', 'The provided token has expired.', 'denied'],
  [
    403,
    'UnrecognizedClientException',
    'The security token included in the request is invalid.',
    'denied',
  ],
  [400, 'UnrecognizedClientException', 'The security token is invalid', 'denied'],
  [403, 'InvalidClientTokenId', 'The security token included in the request is invalid', 'denied'],
  [403, 'InvalidSignatureException', 'Signature expired: 20260101T000000Z', 'denied'],
  [403, 'SignatureDoesNotMatch', 'The request signature we calculated does not match', 'denied'],
  [403, 'RequestTimeTooSkewed', 'The difference between the request time and', 'denied'],
  [403, 'MissingAuthenticationTokenException', 'Missing Authentication Token', 'denied'],
  [403, 'OptInRequired', 'You are not subscribed to this service.', 'denied'],
  [0, 'CredentialsProviderError', 'Could not load credentials from any providers', 'denied'],
  [403, 'AccessDenied', 'Access Denied', 'denied'],
  [403, 'InvalidAccessKeyId', 'The AWS Access Key Id you provided does not exist', 'denied'],
  [404, 'NoSuchBucket', 'The specified bucket does not exist', 'denied'],
  [400, 'ClientException', 'JobQueue q is not ENABLED.', 'queue-off'],
  [400, 'ClientException', 'Job queue q is in DISABLED state.', 'queue-off'],
  [400, 'ClientException', 'JobQueue q not found.', 'queue-unknown'],
  [404, 'ClientException', 'JobQueue q', 'queue-unknown'],
  [400, 'ClientException', 'Job queue q does not exist', 'queue-unknown'],
  [400, 'ClientException', 'Job queue q can not be found.', 'queue-unknown'],
  [400, 'ClientException', 'arn:aws:batch:r:1:job-queue/q does not exist', 'queue-unknown'],
  [404, 'ClientException', 'JobDefinition d:1 not found.', 'definition-unknown'],
  [400, 'ClientException', 'JobDefinition d:1 does not exist', 'definition-unknown'],
  [400, 'ClientException', 'JobDefinition d:1 is not ACTIVE.', 'definition-inactive'],
  [400, 'ClientException', 'Job definition d:1 is in INACTIVE status', 'definition-inactive'],
  [400, 'ClientException', 'Error executing request, Exception : Invalid jobRoleArn', 'refused'],
  [400, 'ClientException', 'Array size must be at most 10000', 'refused'],
  [409, 'ClientException', 'Conflict', 'refused'],
  [413, 'ClientException', 'Request body is too large', 'refused'],
  [500, 'ServerException', 'Internal error', 'ambiguous'],
  [503, 'ServiceUnavailable', 'Try later', 'ambiguous'],
  [0, 'TimeoutError', 'Connection timed out', 'ambiguous'],
  [0, 'ECONNRESET', 'read ECONNRESET', 'ambiguous'],
  [0, 'EPIPE', 'write EPIPE', 'ambiguous'],
])('HTTP %i %s: "%s" is read as %s', (status, name, message, expected) =>
  expect(readAwsError({ status, name, message })).toBe(expected),
);

const withCause = (cause: unknown) =>
  new Error('S3 could not write s3://b/k: AccessDenied: no', { cause });

test('a denial of S3 is found in the error of the object store, with its object', () => {
  const denied = Object.assign(new Error('no'), {
    name: 'AccessDenied',
    $metadata: { httpStatusCode: 403 },
  });
  expect(denialOf(withCause(denied))).toEqual({
    service: 's3',
    words: 'S3 could not write s3://b/k: AccessDenied: no',
  });
  expect(denialOf(denied)).toEqual({ service: 'batch', words: 'AccessDenied: no' });
});

test('an error of anything else is no denial', () => {
  expect(denialOf(withCause(new Error('reset')))).toBeUndefined();
  expect(denialOf(new Error('MySQL is gone'))).toBeUndefined();
  expect(denialOf('text')).toBeUndefined();
});
