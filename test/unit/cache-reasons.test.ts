/** Twenty reasons for a miss: each sentence names the reason and the thing, and holds no digest. */
import { describe, expect, test } from 'vitest';
import type { ComparedCall } from '../../core/cache/compared-call.ts';
import { differencesOf } from '../../core/cache/differences.ts';
import { chooseNearest, explainLines, type PriorTask } from '../../core/cache/explain.ts';
import { groupLine, groupRows } from '../../core/cache/group.ts';
import { cacheReasons, unkeptReasons, type Why } from '../../core/cache/reasons.ts';
import { spellBytes, spellTimes } from '../../core/cache/spell.ts';
import { whyUnidentified } from '../../core/cache/why.ts';
import type { StoredInput } from '../../core/cache/stored-input.ts';
import type { ExecutorOf, InputOf, TaskSpec } from '../../core/task/task.ts';

const DIGEST = /[0-9a-f]{16,}/i;
const HEX = 'd41d8cd98f00b204e9800998ecf8427e';
const [MONDAY, TUESDAY] = [Date.UTC(2026, 10, 27, 9, 30, 5), Date.UTC(2026, 10, 28, 9, 30, 5)];
const GB = 1e9;

interface Change {
  executor?: Partial<ExecutorOf<string>>;
  executors?: ExecutorOf<string>[];
  inputs?: InputOf<string>[];
  spec?: Partial<TaskSpec>;
  held?: [etag: string, sizeBytes: number, modifiedMs: number];
  call?: Partial<ComparedCall>;
}

const EXECUTOR: ExecutorOf<string> = {
  image: 'debian:12',
  command: ['sh', '-c', 'set -e\ncat /in/ref.fa > /out/x'],
  env: { THREADS: '4', API_TOKEN: 'hush' },
};
const REF: InputOf<string> = { url: 's3://lab/ref.fa', path: '/in/ref.fa', type: 'FILE' };

function call({
  executor,
  executors,
  inputs = [REF],
  spec,
  held,
  call: more,
}: Change): ComparedCall {
  const [etag, sizeBytes, modifiedMs] = held ?? [HEX, 3.1 * GB, MONDAY];
  return {
    spec: {
      inputs,
      outputs: [{ url: 's3://lab/x', path: '/out/x', type: 'FILE' }],
      executors: executors ?? [{ ...EXECUTOR, ...executor }],
      resources: { cpu_cores: 1, ram_gb: 1, disk_gb: 1, preemptible: false },
      volumes: [],
      ...spec,
    },
    inputs: inputs.map(({ path, type }) => ({
      stored: [`inputs[${path}]`, `${type} etag ${etag} ${sizeBytes}`, sizeBytes, modifiedMs, 0],
    })),
    setting: { job_role: 'arn:aws:iam::1:role/a' },
    base: 'a',
    ...more,
  };
}

const prior = (change: Change = {}, more: Partial<PriorTask> = {}): PriorTask => ({
  id: 'task-1-aaaaaa',
  name: 'align',
  createdMs: MONDAY,
  key: 1,
  place: 'done',
  cache: 'readwrite',
  entry: { usable: true },
  call: call(change),
  ...more,
});

function explain(change: Change, earlier: PriorTask = prior()): string[] {
  const nearest = chooseNearest({ name: 'align', call: call(change) }, [earlier]);
  return explainLines({
    place: 'stage-script',
    why: { reason: 'no-entry' },
    ...(nearest && { nearest }),
  });
}

const decided = (why: Why): string[] =>
  explainLines({
    place: 'stage-script',
    why,
    source: { id: 'task-1-aaaaaa', name: 'align', createdMs: MONDAY },
  });

