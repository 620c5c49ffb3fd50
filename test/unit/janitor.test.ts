import { expect, test } from 'vitest';
import { judgeJob, type JanitorVerdict, type WantedBy } from '../../core/submission/is-wanted.ts';
import { jobName, submissionKeyOf } from '../../core/submission/packing.ts';

const NOW = 1_000_000;
const old = { jobId: 'job', createdMs: NOW - 5000 };
const young = { jobId: 'job', createdMs: NOW - 500 };

const cases: [
  what: string,
  job: typeof old,
  submission: WantedBy | undefined,
  verdict: JanitorVerdict,
][] = [
  [
    'the job that is polled',
    old,
    { state: 'running', jobId: 'job', submittedMs: NOW - 5000, endedMs: null },
    'wanted',
  ],
  [
    'a twin whose time of creation is in the future, by a wrong clock of AWS,',
    { jobId: 'job', createdMs: NOW + 600_000 },
    { state: 'running', jobId: 'other', submittedMs: NOW - 5000, endedMs: null },
    'twin',
  ],
  [
    'a job beside the one that is polled',
    old,
    { state: 'running', jobId: 'other', submittedMs: NOW - 5000, endedMs: null },
    'twin',
  ],
  [
    'such a job right after the submission',
    old,
    { state: 'running', jobId: 'other', submittedMs: NOW - 500, endedMs: null },
    'wanted',
  ],
  [
    'a job whose SubmitJob is still in doubt',
    old,
    { state: 'calling', jobId: null, submittedMs: null, endedMs: null },
    'wanted',
  ],
  [
    'a job of a submission that was taken back',
    old,
    { state: 'packed', jobId: null, submittedMs: null, endedMs: null },
    'wanted',
  ],
  [
    'a job of a submission that ended long ago',
    old,
    { state: 'ended', jobId: 'job', submittedMs: NOW - 9000, endedMs: NOW - 5000 },
    'unwanted',
  ],
  [
    'a job of a submission that ended just now',
    old,
    { state: 'ended', jobId: 'job', submittedMs: NOW - 9000, endedMs: NOW - 10 },
    'wanted',
  ],
  ['a job that no row knows', old, undefined, 'orphan'],
  ['a young job that no row knows', young, undefined, 'wanted'],
];

test.each(cases)('the janitor judges %s', (_, job, submission, verdict) => {
  expect(judgeJob(job, submission, { nowMs: NOW, graceMs: 1000 })).toBe(verdict);
});

test('a job is ours by its name, in whatever case Batch shows it', () => {
  const submissionKey = 'ab'.repeat(16);
  const ours = jobName({ installation: 'c0'.repeat(8), submissionKey });
  const keyOf = (name: string) => submissionKeyOf('c0'.repeat(8), name);
  expect(ours).toMatch(/^[a-z0-9_-]{1,128}$/);
  expect(keyOf(ours.toUpperCase())).toBe(submissionKey);
  expect(keyOf(`${ours}-2`)).toBeUndefined();
  expect(keyOf('nightly')).toBeUndefined();
  expect(keyOf(jobName({ installation: 'c1'.repeat(8), submissionKey }))).toBeUndefined();
});
