import { describe, expect, test } from 'vitest';
import { decideCache, type CacheDecision, type CacheFacts } from '../../core/cache/decide-hit.ts';
import { parseId, publicId } from '../../core/ids.ts';
import { judgePrior, outputUrl, type PriorState } from '../../core/result/outputs.ts';
import { failureOf } from '../../core/retry/failures.ts';
import {
  childJobId,
  decidePack,
  type PackDecision,
  type Ready,
} from '../../core/submission/packing.ts';
import {
  decideAfterCall,
  decideSubmit,
  type AfterCallDecision,
  type AnswerFacts,
  type SubmitDecision,
  type Unaccepted,
} from '../../core/submission/decide-submit.ts';
import type { AwsAnswer } from '../../core/submission/batch-answer.ts';

describe('the cache', () => {
  const imageProblem = { code: 'no-answer', sentence: 'It did not answer.' } as const;
  const failure = failureOf('same-call-failed', 'It failed');
  const facts: CacheFacts = {
    taskId: 5,
    mode: 'readwrite',
    hasOutputs: true,
    hasFingerprint: true,
  };
  test.each<[string, Partial<CacheFacts>, CacheDecision]>([
    ['whose caching is off misses', { mode: 'off', entryId: 1 }, { do: 'miss', because: 'off' }],
    ['without outputs misses', { hasOutputs: false, entryId: 1 }, { do: 'miss', because: 'off' }],
    [
      'whose input cannot be identified misses',
      { hasFingerprint: false },
      { do: 'miss', because: 'unreadable-input' },
    ],
    [
      'whose image is not known misses for that reason',
      { imageProblem, hasFingerprint: false, entryId: 1 },
      { do: 'miss', because: 'image-not-resolved', problem: imageProblem },
    ],
    [
      'whose caching is off misses, whatever its image is',
      { imageProblem, mode: 'off' },
      { do: 'miss', because: 'off' },
    ],
    [
      'that refreshes does not read the cache',
      { mode: 'refresh', entryId: 1, leaderId: 4 },
      { do: 'miss', because: 'miss' },
    ],
    [
      'that only writes does not read the cache',
      { mode: 'write', entryId: 1, leaderId: 4 },
      { do: 'miss', because: 'miss' },
    ],
    ['with an entry is a hit', { entryId: 1 }, { do: 'hit', entryId: 1 }],
    [
      'with an entry is a hit, although another task computes',
      { entryId: 1, leaderId: 4 },
      { do: 'hit', entryId: 1 },
    ],
    ['that only reads is a hit', { mode: 'read', entryId: 1 }, { do: 'hit', entryId: 1 }],
    ['waits while another task computes', { leaderId: 4 }, { do: 'wait', leaderId: 4 }],
    ['that computes itself misses', { leaderId: 5 }, { do: 'miss', because: 'miss' }],
    ['that no other task computes misses', {}, { do: 'miss', because: 'miss' }],
    [
      'with an entry is a hit, although its leader failed',
      { entryId: 1, after: { do: 'fail', failure } },
      { do: 'hit', entryId: 1 },
    ],
    ['fails with its leader', { after: { do: 'fail', failure } }, { do: 'fail', failure }],
    [
      'that runs after its leader does not wait again',
      { leaderId: 4, after: { do: 'run' } },
      { do: 'miss', because: 'miss' },
    ],
    [
      'that is checked anew after its leader waits for the next',
      { leaderId: 4, after: { do: 'check' } },
      { do: 'wait', leaderId: 4 },
    ],
  ])('a task %s', (_, change, expected) =>
    expect(decideCache({ ...facts, ...change })).toEqual(expected),
  );
});

describe('packing', () => {
  const policy = { arraySize: 100, idleMs: 200, longestMs: 1000 };
  test.each<[string, Ready, PackDecision]>([
    [
      'nothing is ready: nothing is packed',
      { count: 0, oldestMs: 0, newestMs: 0 },
      { do: 'nothing' },
    ],
    [
      'all of them pause: the first is looked at when its pause ends',
      { count: 0, oldestMs: 0, newestMs: 0, laterMs: 10_400 },
      { do: 'wait', waitMs: 400 },
    ],
    [
      'all of them pause for long: others may come meanwhile',
      { count: 0, oldestMs: 0, newestMs: 0, laterMs: 50_000 },
      { do: 'wait', waitMs: 1000 },
    ],
    [
      'an array is full: it is packed at once',
      { count: 100, oldestMs: 10_000, newestMs: 10_000 },
      { do: 'pack' },
    ],
    [
      'the newest has just come: they wait',
      { count: 5, oldestMs: 9_900, newestMs: 9_950 },
      { do: 'wait', waitMs: 150 },
    ],
    [
      'none has come for a while: they are packed',
      { count: 1, oldestMs: 9_000, newestMs: 9_800 },
      { do: 'pack' },
    ],
    [
      'more keep coming: they wait as long as the oldest may wait',
      { count: 50, oldestMs: 9_050, newestMs: 9_999 },
      { do: 'wait', waitMs: 50 },
    ],
    [
      'the oldest has waited long enough: they are packed',
      { count: 50, oldestMs: 9_000, newestMs: 10_000 },
      { do: 'pack' },
    ],
  ])('attempts are packed by count and age; %s', (_, ready, expected) =>
    expect(decidePack(ready, policy, 10_000)).toEqual(expected),
  );
});