describe('a miss', () => {
  test.each<[string, () => string[], string]>([
    [
      'an input with other content',
      () => explain({ held: [HEX.replace('d', 'e'), 3.1 * GB, TUESDAY] }),
      'Miss: input ref.fa changed (s3://lab/ref.fa, 27 Nov -> 28 Nov, 3.1 GB -> 3.1 GB)',
    ],
    [
      'an input at another URL with other content',
      () =>
        explain({
          inputs: [{ ...REF, url: 's3://lab/hg38.fa' }],
          held: [HEX.replace('d', 'e'), 2 * GB, MONDAY],
        }),
      'Miss: input ref.fa is another object (s3://lab/ref.fa -> s3://lab/hg38.fa, 3.1 GB -> 2.0 GB)',
    ],
    [
      'an input more',
      () => explain({ inputs: [REF, { url: 's3://lab/b', path: '/in/b', type: 'FILE' }] }),
      'Miss: input b is new (s3://lab/b)',
    ],
    [
      'an input less',
      () => explain({ inputs: [] }),
      'Miss: input ref.fa is no longer declared (s3://lab/ref.fa)',
    ],
    [
      'a line more in the command',
      () =>
        explain({ executor: { command: ['sh', '-c', 'set -e\ncat /in/ref.fa > /out/x\ntrue'] } }),
      'Miss: command differs in line 3: + true',
    ],
    [
      'another line in the command',
      () => explain({ executor: { command: ['sh', '-c', 'set -eu\ncat /in/ref.fa > /out/x'] } }),
      'Miss: command differs in line 1: - set -e + set -eu',
    ],
    [
      'a digest in the command',
      () => explain({ executor: { command: ['sh', '-c', `set -e\necho ${HEX}`] } }),
      'Miss: command differs in line 2: - cat /in/ref.fa > /out/x + echo d41d8cd98f00…',
    ],
    [
      'another argument',
      () =>
        explain(
          { executor: { command: ['wc', '-c', '/in/ref.fa'] } },
          prior({ executor: { command: ['wc', '-l', '/in/ref.fa'] } }),
        ),
      'Miss: command differs in argument 1: -l -> -c',
    ],
    [
      'another value of a variable',
      () => explain({ executor: { env: { THREADS: '8', API_TOKEN: 'hush' } } }),
      'Miss: environment THREADS: 4 -> 8',
    ],
    [
      'another secret',
      () => explain({ executor: { env: { THREADS: '4', API_TOKEN: 'louder' } } }),
      'Miss: environment API_TOKEN changed (its values are hidden)',
    ],
    [
      'another tag of the image',
      () => explain({ executor: { image: 'debian:13' } }),
      'Miss: image: debian:12 -> debian:13',
    ],
    [
      'a tag that moved',
      () =>
        explain(
          { call: { imageDigest: `ab${HEX}${HEX.slice(2)}` } },
          prior({ call: { imageDigest: `cd${HEX}${HEX.slice(2)}` } }),
        ),
      'Miss: image debian:12: digest moved from sha256:cdd41d8cd98f… to sha256:abd41d8cd98f…',
    ],
    [
      'another executor',
      () => explain({ executors: [EXECUTOR, EXECUTOR] }),
      'Miss: number of executors: 1 -> 2',
    ],
    [
      'another folder to work in',
      () => explain({ executor: { workdir: '/work' } }),
      'Miss: workdir: (none) -> /work',
    ],
    [
      'an output more',
      () =>
        explain({
          spec: {
            outputs: [
              { url: 's3://lab/x', path: '/out/x', type: 'FILE' },
              { url: 's3://lab/log', path: '/out/log', type: 'FILE' },
            ],
          },
        }),
      'Miss: output /out/log is new',
    ],
    [
      'another job role',
      () => explain({ call: { setting: { job_role: 'arn:aws:iam::1:role/b' } } }),
      'Miss: job role: arn:aws:iam::1:role/a -> arn:aws:iam::1:role/b',
    ],
    [
      'another installation',
      () => explain({ call: { base: 'b' } }),
      'Miss: something besides the task changed: a setting of the installation, or Batchwell’s version',
    ],
    [
      'an equal task that failed',
      () => explain({}, { ...withoutEntry(), place: 'failed' }),
      'Miss: task-1-aaaaaa (align, 27 Nov 2026 09:30:05) is the same call, but it failed',
    ],
    [
      'an equal task whose input changed while it ran',
      () => explain({}, { ...withoutEntry(), unkept: 'input-changed' }),
      'Miss: task-1-aaaaaa (align, 27 Nov 2026 09:30:05) is the same call, but its result was not kept: an input changed between the cache check and the run',
    ],
    [
      'an equal task without caching',
      () => explain({}, { ...withoutEntry(), cache: 'off' }),
      'Miss: task-1-aaaaaa (align, 27 Nov 2026 09:30:05) is the same call, but caching was off for it',
    ],
    [
      'an entry that was invalidated',
      () =>
        explain(
          {},
          prior({}, { entry: { usable: false, invalidReason: 's3://lab/x no longer exists.' } }),
        ),
      'Miss: task-1-aaaaaa (align, 27 Nov 2026 09:30:05) is the same call, but its result can no longer be used: s3://lab/x no longer exists',
    ],
    [
      'a leader that left nothing',
      () => decided({ reason: 'leader-left-nothing', sourceId: 1 }),
      'Miss: waited for task-1-aaaaaa (align, 27 Nov 2026 09:30:05), which left no result to reuse',
    ],
    [
      'a refresh',
      () => decided({ reason: 'refresh' }),
      'Miss: the task asks to run again (cache: refresh)',
    ],
    [
      'no earlier task',
      () => explainLines({ place: 'stage-script', why: { reason: 'no-entry' } }),
      'Miss: no earlier task is like it',
    ],
    [
      'an input that does not exist',
      () => decided(whyUnidentified({ inputs: [REF], outputs: [] }, [{ why: 'missing' }])),
      'Not cached: input /in/ref.fa does not exist',
    ],
    [
      'an input over HTTP',
      () => decided(whyUnidentified({ inputs: [REF], outputs: [] }, [{ why: 'not-in-s3' }])),
      'Not cached: input /in/ref.fa is not in S3, so that its content cannot be identified',
    ],
    [
      'an output in a shared folder',
      () =>
        decided(
          whyUnidentified(
            {
              inputs: [REF],
              outputs: [
                { url: 's3://lab/a', path: '/out/a', type: 'FILE' },
                { url: 'file:///efs/b', path: '/out/b', type: 'FILE' },
              ],
            },
            [{ identity: 'etag x 1' }],
          ),
        ),
      'Not cached: output /out/b goes to a folder that hosts share, where a hit cannot copy it',
    ],
    [
      'a task without outputs',
      () => decided({ reason: 'no-outputs' }),
      'Not cached: the task declares no outputs',
    ],
  ])(
    'a miss by %s is told in a sentence that names it and holds no digest',
    (_, lines, expected) => {
      const [first = ''] = lines();
      expect(first).toBe(expected);
      expect(lines().join('\n')).not.toMatch(DIGEST);
    },
  );

  test('a miss by several parts lists them all, and the task that it was compared with', () => {
    expect(explain({ executor: { image: 'debian:13', env: { THREADS: '8' } } })).toEqual([
      'Miss: environment API_TOKEN changed (its values are hidden)',
      '      environment THREADS: 4 -> 8',
      '      image: debian:12 -> debian:13',
      'Compared with task-1-aaaaaa (align, 27 Nov 2026 09:30:05)',
    ]);
  });

  test('a miss tells nothing of an input that the token does not allow', () => {
    const hidden = call({ held: [HEX.replace('d', 'e'), 5, TUESDAY] });
    const told = differencesOf({ ...hidden, inputs: [{ isHidden: true }] }, call({}));
    expect(told).toMatchObject([
      { says: 'input ref.fa is not compared: this token does not allow its URL' },
    ]);
    expect(JSON.stringify(told)).not.toContain('s3://');
  });
});

