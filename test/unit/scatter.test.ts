import { expect, test } from 'vitest';
import { expandScatter, LARGEST_SCATTER } from '../../core/scatter/scatter.ts';

const template = {
  name: 'count {{sample}}',
  tags: { sample: '{{ sample }}' },
  inputs: [{ url: 's3://bucket/{{sample}}.fq', path: '/in.fq' }],
  outputs: [{ url: 's3://bucket/{{sample}}.txt', path: '/out.txt' }],
  executors: [{ image: 'alpine', command: ['sh', '-c', 'head -n {{lines}} /in.fq >/out.txt'] }],
};
const expand = (body: object) => expandScatter({ template, ...body }, { cache: 'off' });

test('every row fills the template in all its texts', () => {
  const read = expand({
    name: 'counts',
    tags: { run: '7', sample: 'none' },
    cache: 'readwrite',
    rows: [
      { sample: 'a', lines: 4 },
      { sample: 'b', lines: 8 },
    ],
  });
  expect(read).toMatchObject({
    head: { name: 'counts', taskDefaults: { cache: 'readwrite' } },
    tasks: [
      {
        task: {
          name: 'count a',
          tags: { run: '7', sample: 'a' },
          cache: 'readwrite',
          spec: {
            inputs: [{ url: 's3://bucket/a.fq' }],
            executors: [{ command: ['sh', '-c', 'head -n 4 /in.fq >/out.txt'] }],
          },
        },
      },
      { task: { name: 'count b', tags: { run: '7', sample: 'b' } } },
    ],
  });
});

test('a value is data: braces, dollars and quotes in it have no meaning', () => {
  const value = `{{lines}} $& $1 '"`;
  const read = expand({ rows: [{ sample: 'a', lines: value }] });
  expect(read).toMatchObject({
    tasks: [
      {
        task: {
          spec: { executors: [{ command: ['sh', '-c', `head -n ${value} /in.fq >/out.txt`] }] },
        },
      },
    ],
  });
});

test('braces that are not a placeholder stay as they are', () => {
  const command = ['awk', '{{print $1}} {{ 1 }}', '{{'];
  expect(
    expand({ template: { executors: [{ image: 'a', command }] }, rows: [{ x: 1 }] }),
  ).toMatchObject({ tasks: [{ task: { spec: { executors: [{ command }] } } }] });
});

test('a task without a name of its own has the name of its scatter', () => {
  expect(
    expand({ name: 's', template: { executors: template.executors }, rows: [{ lines: 1 }] }),
  ).toMatchObject({ tasks: [{ task: { name: 's' } }] });
});

test('every bad row is listed with its number and the column', () => {
  const rows = [
    { sample: 'a', lines: 1 },
    { sample: 'b' },
    'text',
    { sample: 'a/../b\0', lines: [1] },
    { sample: '\0', lines: 1 },
  ];
  const read = expand({ rows });
  expect('problems' in read && read.problems.map(({ row, field }) => [row, field])).toEqual([
    [1, 'lines'],
    [2, ''],
    [3, 'lines'],
    [4, 'name'],
    [4, 'tags.sample'],
    [4, 'inputs[0].url'],
    [4, 'outputs[0].url'],
  ]);
});

test('a placeholder that no row has is reported once', () => {
  const rows = Array.from({ length: 100 }, () => ({ sample: 'a' }));
  expect(expand({ rows })).toEqual({
    problems: [
      { field: 'template{{lines}}', expected: expect.stringContaining('no row has "lines"') },
    ],
  });
});

test('an inherited property name is not a column', () => {
  const named = { executors: [{ image: 'a', command: ['{{constructor}}'] }] };
  expect(expand({ template: named, rows: [{ x: 1 }] })).toEqual({
    problems: [expect.objectContaining({ field: 'template{{constructor}}' })],
  });
});

test('the scatter’s own fields are checked too', () => {
  const read = expandScatter({ name: 1, cache: 'maybe', tags: [], rows: {} }, { cache: 'off' });
  expect('problems' in read && read.problems.map(({ field }) => field)).toEqual([
    'cache',
    'tags',
    'name',
    'rows',
    'template',
  ]);
});

test('a scatter has at least one row and at most 10,000', () => {
  for (const rows of [
    undefined,
    [],
    Array.from({ length: LARGEST_SCATTER + 1 }, () => ({ sample: 'a', lines: 1 })),
  ]) {
    expect(expand({ rows })).toEqual({
      problems: expect.arrayContaining([
        expect.objectContaining({ field: 'rows', expected: `1 to ${LARGEST_SCATTER} rows` }),
      ]),
    });
  }
});

test('a short template cannot be blown up by a long value', () => {
  const bomb = {
    executors: [{ image: 'a', command: ['x', ...Array.from({ length: 1000 }, () => '{{v}}')] }],
  };
  const read = expandScatter(
    { template: bomb, rows: [{ v: 'short' }, { v: 'x'.repeat(100_000) }] },
    { cache: 'off' },
  );
  expect(read).toEqual({
    problems: [{ row: 1, field: '', expected: expect.stringContaining('this makes 1000') }],
  });
});

test('an integer that JSON cannot hold exactly is refused with its row and column', () => {
  const rows = (lines: unknown) => ({
    rows: [
      { sample: 'a', lines: Number.MAX_SAFE_INTEGER },
      { sample: 'b', lines },
    ],
  });
  for (const text of ['9007199254740993', '-9007199254740993', '1e300', '12345678901234567890'])
    expect(expand(rows(JSON.parse(text)))).toMatchObject({
      problems: [{ row: 1, field: 'lines', expected: expect.stringContaining('as a string') }],
    });
  for (const exact of ['9007199254740993', 0.1, -5, 1e15, Number.MIN_SAFE_INTEGER])
    expect(expand(rows(exact))).toHaveProperty('tasks');
});

test('the merge mode of a scatter, its tag or a row’s own applies to its tasks', () => {
  const merges = (body: object) => {
    const read = expand({ rows: [{ sample: 'a', lines: 1 }], ...body });
    return 'problems' in read ? read.problems : read.tasks[0]?.task.merge;
  };
  expect(merges({})).toBeUndefined();
  expect(merges({ merge: 'off' })).toBe('off');
  expect(merges({ tags: { 'batchwell.merge': 'off' } })).toBe('off');
  expect(merges({ merge: 'on', tags: { 'batchwell.merge': 'off' } })).toBeUndefined();
  const resources = { backend_parameters: { merge: 'on' } };
  expect(merges({ merge: 'off', template: { ...template, resources } })).toBeUndefined();
  expect(merges({ merge: 'never' })).toMatchObject([
    { field: 'merge', expected: 'one of on, off' },
  ]);
});
