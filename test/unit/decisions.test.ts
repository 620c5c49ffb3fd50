import { describe, expect, test } from 'vitest';
import { decideCache, type CacheDecision, type CacheFacts } from '../../core/cache/decide-hit.ts';
import {
  definitionContent,
  definitionDigest,
  definitionName,
  schedulingOf,
  shapeOf,
} from '../../core/container/job-definition.ts';
import { parseId, publicId } from '../../core/ids.ts';
import { ownerLimits } from '../../core/access/owner-limits.ts';
import { judgePrior, outputUrl, type PriorState } from '../../core/result/outputs.ts';
import {
  childJobId,
  decidePack,
  jobName,
  submissionKey,
  type PackDecision,
} from '../../core/submission/packing.ts';
import {
  decideAfterCall,
  decideSubmit,
  type AfterCallDecision,
  type SubmitDecision,
  type Unaccepted,
} from '../../core/submission/decide-submit.ts';
import type { Resources } from '../../core/task/task.ts';

describe('decideCache', () => {
  const facts: CacheFacts = {
    taskId: 5,
    mode: 'readwrite',
    hasOutputs: true,
    hasFingerprint: true,
  };
  test.each<[string, Partial<CacheFacts>, CacheDecision]>([
    ['off', { mode: 'off', entryId: 1 }, { do: 'miss', because: 'off' }],
    ['no outputs', { hasOutputs: false, entryId: 1 }, { do: 'miss', because: 'off' }],
    [
      'an input that cannot be told',
      { hasFingerprint: false },
      { do: 'miss', because: 'unreadable-input' },
    ],
    [
      'refresh reads nothing',
      { mode: 'refresh', entryId: 1, leaderId: 4 },
      { do: 'miss', because: 'miss' },
    ],
    [
      'write reads nothing',
      { mode: 'write', entryId: 1, leaderId: 4 },
      { do: 'miss', because: 'miss' },
    ],
    ['an entry', { entryId: 1 }, { do: 'hit', entryId: 1 }],
    ['an entry, though somebody computes', { entryId: 1, leaderId: 4 }, { do: 'hit', entryId: 1 }],
    ['read finds an entry', { mode: 'read', entryId: 1 }, { do: 'hit', entryId: 1 }],
    ['somebody else computes', { leaderId: 4 }, { do: 'wait', leaderId: 4 }],
    ['it computes itself', { leaderId: 5 }, { do: 'miss', because: 'miss' }],
    ['nobody computes', {}, { do: 'miss', because: 'miss' }],
  ])('%s', (_, change, expected) => expect(decideCache({ ...facts, ...change })).toEqual(expected));
});