function withoutEntry(): PriorTask {
  const { entry: _, ...rest } = prior();
  return rest;
}

test('a hit names the task that it came from, and how its outputs came', () => {
  const source = { id: 'task-1-aaaaaa', name: 'align', createdMs: MONDAY };
  const why: Why = { reason: 'same-call', sourceId: 1 };
  expect(explainLines({ place: 'done', why, source, hitMode: 'copy' })).toEqual([
    'Hit: from task-1-aaaaaa (align, 27 Nov 2026 09:30:05), copied',
  ]);
  expect(
    explainLines({
      place: 'done',
      why,
      source: { name: '', createdMs: MONDAY },
      hitMode: 'reference',
    }),
  ).toEqual(['Hit: from a task of another owner (27 Nov 2026 09:30:05), by reference']);
});

test('the nearest task is the one with the fewest differences, and of several the newest', () => {
  const far = prior({ executor: { image: 'debian:13', env: {} } }, { key: 9 });
  const [old, newer] = [4, 5].map((key) => prior({ executor: { image: 'debian:13' } }, { key }));
  const nearest = chooseNearest({ name: 'align', call: call({}) }, [far, old!, newer!]);
  expect(nearest?.prior.key).toBe(5);
});

test('an object at another URL is another input, whatever its size and time are', () => {
  const inputs: InputOf<string>[] = [{ ...REF, url: 's3://lab/other.fa' }];
  const other = call({ inputs });
  const known = `FILE crc64nvme ${HEX.slice(0, 16)} ${3.1 * GB}`;
  const stored: StoredInput = ['inputs[/in/ref.fa]', known, 3.1 * GB, MONDAY, 0];
  expect(differencesOf({ ...other, inputs: [{ stored }] }, call({}))).toMatchObject([
    { brief: 'input ref.fa is another object' },
  ]);
});

test('the same object that one task knew by its ETag and another by its checksum is no difference', () => {
  const known = `FILE crc64nvme ${HEX.slice(0, 16)} ${3.1 * GB}`;
  const stored: StoredInput = ['inputs[/in/ref.fa]', known, 3.1 * GB, MONDAY, 0];
  expect(differencesOf({ ...call({}), inputs: [{ stored }] }, call({}))).toEqual([]);
});

test('every reason has a sentence that holds no digest, and every code fits into its column', () => {
  for (const [code, sentence] of [
    ...Object.entries(cacheReasons).map(([name, { says }]) => [name, says] as const),
    ...Object.entries(unkeptReasons),
  ]) {
    expect(code.length).toBeLessThanOrEqual(24);
    expect(sentence).toMatch(/^[a-zS].*[^.]$/);
  }
});

test('the tasks of a scatter are grouped by what they have in common', () => {
  const rows = Array.from({ length: 10 }, (_, at) => ({
    id: `task-${at}`,
    brief: at < 7 ? 'input ref.fa changed' : `input sample${at}.fq changed`,
  }));
  expect(groupRows(rows).map((group) => groupLine(group, 10))).toEqual([
    '7 of 10: input ref.fa changed',
    '3 of 10: input sample*.fq changed',
  ]);
});

test('sizes and times are spelled as people write them', () => {
  expect([0, 999, 1000, 3.1e9, 999.7e6].map(spellBytes)).toEqual([
    '0 B',
    '999 B',
    '1.0 kB',
    '3.1 GB',
    '1.0 GB',
  ]);
  expect(spellTimes(Date.UTC(2025, 0, 1), TUESDAY)).toBe('1 Jan 2025 -> 28 Nov 2026');
  expect(spellTimes(0, TUESDAY)).toBeUndefined();
});
