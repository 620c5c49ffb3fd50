// cspell:ignore ENOTDIR EISDIR EEXIST ENAMETOOLONG EROFS EACCES ENOTFOUND
/** Whose fault it is when files cannot be moved, and what the task says to do about it. */
import { describe, expect, test } from 'vitest';
import type { StagerError } from '../../core/result/result.ts';
import { failureKinds, type FailureKind } from '../../core/retry/failures.ts';
import { meaningOfExit } from '../../core/retry/command-exit.ts';
import { judgeRefusedCopy, judgeStager } from '../../core/retry/stager-reasons.ts';

type Row = [reason: string, kind: FailureKind, advice: RegExp];

const SUBJECT = 's3://lab/could not be read: NoSuchKey: x';
const error = (kind: StagerError['kind'], verb: string, reason: string): StagerError => ({
  kind,
  subject: SUBJECT,
  message: `${kind === 'input' ? 'Input' : 'Output'} 2 of 3 (NoSuchBucket: n) ${SUBJECT} could not be ${verb}: ${reason}`,
});

/** The kind, and what the sentence says after the stager's own words. */
function judged(of: StagerError): [kind: FailureKind, advice: string] {
  const { kind, sentence } = judgeStager(of);
  const fact = `${of.message.replace(/\.$/, '')}. `;
  return [kind, sentence.startsWith(fact) ? sentence.slice(fact.length) : `not told: ${sentence}`];
}

