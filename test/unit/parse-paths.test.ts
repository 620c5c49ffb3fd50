/** Paths that no container can have are refused when the task is posted. */
import { describe, expect, test } from 'vitest';
import { problemSentence } from '../../core/problems.ts';
import { parseTesTask } from '../../core/task/parse-task.ts';

const executors = [{ image: 'debian', command: ['true'] }];
const problemsOf = (task: object): string[] => {
  const parsed = parseTesTask({ executors, ...task }, { cache: 'off', fileRoots: [] });
  return 'problems' in parsed ? parsed.problems.map(problemSentence) : [];
};
const file = { path: '/in/a', content: 'a' };

describe('a path below a file', () => {
  test('the input of case 12 is refused, and the problem names both', () => {
    const inputs = [
      { content: 'a', path: '/in/a' },
      { content: 'b', path: '/in/a/b' },
    ];
    expect(problemsOf({ inputs })).toEqual([
      'inputs[1].path: expected a path that is not at or below a file; inputs[0] is a file at /in/a, got "/in/a/b"',
    ]);
    expect(problemsOf({ inputs: inputs.toReversed() })).toEqual([
      'inputs[0].path: expected a path that is not at or below a file; inputs[1] is a file at /in/a, got "/in/a/b"',
    ]);
  });

  test.each<[string, object]>([
    ['inputs[1].path', { inputs: [file, { path: '/in/a/b/c/d', url: 's3://bucket/x' }] }],
    [
      'inputs[1].path',
      { inputs: [file, { path: '/in/a/d', url: 's3://bucket/x', type: 'DIRECTORY' }] },
    ],
    ['outputs[0].path', { outputs: [{ path: '/in/a/out', url: 's3://bucket/x' }] }],
    ['volumes[0]', { volumes: ['/in/a'] }],
    ['volumes[0]', { volumes: ['/in/a/v'] }],
    ['executors[0].workdir', { executors: [{ ...executors[0], workdir: '/in/a' }] }],
    ['executors[0].stdin', { executors: [{ ...executors[0], stdin: '/in/a/x' }] }],
    ['executors[0].stdout', { executors: [{ ...executors[0], stdout: '/in/a/x' }] }],
    ['executors[0].stderr', { executors: [{ ...executors[0], stderr: '/in/a/x' }] }],
  ])('is refused as %s: %j', (field, task) => {
    const [problem, ...more] = problemsOf({ inputs: [file], ...task });
    expect(problem?.startsWith(`${field}: expected a path that is not at or below a file`)).toBe(
      true,
    );
    expect(more).toEqual([]);
  });

  test.each<object>([
    { inputs: [file, { path: '/in/ab', content: 'b' }] },
    { inputs: [{ path: '/in', url: 's3://bucket/x', type: 'DIRECTORY' }, file] },
    { outputs: [{ path: '/in/a', url: 's3://bucket/x' }] },
    { volumes: ['/in'] },
    { executors: [{ ...executors[0], workdir: '/in', stdin: '/in/a', stdout: '/in/b' }] },
  ])('is not what beside, above and at a file is: %j', (task) => {
    expect(problemsOf({ inputs: [file], ...task })).toEqual([]);
  });
});

describe('a path that no file system has', () => {
  test.each(['/proc/1', '/proc/self/x', '/sys/fs/x'])('an input at %s is refused', (path) => {
    expect(problemsOf({ inputs: [{ path, content: 'x' }] })).toEqual([
      `inputs[0].path: expected a path outside of /proc and /sys, got "${path}"`,
    ]);
  });

  test('an input at /dev/shm or beside /proc is accepted', () => {
    for (const path of ['/dev/shm/x', '/process/x', '/data/proc/x'])
      expect(problemsOf({ inputs: [{ path, content: 'x' }] })).toEqual([]);
  });

  test('a name has up to 255 bytes, not characters', () => {
    const named = (name: string) => ({
      inputs: [{ path: `/in/${name}`, content: 'x' }],
      outputs: [{ path: `/out/${name}/x`, url: 's3://bucket/x' }],
      volumes: [`/v/${name}`],
      executors: [{ ...executors[0], workdir: `/w/${name}` }],
    });
    expect(problemsOf(named('x'.repeat(255)))).toEqual([]);
    expect(problemsOf(named('é'.repeat(127)))).toEqual([]);
    for (const name of ['x'.repeat(256), 'é'.repeat(128)])
      expect(problemsOf(named(name)).map((problem) => problem.replace(/, got.*/s, ''))).toEqual(
        ['inputs[0].path', 'outputs[0].path', 'executors[0].workdir', 'volumes[0]'].map(
          (field) => `${field}: expected a path whose names have at most 255 bytes each`,
        ),
      );
  });
});