describe('decidePack', () => {
  const policy = { arraySize: 100, idleMs: 200, longestMs: 1000 };
  test.each<[string, { count: number; oldestMs: number; newestMs: number }, PackDecision]>([
    ['nothing is ready', { count: 0, oldestMs: 0, newestMs: 0 }, { do: 'nothing' }],
    [
      'a full array goes at once',
      { count: 100, oldestMs: 10_000, newestMs: 10_000 },
      { do: 'pack' },
    ],
    [
      'the last came just now',
      { count: 5, oldestMs: 9_900, newestMs: 9_950 },
      { do: 'wait', waitMs: 150 },
    ],
    ['none came for a while', { count: 1, oldestMs: 9_000, newestMs: 9_800 }, { do: 'pack' }],
    [
      'they keep coming: the first one’s patience counts',
      { count: 50, oldestMs: 9_050, newestMs: 9_999 },
      { do: 'wait', waitMs: 50 },
    ],
    [
      'the first has waited long enough',
      { count: 50, oldestMs: 9_000, newestMs: 10_000 },
      { do: 'pack' },
    ],
  ])('%s', (_, ready, expected) => expect(decidePack(ready, policy, 10_000)).toEqual(expected));
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

  const unknownQueue = 'ClientException: JobQueue q not found';
  const unknownDefinition = 'ClientException: JobDefinition d:1 is not ACTIVE';
  const callAgain = { do: 'call-again', waitMs: 1000, forgetRevision: false } as const;
  const laterBecause = (because: 'throttled' | 'not-sent' | 'not-known', message = 'x') =>
    ({ is: 'try-later', because, message }) as const;

  test.each<[string, Unaccepted, ageMs: number, AfterCallDecision]>([
    [
      'that is ambiguous waits until its job can be looked for',
      { is: 'ambiguous', message: 'x' },
      1,
      { do: 'wait', waitMs: 20 },
    ],
    [
      'that is a refusal fails the submission',
      { is: 'refused', message: 'No.' },
      1,
      { do: 'fail', message: 'No.' },
    ],
    ['that throttles is followed by a call again', laterBecause('throttled'), 1, callAgain],
    [
      'that throttles is followed by a call again, however old the submission is',
      laterBecause('throttled'),
      999_999,
      callAgain,
    ],
    [
      'that does not know a new definition keeps its revision',
      laterBecause('not-known', unknownDefinition),
      5,
      callAgain,
    ],
    [
      'that does not know a settled definition forgets its revision',
      laterBecause('not-known', unknownDefinition),
      6,
      { ...callAgain, forgetRevision: true },
    ],
    [
      'that does not know a queue keeps the revision',
      laterBecause('not-known', unknownQueue),
      6,
      callAgain,
    ],
    [
      'that does not know a queue after two minutes is called again',
      laterBecause('not-known', unknownQueue),
      120_000,
      callAgain,
    ],
    [
      'that does not know a queue after more than two minutes fails the submission',
      laterBecause('not-known', unknownQueue),
      120_001,
      { do: 'fail', message: unknownQueue },
    ],
  ])('an answer to SubmitJob %s', (_, answer, ageMs, expected) => {
    expect(decideAfterCall(answer, ageMs, policy)).toEqual(expected);
  });
});

describe('names that say what they name', () => {
  test('a submission’s key is its attempts; a second try is another', () => {
    const packed = [
      { taskId: 1, number: 1 },
      { taskId: 2, number: 1 },
    ];
    expect(submissionKey(packed)).toBe(submissionKey([...packed]));
    const others = [
      [{ taskId: 1, number: 1 }],
      [
        { taskId: 1, number: 2 },
        { taskId: 2, number: 1 },
      ],
      [
        { taskId: 11, number: 1 },
        { taskId: 2, number: 1 },
      ],
      packed.toReversed(),
    ];
    expect(new Set([packed, ...others].map(submissionKey)).size).toBe(5);
    expect(jobName(submissionKey(packed))).toMatch(/^[a-z0-9_-]{1,128}$/);
  });

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
  ])('%j is no id', (id) => {
    expect(parseId('task', id)).toBeUndefined();
  });
});

const resources: Resources = { cpu_cores: 2, ram_gb: 1.5, disk_gb: 10, preemptible: false };
const settings = { jobRole: '', hostFolder: '/opt/batchwell', sharedFolders: [], memoryGrowths: 0 };
const memoryOf = (ram: number, growths = 0): string | undefined =>
  definitionContent(
    'a',
    { ...resources, ram_gb: ram },
    { ...settings, memoryGrowths: growths },
  ).containerProperties.resourceRequirements.find(({ type }) => type === 'MEMORY')?.value;

const nameOf = (image: string, more: Partial<Resources> = {}, memoryGrowths = 0): string => {
  const content = definitionContent(
    image,
    { ...resources, ...more },
    { ...settings, memoryGrowths },
  );
  return definitionName(content, definitionDigest(content));
};