const inputs: Row[] = [
  ['NoSuchKey: The specified key does not exist.', 'input-missing', /Check the input's URL/],
  ['NoSuchKey: no object has this prefix', 'input-missing', /Check the input's URL/],
  ['NotFound: HTTP 404', 'input-missing', /Check the input's URL/],
  ['HTTP 404 Not Found', 'input-missing', /Check the input's URL/],
  ['HTTP 410 Gone', 'input-missing', /Check the input's URL/],
  ['NoSuchBucket: The specified bucket does not exist', 'input-missing', /name of the bucket/],
  ["ENOENT: no such file or directory, stat '/mnt/x'", 'input-missing', /shared folder/],
  ["ENOTDIR: not a directory, stat '/mnt/x/y'", 'input-missing', /shared folder/],
  ["EACCES: permission denied, stat '/mnt/x'", 'input-unreadable', /permission to read/],
  ['it is a file (an object) but is declared as DIRECTORY', 'input-refused', /type of the input/],
  ['it is a directory (a prefix of objects) but is declared as FILE', 'input-refused', /type/],
  ['it is a directory but is declared as FILE', 'input-refused', /type of the input/],
  ['InvalidObjectState: The operation is not valid', 'input-refused', /archive/],
  ['HTTP 401 Unauthorized', 'input-refused', /login/],
  ['HTTP 403 Forbidden', 'input-refused', /expired/],
  ['HTTP 400 Bad Request', 'input-refused', /curl/],
  ['HTTP 304 Not Modified', 'input-refused', /curl/],
  ['the server redirects more than 20 times', 'input-refused', /curl/],
  ['AccessDenied: Access Denied', 'input-unreadable', /job role can read it.*S3 says the same/],
  ['ExpiredToken: The provided token has expired', 'input-unreadable', /credentials/],
  ['PermanentRedirect: The bucket is in this region', 'input-unreadable', /region/],
  ['AuthorizationHeaderMalformed: the region is wrong', 'input-unreadable', /region/],
  ['KMS.DisabledException: key is disabled', 'input-unreadable', /KMS/],
  ['InvalidBucketName: The specified bucket is not valid.', 'input-refused', /Correct the input/],
  ['the key "a/../b" cannot be the path of a file in a folder', 'input-refused', /one by one/],
  ['its URL must be s3://bucket/key or http(s)://…', 'input-refused', /Correct the input's URL/],
  ['a DIRECTORY must have an s3:// URL', 'input-refused', /Correct the input's URL/],
  ['ENOTFOUND: getaddrinfo ENOTFOUND host', 'input-unreadable', /resolve its name/],
  ['CERT_HAS_EXPIRED: certificate has expired', 'input-unreadable', /certificate/],
  ['ECONNREFUSED: connect ECONNREFUSED 127.0.0.1:1', 'input-unreadable', /did not answer/],
  ['SlowDown: HTTP 503', 'input-unreadable', /later/],
  ['HTTP 500 Internal Server Error', 'input-unreadable', /later/],
  ["EEXIST: file already exists, mkdir '/in/a'", 'input-refused', /A file is where/],
  ["ENOTDIR: not a directory, open '/in/a/b'", 'input-refused', /A file is where/],
  ["EISDIR: illegal operation on a directory, rename '/in/a'", 'input-refused', /A folder is/],
  ["ENAMETOOLONG: name too long, open '/in/aa'", 'input-refused', /255 bytes/],
  ["EROFS: read-only file system, mkdir '/sys/x'", 'input-refused', /Use another path/],
  ["EACCES: permission denied, mkdir '/root/x'", 'input-refused', /Use another path/],
  ["ENOENT: no such file or directory, mkdir '/proc/x'", 'input-refused', /Use another path/],
  ['ENOSPC: no space left on device, write', 'disk-full', /larger disks/],
  ['EDQUOT: disk quota exceeded, write', 'disk-full', /larger disks/],
  ['something new', 'input-unreadable', /Check that the object exists/],
];

const outputs: Row[] = [
  [
    "/out/a is a file, but its URL ends in '/', which declares a DIRECTORY",
    'output-refused',
    /Remove the '\/'/,
  ],
  ['/out/a is declared as DIRECTORY but is not one', 'output-refused', /type of the output/],
  ['/out/a is declared as FILE but is a directory', 'output-refused', /type of the output/],
  ['/out/a is declared as FILE but is not a regular file', 'output-refused', /type of the output/],
  [
    '/a/b matches the pattern but does not begin with path_prefix /c',
    'output-refused',
    /path_prefix/,
  ],
  ['NoSuchBucket: The specified bucket does not exist', 'output-refused', /name of the bucket/],
  ['KeyTooLongError: Your key is too long', 'output-refused', /1,024 bytes/],
  ['an output URL must be s3://bucket/key', 'output-refused', /Correct the output's URL/],
  ['EntityTooLarge: Your proposed upload exceeds', 'output-refused', /5 TB/],
  ["EACCES: permission denied, open '/out/a'", 'output-refused', /permissions/],
  ["ENOENT: no such file or directory, open '/out/a'", 'output-refused', /background/],
  ['AccessDenied: Access Denied', 'output-unwritable', /job role can write/],
  ['InvalidAccessKeyId: not known', 'output-unwritable', /credentials/],
  ['PermanentRedirect: other region', 'output-unwritable', /region/],
  ['KMS.NotFoundException: no key', 'output-unwritable', /KMS/],
  ['SlowDown: HTTP 503', 'output-unwritable', /later/],
  ['something new', 'output-unwritable', /job role can write/],
];

test.each(inputs)(
  'an input that could not be read by reason of %j is %s',
  (reason, kind, advice) => {
    expect(judged(error('input', 'read', reason))).toEqual([kind, expect.stringMatching(advice)]);
  },
);

test.each(outputs)(
  'an output that could not be written by reason of %j is %s',
  (reason, kind, advice) => {
    expect(judged(error('output', 'written', reason))).toEqual([
      kind,
      expect.stringMatching(advice),
    ]);
  },
);

test.each<[message: string, kind: FailureKind, advice: RegExp]>([
  [
    "Executor 0 could not be started: ENOENT: no such file or directory, access '/in/x'",
    'path-refused',
    /stdin does not exist/,
  ],
  [
    "Executor 1 could not be started: EACCES: permission denied, access '/in/x'",
    'path-refused',
    /stdin cannot be read/,
  ],
  [
    "Executor 1 could not be started: EACCES: permission denied, mkdir '/root'",
    'path-refused',
    /another path/,
  ],
  [
    "The folder /in/a/b could not be created: ENOTDIR: not a directory, mkdir '/in/a/b'",
    'path-refused',
    /A file is where/,
  ],
  [
    "The folder /sys/a could not be created: EROFS: read-only file system, mkdir '/sys/a'",
    'path-refused',
    /another path/,
  ],
  [
    "The folder /a could not be created: ENOSPC: no space left on device, mkdir '/a'",
    'disk-full',
    /larger disks/,
  ],
  [
    "The task's shell ended with exit code 2 before the script was finished.",
    'script-unreadable',
    /container's log/,
  ],
  [
    "The task's shell /opt/batchwell/bin/sh could not be started: ENOENT: spawn",
    'script-unreadable',
    /stager's folder on the hosts/,
  ],
  [
    "The task's script could not be prepared from s3://w/m: EROFS: read-only file system, mkdtemp '/tmp/x'",
    'script-unreadable',
    /no folder that the stager can write/,
  ],
  [
    "The task's script could not be prepared from s3://w/m: AccessDenied: no",
    'script-unreadable',
    /work bucket/,
  ],
  [
    'The script\'s request "x" failed: ENOSPC: no space left on device, write',
    'disk-full',
    /larger disks/,
  ],
  ['The script says nonsense.', 'script-unreadable', /work bucket/],
])('of a script, %j is %s', (message, kind, advice) => {
  expect(judged({ kind: 'script', subject: 'executor 0', message })).toEqual([
    kind,
    expect.stringMatching(advice),
  ]);
});

test('what cannot be told of the owner object is the fleet’s fault, not that of an output', () => {
  expect(
    judged({
      kind: 'output',
      subject: 'owner',
      message:
        'No output was written, because the owner of the submission could not be read: NoSuchBucket: gone',
    }),
  ).toEqual(['output-unwritable', expect.stringMatching(/work bucket/)]);
  expect(judged({ kind: 'forged', subject: 's', message: 'NoSuchKey: x' })).toEqual([
    'script-unreadable',
    expect.stringMatching(/work bucket/),
  ]);
});

test('a copy to a bucket that does not exist is the caller’s fault, and one that is denied is not', () => {
  expect(judgeRefusedCopy('S3 could not copy a to b: NoSuchBucket: gone').kind).toBe(
    'output-refused',
  );
  expect(judgeRefusedCopy('S3 could not copy a to b: AccessDenied: no').kind).toBe('copy-refused');
});

test('every kind of failure says whose fault it is and what to do, and these are the caller’s', () => {
  const kinds = Object.entries(failureKinds);
  for (const [, { advice }] of kinds) expect(advice).toMatch(/^[A-Z].{15,}\.$/);
  const callers = kinds.filter(([, { tesState }]) => tesState === 'EXECUTOR_ERROR');
  expect(callers.map(([kind]) => kind)).toEqual([
    'executor-failed',
    'same-call-failed',
    'input-missing',
    'input-refused',
    'path-refused',
    'output-refused',
    'queue-unknown',
    'request-refused',
    'image-refused',
    'output-missing',
    'out-of-memory',
    'timed-out',
  ]);
});

describe('the exit code of a command', () => {
  test.each([
    [126, 'not executable', /architecture/],
    [127, 'command not found', /PATH/],
    [129, 'SIGHUP', /stdout and stderr/],
    [132, 'SIGILL', /processors/],
    [134, 'SIGABRT', /stdout and stderr/],
    [135, 'SIGBUS', /shared memory/],
    [136, 'SIGFPE', /stdout and stderr/],
    [137, 'SIGKILL', /ram_gb/],
    [139, 'SIGSEGV', /stdout and stderr/],
    [141, 'SIGPIPE', /stdout and stderr/],
    [143, 'SIGTERM', /stdout and stderr/],
    [152, 'SIGXCPU', /stdout and stderr/],
    [153, 'SIGXFSZ', /larger/],
    [159, 'SIGSYS', /stdout and stderr/],
    [1, undefined, /stdout and stderr/],
    [128, undefined, /stdout and stderr/],
    [160, undefined, /stdout and stderr/],
    [255, undefined, /stdout and stderr/],
  ])('%s means %s', (exitCode, brief, advice) => {
    const meaning = meaningOfExit(exitCode);
    expect(meaning.brief).toBe(brief);
    expect(meaning.advice).toMatch(advice);
  });
});