describe('submit', () => {
  const policy = { callTimeoutMs: 15, settleMs: 5 };
  test.each<[string, Parameters<typeof decideSubmit>[0], SubmitDecision]>([
    ['that is packed is called', { state: 'packed', calledMs: null }, { do: 'call' }],
    [
      'that is packed again after a refusal is called',
      { state: 'packed', calledMs: 90 },
      { do: 'call' },
    ],
    [
      'whose call may be under way waits',
      { state: 'calling', calledMs: 90 },
      { do: 'wait', waitMs: 10 },
    ],
    [
      'whose call can no longer be under way is looked for',
      { state: 'calling', calledMs: 80 },
      { do: 'find' },
    ],
    ['that runs is left alone', { state: 'running', calledMs: 1 }, { do: 'nothing' }],
    ['that ended is left alone', { state: 'ended', calledMs: 1 }, { do: 'nothing' }],
  ])('a submission %s', (_, facts, expected) =>
    expect(decideSubmit(facts, policy, 100)).toEqual(expected),
  );

  const known = { revision: 'd:1', isCurrent: true, registeredForMs: 5000, registrations: 0 };
  const fresh = { ...known, registrations: 1 };
  const answers = { ...policy, definitionLagMs: 600_000, deniedWaitMs: 86_400_000 };
  const callAgain = { do: 'call-again', waitMs: 500, definition: 'keep' } as const;
  type Definition = Partial<AnswerFacts['definition']>;
  interface Answered {
    because: AwsAnswer;
    calls?: number;
    blockedForMs?: number;
    definition?: Definition;
  }

  test.each<[string, Answered, AfterCallDecision]>([
    [
      'that is ambiguous waits until its job can be looked for',
      { because: 'ambiguous' },
      { do: 'wait', waitMs: 20 },
    ],
    [
      'that is a refusal fails the submission',
      { because: 'refused' },
      { do: 'fail', message: 'No.' },
    ],
    [
      'that throttles is followed by a call again',
      { because: 'throttled' },
      { ...callAgain, waitMs: 1000 },
    ],
    [
      'that does not know a new definition waits for it',
      { because: 'definition-unknown', definition: fresh },
      { ...callAgain, waitMs: 1250 },
    ],
    [
      'that does not know a definition as old as the limit waits, but not longer and longer',
      {
        because: 'definition-unknown',
        definition: { ...fresh, registeredForMs: 600_000 },
      },
      { ...callAgain, waitMs: 10_000 },
    ],
    [
      'that does not know a definition older than the limit registers it again',
      { because: 'definition-unknown', definition: { ...fresh, registeredForMs: 600_001 } },
      { ...callAgain, waitMs: 10_000, definition: 'forget' },
    ],
    [
      'that does not know a definition after three registrations fails the submission',
      {
        because: 'definition-unknown',
        definition: { ...fresh, registeredForMs: 600_001, registrations: 3 },
      },
      {
        do: 'fail',
        message:
          'No. Its job definition was registered 3 times, last as d:1, and Batch took no job with any of them',
      },
    ],
    [
      'that no longer knows a definition doubts it',
      { because: 'definition-unknown' },
      { ...callAgain, definition: 'doubt' },
    ],
    [
      'that still does not know a new definition that it knew before keeps it for half a minute',
      { because: 'definition-unknown', definition: { unknownForMs: 30_000 } },
      { ...callAgain, waitMs: 10_000 },
    ],
    [
      'that still does not know a new definition after half a minute registers it again',
      { because: 'definition-unknown', definition: { unknownForMs: 30_001 } },
      { ...callAgain, waitMs: 10_000, definition: 'forget' },
    ],
    [
      'that still does not know an old definition registers it again after the settle time',
      {
        because: 'definition-unknown',
        definition: { registeredForMs: 900_000, unknownForMs: 6 },
      },
      { ...callAgain, definition: 'forget' },
    ],
    [
      'that names a revision which was replaced since keeps the new one',
      { because: 'definition-unknown', definition: { ...fresh, isCurrent: false } },
      { ...callAgain, waitMs: 1250 },
    ],
    [
      'that says the definition was deregistered registers it again at once',
      { because: 'definition-inactive' },
      { ...callAgain, waitMs: 1000, definition: 'forget' },
    ],
    [
      'that does not know a queue is followed by a later call',
      { because: 'queue-unknown', calls: 3 },
      { ...callAgain, waitMs: 4000 },
    ],
    [
      'that does not know a queue at the fourth call fails the submission',
      { because: 'queue-unknown', calls: 4 },
      { do: 'fail', message: 'No.' },
    ],
    [
      'that denies it blocks it',
      { because: 'denied' },
      { do: 'block', because: 'denied', waitMs: 1000 },
    ],
    [
      'that denies it for longer is tried less often, at least once a minute',
      { because: 'denied', blockedForMs: 3_600_000 },
      { do: 'block', because: 'denied', waitMs: 60_000 },
    ],
    [
      'that denies it for longer than the limit gives it up',
      { because: 'denied', blockedForMs: 86_400_001 },
      { do: 'give-up', message: 'No.' },
    ],
    [
      'that names a disabled queue blocks it',
      { because: 'queue-off', blockedForMs: 5000 },
      { do: 'block', because: 'queue-off', waitMs: 5000 },
    ],
    [
      'that was never asked for blocks it without end',
      { because: 'not-sent', blockedForMs: 86_400_001 },
      { do: 'block', because: 'not-sent', waitMs: 60_000 },
    ],
  ])('an answer to SubmitJob %s', (_, { because, definition, ...facts }, expected) => {
    const answer: Unaccepted = { is: 'try-later', because, message: 'No.' };
    const all: AnswerFacts = {
      calls: 1,
      blockedForMs: null,
      ...facts,
      definition: { unknownForMs: null, ...known, ...definition },
    };
    expect(decideAfterCall(answer, all, answers)).toEqual(expected);
  });
});