describe('a job definition', () => {
  test('of equal content has an equal name, whatever does not go into it', () => {
    expect(nameOf('a:1', { disk_gb: 99, preemptible: true, queue: 'q' })).toBe(nameOf('a:1'));
    expect(
      new Set([
        nameOf('a:1'),
        nameOf('a:2'),
        nameOf('b/a:1'),
        nameOf('a:1', { cpu_cores: 3 }),
        nameOf('a:1', { ram_gb: 2 }),
        nameOf('a:1', { timeout_seconds: 60 }),
        nameOf('a:1', {}, 1),
      ]).size,
    ).toBe(7);
  });

  test.each([
    'debian',
    'debian:12',
    'registry.example:5000/a/b_c:1.2.3',
    `x@sha256:${'0'.repeat(64)}`,
    `@sha256:${'0'.repeat(64)}`,
    '',
    '日本',
    `a/${'long'.repeat(80)}`,
    'under_score',
  ])('of image %j has a name that Batch takes', (image) => {
    expect(nameOf(image)).toMatch(/^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$/);
  });

  test('shows the host’s shared folders to the task under the same paths, to write to', () => {
    const { volumes, mountPoints } = definitionContent('a', resources, {
      ...settings,
      sharedFolders: ['/mnt/efs'],
    }).containerProperties;
    expect(volumes).toContainEqual({ name: 'shared-0', host: { sourcePath: '/mnt/efs' } });
    expect(mountPoints).toContainEqual({
      sourceVolume: 'shared-0',
      containerPath: '/mnt/efs',
      readOnly: false,
    });
  });

  test('rounds memory up to MiB, doubles it by growth, and never asks for less than the stager needs', () => {
    expect([
      memoryOf(1.5),
      memoryOf(1.5, 1),
      memoryOf(1.5, 2),
      memoryOf(0.0001),
      memoryOf(1.0001),
    ]).toEqual(['1536', '3072', '6144', '128', '1025']);
  });

  test('its definition, queue, share and priority tell shapes apart', () => {
    const definition = Buffer.alloc(32, 1);
    const base = { queue: 'a', share: 's', priority: 0 };
    const shapes = [
      shapeOf(definition, base),
      shapeOf(definition, { ...base, queue: 'b' }),
      shapeOf(definition, { ...base, priority: 1 }),
      shapeOf(definition, { ...base, share: 't' }),
      shapeOf(Buffer.alloc(32, 2), base),
    ];
    expect(new Set(shapes.map((shape) => shape.toString('hex'))).size).toBe(5);
    expect(shapes[0]).toHaveLength(16);
  });
});

describe('scheduling', () => {
  test('is the configured queue, without share and priority, where nothing is said', () => {
    expect(
      schedulingOf({ ...resources, priority: 7 }, { jobQueue: 'q', share: '', owner: 'ann' }),
    ).toEqual({ queue: 'q', share: '', priority: 0 });
  });

  test('gives each owner a share of their own, in letters and digits', () => {
    expect(
      schedulingOf(
        { ...resources, priority: 7 },
        { jobQueue: 'q', share: 'x{owner}', owner: 'ann.b@c' },
      ),
    ).toEqual({ queue: 'q', share: 'xannbc', priority: 7 });
  });

  test('takes what the task names first', () => {
    expect(
      schedulingOf(
        { ...resources, queue: 'own', share: 'mine' },
        { jobQueue: 'q', share: 'all', owner: 'ann' },
      ),
    ).toEqual({ queue: 'own', share: 'mine', priority: 0 });
  });
});

describe('limits of owners', () => {
  test('are none unless configured', () => expect(ownerLimits(0, [])).toBeUndefined());

  test('hold for all, but for owners with one of their own', () => {
    const limitOf = ownerLimits(10, ['ann=3', 'b=c=4']);
    expect(['ann', 'b=c', 'zoe'].map((owner) => limitOf?.(owner))).toEqual([3, 4, 10]);
    expect(ownerLimits(0, ['ann=3'])?.('zoe')).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('outputs', () => {
  const prior = { output: 0, path: '', sizeBytes: 5, crc64nvme: 'x', url: 's3://b/k' };
  test.each<[string, Parameters<typeof judgePrior>[2], PriorState]>([
    ['not there', undefined, 'gone'],
    ['of another size', { sizeBytes: 6, lastModifiedMs: 0 }, 'gone'],
    ['older than the entry', { sizeBytes: 5, lastModifiedMs: 90_000 }, 'as-it-was'],
    [
      'of the entry’s own moment, by another clock',
      { sizeBytes: 5, lastModifiedMs: 104_000 },
      'as-it-was',
    ],
    ['written again since', { sizeBytes: 5, lastModifiedMs: 106_000 }, 'maybe-changed'],
  ])('a prior one %s', (_, found, expected) =>
    expect(judgePrior(prior, 100_000, found)).toBe(expected),
  );

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
