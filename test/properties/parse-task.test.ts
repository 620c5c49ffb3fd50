import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseTesTask } from '../../core/task/parse-task.ts';
import { expandScatter } from '../../core/scatter/scatter.ts';
import { renderScript, renderValues } from '../../core/container/script.ts';
import type { TaskSpec } from '../../core/task/task.ts';
import { fillTemplate, splitTask } from '../../core/task/template.ts';

const valid = {
  name: 'n',
  description: 'd',
  tags: { a: 'b' },
  inputs: [
    { url: 's3://bucket/a', path: '/a', type: 'FILE' },
    { content: 'x', path: '/b' },
  ],
  outputs: [{ url: 's3://bucket/c/', path: '/c/*', path_prefix: '/c' }],
  executors: [
    {
      image: 'alpine',
      command: ['a', 'b'],
      env: { A: 'b' },
      workdir: '/w',
      stdin: '/a',
      stdout: '/o',
      stderr: '/e',
      ignore_error: true,
    },
  ],
  resources: {
    cpu_cores: 1,
    ram_gb: 1,
    disk_gb: 1,
    preemptible: false,
    zones: ['z'],
    backend_parameters: { queue: 'q' },
    backend_parameters_strict: false,
  },
  volumes: ['/v'],
};

type Path = (string | number)[];
const pathsOf = (value: unknown, path: Path = []): Path[] =>
  typeof value === 'object' && value !== null
    ? [
        path,
        ...Object.entries(value).flatMap(([name, member]) =>
          pathsOf(member, [...path, Array.isArray(value) ? Number(name) : name]),
        ),
      ]
    : [path];

function replaceAt(value: unknown, [name, ...rest]: Path, by: unknown): unknown {
  if (name === undefined) return by;
  const copy = structuredClone(value) as Record<string | number, unknown>;
  copy[name] = replaceAt(copy[name], rest, by);
  return copy;
}

const nasty = fc.oneof(
  fc.jsonValue(),
  fc.string({ unit: 'binary' }),
  fc.constantFrom('\0', '\ud800', '/..', '__proto__', '', 's3://', 's3://x', '{{a}}', 1e308, -0),
);
const defaults = { cache: 'off' } as const;

test('no JSON value makes the reader throw', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (body) => {
      expect(parseTesTask(body, defaults)).toBeTypeOf('object');
      expect(expandScatter(body, defaults)).toBeTypeOf('object');
    }),
    { numRuns: 1000 },
  );
});

/** An accepted task can be stored, read back and rendered as a script. */
function runnable(spec: TaskSpec): void {
  const { template, values } = splitTask(spec);
  expect(fillTemplate(template, values)).toEqual(spec);
  expect(renderValues(template, values) + renderScript(template)).toContain('finish');
}

test('a task with one member replaced is refused with the name of that member or its parent, or it can run', () => {
  fc.assert(
    fc.property(fc.constantFrom(...pathsOf(valid)), nasty, (path, value) => {
      const read = parseTesTask(replaceAt(valid, path, value), defaults);
      const elsewhere =
        'problems' in read
          ? read.problems.filter(
              ({ field, expected }) => expected === '' || !field.startsWith(String(path[0] ?? '')),
            )
          : [];
      expect(elsewhere).toEqual([]);
      if ('task' in read) runnable(read.task.spec);
    }),
    { numRuns: 3000 },
  );
});

test('a value of a row arrives unchanged in the command', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('\0') && text.isWellFormed()),
      (value) => {
        const read = expandScatter(
          {
            template: { executors: [{ image: 'a', command: ['say', '<{{v}}>'] }] },
            rows: [{ v: value }],
          },
          defaults,
        );
        expect('tasks' in read && read.tasks[0]?.task.spec.executors[0]?.command[1]).toBe(
          `<${value}>`,
        );
      },
    ),
  );
});