describe('names', () => {
  test('an attempt’s job is the array’s child, or the single job itself', () => {
    expect([childJobId('j', 3, 2), childJobId('j', 1, 0)]).toEqual(['j:2', 'j']);
  });

  test('an id belongs to one row of one kind', () => {
    const id = publicId('task', { id: 36, createdMs: 1_700_000_000_000 });
    expect(id).toMatch(/^task-10-[0-9a-f]{6}$/);
    expect(parseId('task', id)).toEqual({ key: 36 });
    expect(publicId('task', { id: 36, createdMs: 1_700_000_000_001 })).not.toBe(id);
    expect(parseId('scatter', id)).toBeUndefined();
  });

  test.each([
    '',
    'task-',
    'task-1',
    'task-1-zzzzzz',
    'task--aaaaaa',
    'task-0-aaaaaa',
    ' task-1-aaaaaa',
    'task-1-aaaaaa\n',
    'task-zzzzzzzzzzz-aaaaaa',
    'TASK-1-aaaaaa',
  ])('%j is not an id', (id) => {
    expect(parseId('task', id)).toBeUndefined();
  });
});

describe('outputs', () => {
  const prior = {
    output: 0,
    path: '',
    sizeBytes: 5,
    crc64nvme: 'x',
    url: 's3://b/k',
    etag: 'e1',
  };
  test.each<[string, Parameters<typeof judgePrior>[1], PriorState]>([
    ['that is not there is gone', undefined, 'gone'],
    ['of another size was changed', { sizeBytes: 6, etag: 'e1' }, 'changed'],
    ['of the same size and ETag is as it was', { sizeBytes: 5, etag: 'e1' }, 'as-it-was'],
    ['with another ETag was rewritten', { sizeBytes: 5, etag: 'e2' }, 'rewritten'],
  ])('a prior output %s', (_, found, expected) =>
    expect(judgePrior(prior, found, true)).toBe(expected),
  );

  test('a prior output in a bucket whose ETags tell nothing needs its checksum', () => {
    expect(judgePrior(prior, { sizeBytes: 5, etag: 'e1' }, false)).toBe('rewritten');
    expect(judgePrior({ ...prior, etag: '' }, { sizeBytes: 5, etag: '' }, true)).toBe('rewritten');
  });

  test('lie at their url, or below it', () => {
    const spec = {
      inputs: [],
      executors: [],
      resources: { cpu_cores: 1, ram_gb: 1, disk_gb: 1, preemptible: false },
      volumes: [],
      outputs: [
        { url: 's3://b/file', path: '/f', type: 'FILE' as const },
        { url: 's3://b/dir/', path: '/d', type: 'DIRECTORY' as const },
      ],
    };
    expect([
      outputUrl(spec, { output: 0, path: '' }),
      outputUrl(spec, { output: 1, path: 'a/b c' }),
    ]).toEqual(['s3://b/file', 's3://b/dir/a/b c']);
    expect(() => outputUrl(spec, { output: 2, path: '' })).toThrow(
      'The task declares 2 outputs; there is no output 2.',
    );
  });
});
